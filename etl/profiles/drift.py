"""How far a distribution has moved: the population stability index (PSI)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal

# A value that is there in one distribution only would weigh infinitely: its share in the other counts as this much.
FLOOR = 0.0001
OTHER = "(other)"


def population_stability_index(expected: Mapping[str, int], actual: Mapping[str, int]) -> Decimal:
    """Sum over all values of (a - e) ln(a / e), with a and e the shares of a value in `actual` and `expected` (value -> rows).

    0 for equal distributions; by the usage of credit scoring below 0.1 is no change to speak of, above 0.25 is a large one.
    Raises ValueError where one of the two has no rows.
    """
    whole_expected, whole_actual = sum(expected.values()), sum(actual.values())
    if whole_expected <= 0 or whole_actual <= 0:
        raise ValueError("a distribution without rows")
    terms = []
    for value in sorted({*expected, *actual}):
        e = max(expected.get(value, 0) / whole_expected, FLOOR)
        a = max(actual.get(value, 0) / whole_actual, FLOOR)
        terms.append((a - e) * math.log(a / e))
    return Decimal(repr(round(math.fsum(terms), 12)))


def pooled(distributions: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Rows per value over all of them."""
    counts: dict[str, int] = {}
    for distribution in distributions:
        for value, rows in distribution.items():
            counts[value] = counts.get(value, 0) + rows
    return counts
