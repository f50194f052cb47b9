"""Serial numbers (流水号): built, as a value or in SQL, and taken apart, by the pattern of the standard."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from datetime import date, datetime

from etl.engines.local import literal
from etl.errors import EastboundError
from etl.standard.definition import SerialFormat


class SerialPatternBroken(EastboundError):
    zh = "流水号格式 {pattern!r} 无效：{problem_zh}"
    en = "serial pattern {pattern!r}: {problem_en}"


class SerialOverflow(EastboundError):
    zh = "流水号序号 {sequence} 超出 1 到 {most} 的范围（{digits} 位）；请分批报送"
    en = "sequence {sequence} is not from 1 to {most} ({digits} digits); send it in several batches"


class SerialLength(EastboundError):
    zh = "流水号应为 {length} 位，按格式 {pattern!r} 和机构代码 {company} 得到 {found} 位"
    en = "a serial number has {length} characters, but pattern {pattern!r} with company {company} gives {found}"


class SerialUnreadable(EastboundError):
    zh = "{text!r} 不是 {pattern!r} 格式的流水号"
    en = "{text!r} is not a serial number of the form {pattern!r}"


@dataclass(frozen=True)
class Serial:
    """The parts of a serial number."""

    company: str
    report_date: date
    sequence: int


def sequence_digits(fmt: SerialFormat) -> int:
    """Digits of the sequence in the pattern (`{sequence:010d}` has 10)."""
    found = [spec or "" for _, name, spec, _ in _fields(fmt) if name == "sequence"]
    match = re.fullmatch(r"0([0-9]+)d", found[0]) if len(found) == 1 else None
    if match is None:
        raise SerialPatternBroken(
            pattern=fmt.pattern, problem_zh="应恰有一个 {sequence:0Nd}", problem_en="it needs one {sequence:0Nd}"
        )
    return int(match[1])


def check_sequence(fmt: SerialFormat, sequence: int) -> None:
    """Raise SerialOverflow unless 1 <= sequence <= 10**digits - 1."""
    digits = sequence_digits(fmt)
    if not 1 <= sequence < 10**digits:
        raise SerialOverflow(sequence=sequence, most=10**digits - 1, digits=digits)


def serial_number(fmt: SerialFormat, company: str, report_date: date, sequence: int) -> str:
    """The serial number of one line. Raises SerialOverflow, SerialLength, SerialPatternBroken."""
    check_sequence(fmt, sequence)
    try:
        text = fmt.pattern.format(company=company, report_date=report_date, sequence=sequence)
    except (KeyError, IndexError, ValueError) as error:
        raise SerialPatternBroken(
            pattern=fmt.pattern, problem_zh=f"无法使用（{error}）", problem_en=f"it cannot be used ({error})"
        ) from None
    if len(text) != fmt.length:
        raise SerialLength(length=fmt.length, pattern=fmt.pattern, company=company, found=len(text))
    return text


def serial_sql(fmt: SerialFormat, company: str, report_date: date, sequence: str) -> str:
    """A DuckDB expression of the serial number over the integer expression `sequence`; it fails on overflow."""
    serial_number(fmt, company, report_date, 1)
    digits = sequence_digits(fmt)
    parts = []
    for prefix, name, spec, _ in _fields(fmt):
        if prefix:
            parts.append(literal(prefix))
        if name == "sequence":
            # lpad cuts what is too long, which would make two lines share a number.
            parts.append(
                f"CASE WHEN ({sequence}) BETWEEN 1 AND {10**digits - 1} THEN lpad(CAST(({sequence}) AS VARCHAR), {digits}, '0') "
                f"ELSE error('serial sequence out of range') END"
            )
        elif name:
            parts.append(literal(format({"company": company, "report_date": report_date}[name], spec or "")))
    return "(" + " || ".join(parts) + ")"


def parse_serial(fmt: SerialFormat, text: str) -> Serial:
    """Take a serial number apart. Raises SerialUnreadable."""
    digits = sequence_digits(fmt)
    pattern, date_format = "", "%Y%m%d"
    for prefix, name, spec, _ in _fields(fmt):
        pattern += re.escape(prefix)
        if name == "sequence":
            pattern += rf"(?P<sequence>[0-9]{{{digits}}})"
        elif name == "report_date":
            date_format = spec or "%Y-%m-%d"
            pattern += rf"(?P<report_date>.{{{len(date(2000, 10, 20).strftime(date_format))}}})"
        elif name == "company":
            pattern += r"(?P<company>.+)"
    match = re.fullmatch(pattern, text) if len(text) == fmt.length else None
    try:
        if match is None:
            raise ValueError
        parts = match.groupdict()
        day = datetime.strptime(parts["report_date"], date_format).date() if "report_date" in parts else date.min
        serial = Serial(parts.get("company", ""), day, int(parts["sequence"]))
        if serial_number(fmt, serial.company, serial.report_date, serial.sequence) != text:
            raise ValueError
    except (ValueError, SerialOverflow, SerialLength):
        raise SerialUnreadable(text=text, pattern=fmt.pattern) from None
    return serial


def _fields(fmt: SerialFormat) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        fields = list(string.Formatter().parse(fmt.pattern))
    except ValueError as error:
        raise SerialPatternBroken(
            pattern=fmt.pattern, problem_zh=f"语法错误（{error}）", problem_en=f"syntax error ({error})"
        ) from None
    for _, name, _, _ in fields:
        if name is not None and name not in ("company", "report_date", "sequence"):
            raise SerialPatternBroken(
                pattern=fmt.pattern, problem_zh=f"未知字段 {name}", problem_en=f"unknown field {name}"
            )
    return fields
