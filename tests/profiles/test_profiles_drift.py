"""The population stability index, worked out by hand."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.profiles.drift import FLOOR, pooled, population_stability_index


def test_half_and_half_becomes_four_fifths():
    # (0.8 - 0.5) ln(0.8 / 0.5) = 0.3 x 0.470004 = 0.141001
    # (0.2 - 0.5) ln(0.2 / 0.5) = -0.3 x -0.916291 = 0.274887        together 0.415888
    assert round(population_stability_index({"有效": 500, "终止": 500}, {"有效": 80, "终止": 20}), 6) == Decimal("0.415888")


def test_a_small_move_is_small():
    # e = 0.7, 0.3; a = 0.72, 0.28: 0.02 ln(1.028571) + -0.02 ln(0.933333) = 0.02 x 0.028171 + 0.02 x 0.068993 = 0.001943
    assert round(population_stability_index({"a": 700, "b": 300}, {"a": 72, "b": 28}), 6) == Decimal("0.001943")


def test_a_value_that_vanishes_counts_as_one_in_ten_thousand():
    # (1 - 0.9) ln(1 / 0.9) = 0.1 x 0.105361 = 0.010536; (0.0001 - 0.1) ln(0.0001 / 0.1) = -0.0999 x -6.907755 = 0.690085
    assert FLOOR == 0.0001
    assert round(population_stability_index({"a": 90, "b": 10}, {"a": 50}), 6) == Decimal("0.700621")


def test_equal_distributions_do_not_drift_whatever_their_size():
    assert population_stability_index({"a": 3, "b": 1}, {"b": 100, "a": 300}) == 0


def test_nothing_is_not_a_distribution():
    for expected, actual in (({}, {"a": 1}), ({"a": 1}, {}), ({"a": 0}, {"a": 1})):
        with pytest.raises(ValueError):
            population_stability_index(expected, actual)


COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 1000)).filter(lambda counts: sum(counts.values()) > 0)


@given(COUNTS, COUNTS)
def test_the_index_is_symmetric_and_never_negative(one, other):
    index = population_stability_index(one, other)
    assert index >= 0 and math.isclose(index, population_stability_index(other, one), abs_tol=1e-9)


def test_pooling_adds_rows():
    assert pooled([{"a": 1, "b": 2}, {}, {"b": 3, "c": 4}]) == {"a": 1, "b": 5, "c": 4}
