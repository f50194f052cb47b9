"""The nouns of a submission: company, period, written file, package."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from etl.errors import EastboundError


class PeriodUnreadable(EastboundError):
    zh = "报送期 {text!r} 无效；月报写 2026-10，季报写 2026Q3，日报写 2026-10-31"
    en = "{text!r} is not a period; write 2026-10 for a month, 2026Q3 for a quarter or 2026-10-31 for a day"


@dataclass(frozen=True)
class Company:
    """The reporting company: its code (保险机构代码) and its name as in the code table."""

    code: str
    name: str


@dataclass(frozen=True)
class Period:
    """A reporting period, both days inclusive."""

    start: date
    end: date

    @classmethod
    def parse(cls, text: str) -> Period:
        """`2026-10` is a month, `2026Q3` a quarter (July to September), `2026-10-31` a day. Raises PeriodUnreadable."""
        given = str(text).strip()
        match = re.fullmatch(r"([0-9]{4})-([0-9]{2})(?:-([0-9]{2}))?", given, re.ASCII)
        quarter = re.fullmatch(r"([0-9]{4})Q([1-4])", given, re.ASCII)
        try:
            if quarter is not None:
                year, first = int(quarter[1]), 3 * int(quarter[2]) - 2
                return cls(date(year, first, 1), _month_end(date(year, first + 2, 1)))
            if match is None:
                raise ValueError
            year, month = int(match[1]), int(match[2])
            if match[3]:
                day = date(year, month, int(match[3]))
                return cls(day, day)
            return cls(date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1]))
        except (ValueError, calendar.IllegalMonthError):
            raise PeriodUnreadable(text=str(text)) from None

    @classmethod
    def ending(cls, day: date, frequency: str) -> Period:
        """The month or quarter that `day` lies in, by a standard's frequency; the day itself for any other frequency."""
        if frequency == "quarterly":
            return cls.parse(f"{day:%Y}Q{(day.month + 2) // 3}")
        return cls.parse(f"{day:%Y-%m}" if frequency == "monthly" else day.isoformat())

    @property
    def label(self) -> str:
        """The period as people and folders name it: `2026-10`, `2026Q3`, `2026-10-31`, or `start..end`."""
        if self.start == self.end:
            return self.start.isoformat()
        if (self.start, self.end) == (self.start.replace(day=1), _month_end(self.start)):
            return f"{self.start:%Y-%m}"
        if self.start.day == 1 and self.start.month % 3 == 1 and self.end == _month_end(self.start.replace(month=self.start.month + 2)):
            return f"{self.start:%Y}Q{(self.start.month + 2) // 3}"
        return f"{self.start.isoformat()}..{self.end.isoformat()}"

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True)
class WrittenFile:
    """What the writer says of a file; the reader must come to the same before it is sealed.

    `totals` holds the sum of every decimal and integer item as text with the item's scale ("0.00" for no rows).
    """

    table: str
    name: str
    path: Path
    rows: int
    bytes: int
    sha256: str
    first_serial: str | None
    last_serial: str | None
    totals: dict[str, str] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        """Lines of data; a header line, where the format has one, is not counted."""
        return self.rows


@dataclass(frozen=True)
class Package:
    """A sealed package: its folder, its manifest, and the manifest's own SHA-256 (`self`)."""

    folder: Path
    manifest: dict[str, Any]
    sha256: str


def _month_end(day: date) -> date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])
