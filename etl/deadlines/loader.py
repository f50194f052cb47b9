"""Load calendars and deadlines: the library's public holidays, the packs' lines over them, the workspace's over those.

    mappings/calendars/cn/days.csv               lines of every pack root, for the whole country
    mappings/calendars/<jurisdiction>/days.csv   lines that hold in one jurisdiction only
    <workspace>/calendar.csv                     the company's
    mappings/calendars/deadlines.csv             deadlines of a jurisdiction that are not those of the standard
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from etl.deadlines.definition import FIXED_HOLIDAYS, LEAST_HOLIDAYS, CalendarDay, DeadlineRule, WorkCalendar
from etl.errors import EastboundError, raise_problems
from etl.packs.csvfile import read_csv
from etl.packs.roots import PackRoots
from etl.packs.shape import Shape
from etl.packs.yamlfile import PackFileBroken, read_yaml
from etl.standard.loader import FREQUENCIES, StandardUnknown, standard_names

DAY_COLUMNS = ("date", "kind", "name_zh", "name_en", "basis")
KINDS = {"holiday": (False, True), "workday": (True, True), "company_holiday": (False, False), "company_workday": (True, False)}  # (working, public)
DEADLINE_COLUMNS = ("jurisdiction", "standard", "day", "days_after", "postpone", "basis")
COUNTRY, DAYS, DEADLINES, WORKSPACE_DAYS = "cn", "days.csv", "deadlines.csv", "calendar.csv"
LIBRARY = "chinesecalendar"


@dataclass(frozen=True)
class Head:
    """What the calendar needs of a standard: read from standard.yaml alone, so that a fault in a table does not matter here."""

    name: str
    title: dict[str, str]
    frequency: str
    rule: DeadlineRule | None
    effective_from: date | None = None
    effective_to: date | None = None
    family: str = ""


def load_calendar(roots: PackRoots | None = None, workspace: Path | None = None, jurisdiction: str | None = None) -> WorkCalendar:
    """The calendar of the country, or of one jurisdiction, as a workspace sees it.

    `workspace`: its folder. Raises PackFileBroken, or Problems, for a bad line; nothing for a missing year (asking for one of its days does).
    """
    roots = roots or PackRoots.of()
    days, years = _library()
    company: dict[date, CalendarDay] = {}
    errors: list[EastboundError] = []
    for path in _day_files(roots, workspace, jurisdiction):
        for public, day in _read_days(path, errors):
            (days if public else company)[day.day] = day
    raise_problems(errors)
    told = sorted({day.year for day in days} - years)
    partial = {year: lacks for year in told if (lacks := _lacking(days, year))}
    place = str(workspace / WORKSPACE_DAYS) if workspace else f"<workspace>/{WORKSPACE_DAYS}"
    return WorkCalendar(days, frozenset(years | (set(told) - set(partial))), company, partial, place)


def _library() -> tuple[dict[date, CalendarDay], set[int]]:
    """Days and years of the library; nothing where it is not installed."""
    try:
        from chinese_calendar import Holiday, holidays, workdays
    except ImportError:
        return {}, set()
    names = {holiday.value: {"zh": holiday.chinese, "en": holiday.value} for holiday in Holiday}
    days = {day: CalendarDay(day, working, names.get(name, {"en": str(name)}), source=LIBRARY)
            for working, listed in ((False, holidays), (True, workdays)) for day, name in listed.items()}
    # The library's rule: it knows every year from its first to its last holiday.
    return days, set(range(min(holidays).year, max(holidays).year + 1)) if holidays else set()


def _day_files(roots: PackRoots, workspace: Path | None, jurisdiction: str | None) -> Iterable[Path]:
    names = (COUNTRY, jurisdiction) if jurisdiction else (COUNTRY,)
    wanted = [root / "mappings" / "calendars" / name / DAYS for name in names for root in roots.roots]
    if workspace:
        wanted.append(workspace / WORKSPACE_DAYS)
    return [path for path in wanted if path.is_file()]


def _read_days(path: Path, errors: list[EastboundError]) -> list[tuple[bool, CalendarDay]]:
    """(public, day) of every good line; faults of the others are collected."""
    found: list[tuple[bool, CalendarDay]] = []
    seen: dict[tuple[date, bool], int] = {}
    for line, row in read_csv(path, DAY_COLUMNS, 2, errors):
        day, kind = _date(row["date"]), KINDS.get(row["kind"])
        if day is None:
            _fault(errors, path, line, f"date {row['date']!r} 不是日期，应写作 2027-01-01", f"date {row['date']!r} is not a date; write it as 2027-01-01")
        elif kind is None:
            _fault(errors, path, line, f"kind {row['kind']!r} 无效，应为 {'、'.join(KINDS)}", f"kind {row['kind']!r} is not one of {', '.join(KINDS)}")
        elif (day, kind[1]) in seen:
            _fault(errors, path, line, f"{day} 已见于第 {seen[day, kind[1]]} 行", f"{day} is already on line {seen[day, kind[1]]}")
        else:
            seen[day, kind[1]] = line
            name = {key: row[f"name_{key}"] for key in ("zh", "en") if row[f"name_{key}"]}
            found.append((kind[1], CalendarDay(day, kind[0], name, row["basis"], path.name)))
    return found


def _lacking(days: dict[date, CalendarDay], year: int) -> tuple[str, ...]:
    """What the lines of a year that only files know still lack; empty for a complete one."""
    off = {day for day, known in days.items() if day.year == year and not known.working}
    lacks = [date(year, month, day).isoformat() for month, day in FIXED_HOLIDAYS if date(year, month, day) not in off]
    if not lacks and len(off) < LEAST_HOLIDAYS:
        lacks.append(f"holiday × {LEAST_HOLIDAYS - len(off)}")
    return tuple(lacks)


def load_head(name: str, roots: PackRoots | None = None) -> Head:
    """The head of a standard. Raises StandardUnknown, PackFileBroken or Problems."""
    roots = roots or PackRoots.of()
    folder = roots.standard(name)
    if folder is None or not (folder / "standard.yaml").is_file():
        raise StandardUnknown(name=name, known=", ".join(standard_names(roots)) or "-")
    errors: list[EastboundError] = []
    shape = Shape(read_yaml(folder / "standard.yaml"), errors)
    data = shape.mapping(shape.document.data)
    effective = shape.mapping(data.get("effective"), "effective")
    deadline = shape.mapping(data.get("deadline"), "deadline")
    for key, least, most in (("day", 1, 31), ("days_after", 0, 366)):
        value = deadline.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most):
            shape.fault("deadline", key, zh=f"deadline.{key} 应为 {least} 至 {most} 的整数，不是 {value!r}", en=f"deadline.{key} should be a whole number from {least} to {most}, not {value!r}")
    shape.flag(deadline.get("postpone"), "deadline", "postpone")
    head = Head(name, shape.texts(data.get("name"), "name"), shape.one_of(data.get("frequency"), FREQUENCIES, "frequency", default="monthly") or "monthly",
                DeadlineRule.of(deadline) if not errors else None, shape.day(effective.get("from"), "effective", "from"),
                shape.day(effective.get("to"), "effective", "to"), shape.text(data.get("family"), "family"))
    raise_problems(errors)
    return head


def local_deadlines(roots: PackRoots | None = None) -> dict[tuple[str, str], DeadlineRule]:
    """(standard, jurisdiction) -> the deadline of its own; a later pack root wins. Raises PackFileBroken or Problems."""
    errors: list[EastboundError] = []
    found: dict[tuple[str, str], DeadlineRule] = {}
    for root in (roots or PackRoots.of()).roots:
        path = root / "mappings" / "calendars" / DEADLINES
        if path.is_file():
            found.update(_read_deadlines(path, errors))
    raise_problems(errors)
    return found


def _read_deadlines(path: Path, errors: list[EastboundError]) -> dict[tuple[str, str], DeadlineRule]:
    found: dict[tuple[str, str], DeadlineRule] = {}
    for line, row in read_csv(path, DEADLINE_COLUMNS, 3, errors):
        numbers = {key: _number(row[key], most) for key, most in (("day", 31), ("days_after", 366))}
        key = (row["standard"], row["jurisdiction"])
        if not re.fullmatch(r"\d{6}", row["jurisdiction"], re.ASCII) or not row["standard"]:
            _fault(errors, path, line, "应有六位辖区代码和标准名", "a six-digit jurisdiction and the name of a standard are needed")
        elif any(row[name] and numbers[name] is None for name in numbers) or numbers["day"] == 0 or not any(row[name] for name in numbers):
            _fault(errors, path, line, "day 应为 1 至 31，或 days_after 为 0 至 366，至少给出一个", "day from 1 to 31 or days_after from 0 to 366 is needed")
        elif row["postpone"] not in ("", "true", "false"):
            _fault(errors, path, line, "postpone 应为 true、false 或空", "postpone should be true, false or empty")
        elif key in found:
            _fault(errors, path, line, f"{key[1]} {key[0]} 重复", f"{key[1]} {key[0]} appears twice")
        else:
            rule = DeadlineRule.of({**numbers, "postpone": {"true": True, "false": False}.get(row["postpone"])}, row["basis"])
            assert rule is not None
            found[key] = rule
    return found


def _number(text: str, most: int) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,3}", text, re.ASCII) and int(text) <= most else None


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII) else None
    except ValueError:
        return None


def _fault(errors: list[EastboundError], path: Path, line: int, zh: str, en: str) -> None:
    errors.append(PackFileBroken(path=str(path), line=line, problem_zh=zh, problem_en=en))
