"""What an expectation comes to: the value seen in a period, and the range that the pack and the earlier periods give for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from statistics import mean, median

from etl.profiles.definition import MEASURES, Expectation, ItemProfile, Range, TableProfile
from etl.profiles.drift import OTHER, pooled, population_stability_index


def measure(name: str, line: ItemProfile, end: date) -> Decimal | None:
    """The measure `name` of a profile's line; None where it has no meaning, such as a share of no rows. `end` is the last day of the period."""
    filled = line.rows - line.nulls
    if name == "rows":
        return Decimal(line.rows)
    if name == "aside_share":
        return _share(line.aside, line.rows + line.aside)
    if name == "null_share":
        return _share(line.nulls, line.rows)
    if name == "blank_share":
        return _share(line.blanks, line.rows)
    if name == "distinct":
        return None if line.distinct is None else Decimal(line.distinct)
    if name == "distinct_share":
        return None if line.distinct is None else _share(line.distinct, filled)
    if name == "sum":
        # Nothing adds up to nothing: an empty table is told by its rows, and its sums are zero.
        return line.total if line.total is not None or line.rows else Decimal(0)
    if name == "mean":
        return None if line.total is None or not filled else line.total / filled
    if name == "age":
        return None if line.last_day is None else Decimal((end - line.last_day).days)
    raise KeyError(name)


def find_range(wanted: Expectation, now: TableProfile | None, end: date, earlier: Sequence[tuple[TableProfile, date]]) -> Range:
    """The range of one expectation. `earlier`: profiles of the same table and the last days of their periods, the latest first."""
    line = now.items.get(wanted.item) if now else None
    if line is None:
        return Range(wanted, reason="no_profile")
    if wanted.measure == "drift":
        return _drift(wanted, line, earlier)
    observed = measure(wanted.measure, line, end)
    if not wanted.looks_back:
        if observed is None:
            return Range(wanted, reason="no_value")
        if line.rows < wanted.least_rows:
            return Range(wanted, observed, reason="few_rows")
        return Range(wanted, observed, wanted.at_least, wanted.at_most)
    if observed is None:
        return Range(wanted, reason="no_value")
    whole = MEASURES[wanted.measure].kind == "share" or wanted.measure == "mean"
    if whole and line.rows < wanted.least_rows:
        return Range(wanted, observed, reason="few_rows")
    values: list[tuple[str, Decimal, int]] = []
    for profile, last_day in earlier:
        old = profile.items.get(wanted.item)
        value = None if old is None else measure(wanted.measure, old, last_day)
        if old is not None and value is not None and not (whole and old.rows < wanted.least_rows):
            values.append((profile.period, value, old.rows))
    values = values[: 1 if wanted.against == "previous" else wanted.history]
    if not values:
        return Range(wanted, observed, reason="no_history" if not earlier else "no_reference")
    periods = tuple(period for period, _, _ in values)
    # Volumes and sums may well have dropped below the least: it is enough that either side is large.
    if not whole and max(line.rows, max(rows for _, _, rows in values)) < wanted.least_rows:
        return Range(wanted, observed, periods=periods, reason="few_rows")
    reference = _reference(wanted.against, [value for _, value, _ in values])
    if MEASURES[wanted.measure].kind == "share":
        low = None if wanted.fall is None else max(reference - wanted.fall, Decimal(0))
        high = None if wanted.rise is None else min(reference + wanted.rise, Decimal(1))
    else:
        if reference == 0:
            return Range(wanted, observed, reference=reference, periods=periods, reason="zero_reference")
        low = None if wanted.down is None else reference - abs(reference) * wanted.down
        high = None if wanted.up is None else reference + abs(reference) * wanted.up
    return Range(wanted, observed, low, high, reference, periods)


def _drift(wanted: Expectation, line: ItemProfile, earlier: Sequence[tuple[TableProfile, date]]) -> Range:
    actual = _distribution(line)
    if actual is None:
        return Range(wanted, reason="no_profile")
    if not actual:
        return Range(wanted, reason="no_value")
    if sum(actual.values()) < wanted.least_rows:
        return Range(wanted, reason="few_rows")
    used: list[tuple[str, dict[str, int]]] = []
    for profile, _ in earlier:
        old = profile.items.get(wanted.item)
        distribution = _distribution(old) if old else None
        if distribution and sum(distribution.values()) >= wanted.least_rows:
            used.append((profile.period, distribution))
    used = used[: wanted.history]
    if not used:
        return Range(wanted, reason="no_history" if not earlier else "no_reference")
    index = population_stability_index(pooled(distribution for _, distribution in used), actual)
    return Range(wanted, index, None, wanted.at_most, periods=tuple(period for period, _ in used))


def _distribution(line: ItemProfile) -> dict[str, int] | None:
    """Rows per value of a counted item, nulls left out: how many there are is another measure."""
    if line.codes is None:
        return None
    return {**line.codes, **({OTHER: line.other} if line.other else {})}


def _share(part: int, whole: int) -> Decimal | None:
    return Decimal(part) / Decimal(whole) if whole else None


def _reference(against: str, values: Sequence[Decimal]) -> Decimal:
    if against == "previous":
        return values[0]
    return Decimal(median(values)) if against == "median" else Decimal(mean(values))
