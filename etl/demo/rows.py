"""Small tables written row by row: a list of rows becomes a frame; money, months and working days as these systems keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from etl.demo.columns import NAT, NULL, Frame, days, objects


def rows_frame(columns: str, rows: Sequence[Mapping[str, Any]], *, numbers: str = "", dates: str = "") -> Frame:
    """A frame of `rows`. `columns`: their names in order, separated by blanks, all text but for those in `numbers`
    (whole numbers, decimals scaled to their last digit) and `dates` (datetime64[D]). A value left out or None is null."""
    whole, day = set(numbers.split()), set(dates.split())
    frame: Frame = {}
    for name in columns.split():
        values = [row.get(name) for row in rows]
        if name in whole:
            frame[name] = np.array([NULL if value is None else int(value) for value in values], dtype=np.int64)
        elif name in day:
            frame[name] = np.array([NAT if value is None else value for value in values], dtype="datetime64[D]")
        else:
            frame[name] = objects(values)
    return frame


def month_ends(end: np.datetime64, count: int) -> list[np.datetime64]:
    """The last `count` month ends up to `end`, in order; `end` is the last day of its month."""
    month = end.astype("datetime64[M]")
    return [last_day(month - np.timedelta64(back, "M")) for back in range(count - 1, -1, -1)]


def last_day(month: np.datetime64) -> np.datetime64:
    """The last day of a month."""
    return (month.astype("datetime64[M]") + np.timedelta64(1, "M")).astype("datetime64[D]") - days(1)


def year_start(day: np.datetime64) -> np.datetime64:
    """1 January of the day's year."""
    return day.astype("datetime64[Y]").astype("datetime64[D]")


def trading_days(first: np.datetime64, last: np.datetime64) -> list[np.datetime64]:
    """Working days without the long holidays of the new year, May and October."""
    found = np.arange(first, last + days(1), dtype="datetime64[D]")
    return [day for day in found if np.is_busday(day) and str(day)[5:] not in _HOLIDAYS]


_HOLIDAYS = {"01-01", *(f"05-{n:02d}" for n in range(1, 6)), *(f"10-{n:02d}" for n in range(1, 9))}


def slashed(day: np.datetime64 | None) -> str | None:
    """A date as yyyy/mm/dd."""
    return None if day is None else str(day).replace("-", "/")


def commas(cents: int) -> str:
    """An amount as people write it: 1,234,567.89."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def times(cents: int, rate: int, per: int = 10_000) -> int:
    """`cents` times rate/per, rounded half away from zero."""
    product = cents * rate
    return (abs(product) * 2 + per) // (2 * per) * (1 if product >= 0 else -1)
