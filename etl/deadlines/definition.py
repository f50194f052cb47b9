"""The nouns of deadlines: days, calendars, rules, obligations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from etl.errors import EastboundError

SHANGHAI = ZoneInfo("Asia/Shanghai")
DUE, LATE, DONE = "due", "late", "done"

# Days off by law on the same date every year (Regulation on public holidays; 2 May since 2025), and how many days off the law gives at
# least. A year that the library does not know is taken as complete only when its lines hold all of these.
FIXED_HOLIDAYS = ((1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3))
LEAST_HOLIDAYS = 13


class CalendarYearMissing(EastboundError):
    zh = ("没有 {year} 年完整的放假安排（已知年份：{known}）{found_zh}。请按国务院办公厅的放假通知，把 {year} 年的每个放假日（连休中的周末也写）写成一行 holiday、"
          "每个调休上班日写成一行 workday，加入 {path}，或加入规范包的 mappings/calendars/cn/days.csv（--packs），例如：\n  date,kind,name_zh,name_en,basis\n"
          "  {year}-01-01,holiday,元旦,New Year's Day,国办发明电〔{before}〕…号")
    en = ("there is no complete calendar of {year} (known years: {known}){found_en}. Take the State Council's notice on the holidays of {year} and add to {path}, "
          "or to mappings/calendars/cn/days.csv of a pack folder (--packs), one line `holiday` for each day off (weekends inside a holiday too) and one line "
          "`workday` for each make-up working day, such as:\n"
          "  date,kind,name_zh,name_en,basis\n  {year}-01-01,holiday,元旦,New Year's Day,notice of {before}")


class DeadlineMissing(EastboundError):
    zh = "标准 {standard} 的 standard.yaml 没有 deadline，无法计算期限；可加入 deadline: {{day: 15}} 或 {{days_after: 1}}"
    en = "standard.yaml of {standard} has no deadline to compute; add deadline: {{day: 15}} or {{days_after: 1}}"


class JurisdictionUnknown(EastboundError):
    zh = "{standards} 没有辖区 {jurisdiction} 的地方规则，也没有它的期限；已有：{known}。可写入 mappings/calendars/deadlines.csv 或 validation_rules/<标准>/local/{jurisdiction}/"
    en = ("{standards} has neither local rules nor a deadline of jurisdiction {jurisdiction}; there are: {known}. "
          "Write one in mappings/calendars/deadlines.csv or rules in validation_rules/<standard>/local/{jurisdiction}/")


@dataclass(frozen=True)
class CalendarDay:
    """A day that is not what its weekday says, or is confirmed as such. `source`: the file, or `chinesecalendar`."""

    day: date
    working: bool
    name: Mapping[str, str] = field(default_factory=dict)
    basis: str = ""
    source: str = ""


@dataclass(frozen=True)
class WorkCalendar:
    """Working days: `days` where the weekday is not the answer, `years` of which everything is known.

    `company` are the company's own days: they count for working days left and for alerts (`company_view`), and never move a deadline.
    With `lenient`, weekdays of an unknown year count as working days instead of raising CalendarYearMissing. `place` is told to
    whoever has to add lines, `partial` says which lines of a not yet complete year are missing.
    """

    days: Mapping[date, CalendarDay] = field(default_factory=dict)
    years: frozenset[int] = frozenset()
    company: Mapping[date, CalendarDay] = field(default_factory=dict)
    partial: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    place: str = "calendar.csv"
    lenient: bool = False

    def knows(self, year: int) -> bool:
        return year in self.years

    def need(self, years: Iterable[int]) -> None:
        """Raise CalendarYearMissing for the first of `years` that is not known."""
        for year in sorted(set(years)):
            if not (self.lenient or self.knows(year)):
                raise self.missing(year)

    def missing(self, year: int) -> CalendarYearMissing:
        lacks = self.partial.get(year, ())
        return CalendarYearMissing(
            year=year, before=year - 1, known=spans(self.years), path=self.place,
            found_zh=f"；已有该年的部分行，尚缺：{'、'.join(lacks)}" if lacks else "",
            found_en=f"; some of its lines are there, missing are: {', '.join(lacks)}" if lacks else "")


@dataclass(frozen=True)
class DeadlineRule:
    """When a period is due: on `day` of the month after its end (the last day in a shorter month), or `days_after` its end; the later
    of the two where both are given. `postpone`: moved to the next working day when it falls on a day off."""

    day: int | None = None
    days_after: int | None = None
    postpone: bool = True
    basis: str = ""

    @classmethod
    def of(cls, deadline: Mapping[str, Any] | None, basis: str = "") -> DeadlineRule | None:
        """The rule that a pack's `deadline` block describes; None without one. Counted days are not postponed unless it is said."""
        deadline = deadline or {}
        day, days_after, postpone = deadline.get("day"), deadline.get("days_after"), deadline.get("postpone")
        if day is None and days_after is None:
            return None
        return cls(day, days_after, (day is not None) if postpone is None else bool(postpone), basis)


@dataclass(frozen=True)
class Obligation:
    """One period of one standard, and when it is due. `jurisdiction` None is the national package."""

    standard: str
    jurisdiction: str | None
    period: str
    period_end: date
    nominal: date
    due: date


@dataclass(frozen=True)
class Judged:
    """What became of an obligation on `today`.

    `sealed_at` (UTC) and `run`: the first sealed run of the period, or the latest run where none is sealed. `working_days_left` for
    what is due (0 on the day itself; None where the calendar does not reach), `days_late` calendar days after the deadline.
    """

    obligation: Obligation
    state: Literal["due", "late", "done"]
    run: str | None = None
    run_status: str | None = None
    sealed_at: datetime | None = None
    working_days_left: int | None = None
    days_late: int = 0


def spans(years: Iterable[int]) -> str:
    """Years as people write them: `2004-2026, 2028`; `-` for none."""
    told: list[list[int]] = []
    for year in sorted(set(years)):
        if told and year == told[-1][1] + 1:
            told[-1][1] = year
        else:
            told.append([year, year])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in told) or "-"


def shanghai_day(moment: date | datetime) -> date:
    """The day in Asia/Shanghai on which a moment lies. A date, or a moment without a zone, is taken as Shanghai's already."""
    if isinstance(moment, datetime):
        return (moment.astimezone(SHANGHAI) if moment.tzinfo else moment).date()
    return moment


def today_in_shanghai() -> date:
    return datetime.now(SHANGHAI).date()
