"""Ranges against earlier periods, worked out by hand; thirteen months of which one drifted."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from small_profiles import policies

from etl.profiles.definition import WHOLE, Expectation, ItemProfile, TableProfile, expected_text
from etl.profiles.judge import find_range

END = date(2026, 10, 31)
MESSAGE = {"zh": "说明", "en": "text"}


def expect(measure: str, item: str = WHOLE, **more: Any) -> Expectation:
    numbers = {key: Decimal(str(value)) for key, value in more.items() if key in ("at_least", "at_most", "down", "up", "fall", "rise")}
    return Expectation("SM-BD-PF-01", "BD", measure, item, "warning", MESSAGE, **{**more, **numbers})


def months(count: int, **about: Any) -> list[tuple[TableProfile, date]]:
    """`count` months before 2026-10, the latest first, all of them alike."""
    found = []
    for back in range(1, count + 1):
        year, month = divmod(2026 * 12 + 9 - back, 12)
        found.append((policies(f"{year}-{month + 1:02d}", **about), date(year, month + 1, 28)))
    return found


def test_twelve_months_alike_and_one_that_drifted():
    earlier = months(13, rows=1000, states={"有效": 500, "终止": 500})
    found = find_range(expect("drift", "ZT", at_most=0.25), policies("2026-10", 1000, {"有效": 800, "终止": 200}), END, earlier)
    # (0.8 - 0.5) ln(0.8 / 0.5) + (0.2 - 0.5) ln(0.2 / 0.5) = 0.141001 + 0.274887
    assert round(found.observed, 6) == Decimal("0.415888") and found.high == Decimal("0.25") and found.observed > found.high
    # The thirteenth month before is left out.
    assert len(found.periods) == 12 and found.periods[0] == "2026-09" and found.periods[-1] == "2025-10"
    calm = find_range(expect("drift", "ZT", at_most=0.25), policies("2026-10", 1000, {"有效": 510, "终止": 490}), END, earlier)
    # (0.51 - 0.5) ln(1.02) + (0.49 - 0.5) ln(0.98) = 0.000198 + 0.000202
    assert round(calm.observed, 6) == Decimal("0.000400")


def test_the_reference_of_drift_is_all_periods_together():
    earlier = [(policies("2026-09", 300, {"有效": 300}), END), (policies("2026-08", 100, {"终止": 100}), END)]
    found = find_range(expect("drift", "ZT", at_most=0.25), policies("2026-10", 4, {"有效": 3, "终止": 1}), END, earlier)
    assert found.observed == 0


def test_values_that_are_no_codes_drift_too():
    earlier = [(policies("2026-09", 100, {"有效": 100}), END)]
    found = find_range(expect("drift", "ZT", at_most=0.25), policies("2026-10", 100, {"有效": 90}, other=10), END, earlier)
    # (0.9 - 1) ln(0.9 / 1) = 0.010536; (0.1 - 0.0001) ln(0.1 / 0.0001) = 0.0999 x 6.907755 = 0.690085
    assert round(found.observed, 6) == Decimal("0.700621")


@pytest.mark.parametrize(("against", "reference", "low", "high"), [
    ("previous", "1300", "1170", "1560"), ("median", "1100", "990", "1320"), ("mean", "1100", "990", "1320")])
def test_volume_against_earlier_periods(against, reference, low, high):
    # Rows 1300, 900, 1100: previous 1300, median 1100, mean 3300 / 3; 10 % down, 20 % up.
    earlier = [(policies(period, rows), END) for period, rows in (("2026-09", 1300), ("2026-08", 900), ("2026-07", 1100))]
    found = find_range(expect("rows", against=against, down=0.1, up=0.2), policies("2026-10", 1000), END, earlier)
    assert (found.reference, found.low, found.high) == (Decimal(reference), Decimal(low), Decimal(high))
    assert found.observed == 1000 and found.periods == (("2026-09",) if against == "previous" else ("2026-09", "2026-08", "2026-07"))
    assert expected_text(found) == f"{low} .. {high}"


def test_the_median_of_two_lies_between_them():
    earlier = [(policies("2026-09", 100), END), (policies("2026-08", 101), END)]
    assert find_range(expect("rows", down=0.5), policies("2026-10", 90), END, earlier).reference == Decimal("100.5")


def test_a_negative_sum_has_its_range_the_right_way_round():
    found = find_range(expect("sum", "BF", against="previous", down=0.5, up=0.1), policies("2026-10", 5, premium="-90"), END, [(policies("2026-09", 5, premium="-100"), END)])
    assert (found.low, found.high) == (Decimal(-150), Decimal(-90))


def test_shares_move_in_points_and_stay_shares():
    earlier = [(policies("2026-09", 10, nulls=1), END), (policies("2026-08", 10, nulls=3), END)]
    found = find_range(expect("null_share", "BF", against="mean", fall=0.3, rise=0.1), policies("2026-10", 10, nulls=4), END, earlier)
    # The mean of 0.1 and 0.3; 0.2 - 0.3 lies below nothing.
    assert (found.observed, found.reference, found.low, found.high) == (Decimal("0.4"), Decimal("0.2"), Decimal(0), Decimal("0.3"))
    assert expected_text(found) == "0 .. 0.3"


def test_exactly_on_the_bound_is_inside():
    # 0.7 + 0.1 is 0.7999... in binary, 0.8 in decimal numbers.
    found = find_range(expect("null_share", "BF", against="previous", rise=0.1), policies("2026-10", 10, nulls=8), END, [(policies("2026-09", 10, nulls=7), END)])
    assert found.observed == found.high == Decimal("0.8")


def test_mean_and_age():
    line = ItemProfile("BF", 10, nulls=2, total=Decimal("100"), first_day=date(2026, 1, 1), last_day=date(2026, 10, 28))
    now = TableProfile("BD", "2026-10", "r", {WHOLE: ItemProfile(WHOLE, 10), "BF": line})
    # 100 over the eight rows that have a value; from the 28th to the 31st.
    assert find_range(expect("mean", "BF", at_most=20), now, END, []).observed == Decimal("12.5")
    assert find_range(expect("age", "BF", at_most=5), now, END, []).observed == 3


@pytest.mark.parametrize(("now", "earlier", "wanted", "reason"), [
    (policies("2026-10", 10), [], expect("rows", down=0.1), "no_history"),
    (policies("2026-10", 10, {"有效": 10}), [], expect("drift", "ZT", at_most=0.1), "no_history"),
    (policies("2026-10", 10), [(policies("2026-09", 0), END)], expect("rows", down=0.1), "zero_reference"),
    (policies("2026-10", 10), [(policies("2026-09", 0), END)], expect("null_share", "BF", rise=0.1), "no_reference"),
    (policies("2026-10", 0), [], expect("null_share", "BF", at_most=0.1), "no_value"),
    (policies("2026-10", 9), [], expect("null_share", "BF", at_most=0.1, least_rows=10), "few_rows"),
    (policies("2026-10", 9), [(policies("2026-09", 9), END)], expect("rows", down=0.1, least_rows=10), "few_rows"),
    (policies("2026-10", 9, {"有效": 9}), [(policies("2026-09", 90, {"有效": 90}), END)], expect("drift", "ZT", at_most=0.1, least_rows=10), "few_rows"),
    (policies("2026-10", 90, {"有效": 90}), [(policies("2026-09", 9, {"有效": 9}), END)], expect("drift", "ZT", at_most=0.1, least_rows=10), "no_reference"),
    (policies("2026-10", 10), [], expect("rows_of_nothing", "JGDM", at_most=0.1), "no_profile"),
    (None, [], expect("rows", at_least=1), "no_profile"),
])
def test_what_cannot_be_said_is_not_said(now, earlier, wanted, reason):
    found = find_range(wanted, now, END, earlier)
    assert found.reason == reason and found.low is None and found.high is None


def test_a_collapse_is_judged_however_few_rows_are_left():
    found = find_range(expect("rows", down=0.1, least_rows=100), policies("2026-10", 3), END, [(policies("2026-09", 1000), END)])
    assert found.reason == "" and found.low == 900 and found.observed == 3
