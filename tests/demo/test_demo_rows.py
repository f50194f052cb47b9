"""Money, months and working days as the smaller systems keep them."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from etl.demo.columns import NULL
from etl.demo.rows import commas, last_day, month_ends, rows_frame, slashed, times, trading_days, year_start


def day(text: str) -> np.datetime64:
    return np.datetime64(text, "D")


@pytest.mark.parametrize(("cents", "text"), [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (123456789, "1,234,567.89"), (-100000, "-1,000.00")])
def test_amounts_are_written_with_commas(cents, text):
    assert commas(cents) == text


@pytest.mark.parametrize(("cents", "rate", "per", "wanted"), [(1000, 25, 100, 250), (15, 1, 10, 2), (-15, 1, 10, -2), (14, 1, 10, 1), (3333, 2500, 10_000, 833)])
def test_rates_round_half_away_from_zero(cents, rate, per, wanted):
    assert times(cents, rate, per) == wanted


def test_months_and_years():
    assert last_day(day("2024-02-11")) == day("2024-02-29")
    assert month_ends(day("2026-01-31"), 3) == [day("2025-11-30"), day("2025-12-31"), day("2026-01-31")]
    assert year_start(day("2026-10-31")) == day("2026-01-01")
    assert (slashed(day("2026-03-09")), slashed(None)) == ("2026/03/09", None)


def test_the_october_holiday_is_no_trading_day():
    assert [str(found) for found in trading_days(day("2026-09-30"), day("2026-10-12"))] == ["2026-09-30", "2026-10-09", "2026-10-12"]


def test_rows_become_columns_with_nulls():
    frame = rows_frame("a n d", [{"a": "x", "n": 3, "d": day("2026-10-31")}, {"n": None}], numbers="n", dates="d")
    assert frame["a"].tolist() == ["x", None]
    assert frame["n"].tolist() == [3, NULL]
    assert frame["d"].astype(object).tolist() == [date(2026, 10, 31), None]
