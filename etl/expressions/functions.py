"""The functions an expression may call: name, argument families, result family, and the SQL they stand for.

A registered function is written once as SQL over `{0}`, `{1}` ...; it means the same wherever the engine runs it.
The Python twin in `reference.py` says what it must return; the tests hold the two together.
"""

from __future__ import annotations

from dataclasses import dataclass

from etl.expressions.blank import BLANKS_CLASS

TEXT, NUMBER, DATE, BOOL, ANY = "text", "number", "date", "bool", "any"


@dataclass(frozen=True)
class Function:
    """A callable of the language. `arguments` are families; a trailing '*' repeats the last one."""

    name: str
    arguments: tuple[str, ...]
    result: str
    sql: str | None = None
    about: str = ""
    optional: int = 0


def _macro(name: str, arguments: tuple[str, ...], result: str, sql: str, about: str) -> Function:
    return Function(name, arguments, result, sql, about)


_BLANK = BLANKS_CLASS.replace("{", "{{").replace("}", "}}")
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"

# GB 11643-1999: the weighted sum of the first 17 digits modulo 11 picks the 18th from 10X98765432.
_id_sum = " + ".join(f"(ascii(substr({{0}}, {i + 1}, 1)) - 48) * {w}" for i, w in enumerate(_ID_WEIGHTS))
# Area, year of birth (no year 0000, which an engine may take for 1 BC), month and day, order number, check digit.
_ID_SHAPE = "regexp_full_match({0}, '[1-9][0-9]{{5}}[12][0-9]{{10}}[0-9X]')"
_ID_DATE = "try_cast(substr({0}, 7, 4) || '-' || substr({0}, 11, 2) || '-' || substr({0}, 13, 2) AS DATE)"
_ID_BIRTH = f"CASE WHEN {_ID_SHAPE} THEN {_ID_DATE} END"
_ID_CARD = (
    f"CASE WHEN {{0}} IS NULL THEN NULL WHEN NOT {_ID_SHAPE} THEN FALSE WHEN {_ID_DATE} IS NULL THEN FALSE "
    f"ELSE substr('10X98765432', (({_id_sum}) % 11) + 1, 1) = substr({{0}}, 18, 1) END"
)
# GB 32100-2015: 18 characters without I O S V Z; check character by weights 3^i modulo 31.
_uscc_sum = " + ".join(
    f"(strpos('{_USCC_ALPHABET}', substr({{0}}, {i + 1}, 1)) - 1) * {w}" for i, w in enumerate(_USCC_WEIGHTS)
)
_USCC = (
    "CASE WHEN {0} IS NULL THEN NULL WHEN NOT regexp_full_match({0}, '[0-9A-HJ-NPQRTUWXY]{{18}}') THEN FALSE "
    f"ELSE substr('{_USCC_ALPHABET}', ((31 - ({_uscc_sum}) % 31) % 31) + 1, 1) = substr({{0}}, 18, 1) END"
)


def _shift(unit: str, limit: int) -> str:
    # Dates end with the open-ended 9999-12-31 and begin with year 1, on every engine: a count beyond `limit` ends there too.
    count = f"CAST(greatest(least({{1}}, {limit}), -{limit}) AS INTEGER)"
    return (f"CASE WHEN {{0}} IS NOT NULL AND {{1}} IS NOT NULL THEN CAST(greatest(least({{0}} + to_{unit}({count}), "
            f"TIMESTAMP '9999-12-31'), TIMESTAMP '0001-01-01') AS DATE) END")


REGISTERED: dict[str, Function] = {
    f.name: f
    for f in (
        _macro("byte_length", (TEXT,), NUMBER, "strlen({0})", "bytes of the text in UTF-8"),
        _macro("days_between", (DATE, DATE), NUMBER, "date_diff('day', {0}, {1})", "days from the first date to the second"),
        _macro("months_between", (DATE, DATE), NUMBER,
               "(CASE WHEN {1} >= {0} THEN date_sub('month', {0}, {1}) ELSE -date_sub('month', {1}, {0}) END)",
               "whole months from the first date to the second"),
        _macro("years_between", (DATE, DATE), NUMBER,
               "(CASE WHEN {1} >= {0} THEN date_sub('year', {0}, {1}) ELSE -date_sub('year', {1}, {0}) END)",
               "whole years from the first date to the second (age)"),
        _macro("add_days", (DATE, NUMBER), DATE, _shift("days", 4_000_000), "the date n days later"),
        _macro("add_months", (DATE, NUMBER), DATE, _shift("months", 120_000), "the date n months later, at most the month's end"),
        _macro("add_years", (DATE, NUMBER), DATE, _shift("years", 10_000), "the date n years later, at most the month's end"),
        _macro("is_id_card", (TEXT,), BOOL, _ID_CARD, "GB 11643: 18 digits, a real birth date and the right check digit"),
        _macro("id_birth_date", (TEXT,), DATE, _ID_BIRTH, "birth date inside an 18-digit ID number"),
        _macro("id_sex", (TEXT,), TEXT,
               f"CASE WHEN {_ID_SHAPE} THEN CASE WHEN (ascii(substr({{0}}, 17, 1)) - 48) % 2 = 1 THEN '男性' ELSE '女性' END END",
               "sex inside an 18-digit ID number"),
        _macro("id_area", (TEXT,), TEXT, f"CASE WHEN {_ID_SHAPE} THEN substr({{0}}, 1, 6) END",
               "area code (GB/T 2260) inside an 18-digit ID number"),
        _macro("is_uscc", (TEXT,), BOOL, _USCC, "GB 32100: unified social credit code with the right check character"),
        _macro("is_mobile", (TEXT,), BOOL, "regexp_full_match({0}, '1[3-9][0-9]{{9}}')", "a mainland mobile number"),
        _macro("is_chinese_text", (TEXT,), BOOL, "NOT regexp_matches({0}, '[\\x00-\\x7F]')", "no ASCII character at all"),
        _macro("has_full_width", (TEXT,), BOOL, "regexp_matches({0}, '[\\x{{FF01}}-\\x{{FF5E}}\\x{{3000}}]')", "holds full-width forms of ASCII or a full-width blank"),
        _macro("is_plain_text", (TEXT,), BOOL,
               f"NOT regexp_matches({{0}}, '[\\x00-\\x1F\\x7F]|^[{_BLANK}]|[{_BLANK}]$')",
               "no control character anywhere and no blank at either end"),
        _macro("is_digits", (TEXT,), BOOL, "regexp_full_match({0}, '[0-9]+')", "ASCII digits only"),
        _macro("is_real_date", (DATE,), BOOL, "{0} BETWEEN DATE '1900-01-02' AND DATE '9999-12-30'", "neither the open-ended nor the never-effective date"),
    )
}

# SQL functions taken as they are; every engine of the house gives them the same meaning.
PLAIN: dict[str, Function] = {
    f.name: f
    for f in (
        Function("length", (TEXT,), NUMBER), Function("substr", (TEXT, NUMBER, NUMBER), TEXT, optional=1),
        Function("upper", (TEXT,), TEXT), Function("lower", (TEXT,), TEXT), Function("trim", (TEXT,), TEXT),
        Function("replace", (TEXT, TEXT, TEXT), TEXT), Function("concat", (TEXT, TEXT + "*"), TEXT),
        Function("coalesce", (ANY, ANY + "*"), ANY), Function("nullif", (ANY, ANY), ANY),
        Function("abs", (NUMBER,), NUMBER), Function("round", (NUMBER, NUMBER), NUMBER, optional=1),
        Function("floor", (NUMBER,), NUMBER), Function("ceil", (NUMBER,), NUMBER),
        Function("least", (ANY, ANY + "*"), ANY), Function("greatest", (ANY, ANY + "*"), ANY),
        Function("regexp_matches", (TEXT, TEXT), BOOL), Function("starts_with", (TEXT, TEXT), BOOL),
        Function("ends_with", (TEXT, TEXT), BOOL), Function("contains", (TEXT, TEXT), BOOL),
        Function("strpos", (TEXT, TEXT), NUMBER), Function("lpad", (TEXT, NUMBER, TEXT), TEXT),
        Function("year", (DATE,), NUMBER), Function("month", (DATE,), NUMBER), Function("day", (DATE,), NUMBER),
        Function("last_day", (DATE,), DATE),
    )
}

# Taken from the run, not from the row.
PARAMETERS: dict[str, Function] = {
    name: Function(name, (), DATE) for name in ("period_start", "period_end", "report_date")
}

AGGREGATES: dict[str, Function] = {
    f.name: f
    for f in (
        Function("sum", (NUMBER,), NUMBER), Function("count", (ANY,), NUMBER), Function("min", (ANY,), ANY),
        Function("max", (ANY,), ANY), Function("avg", (NUMBER,), NUMBER),
        Function("any_of", (ANY,), ANY),
    )
}

# Only mappings know these; they compile to more than an expression (see etl/mapping).
CONVERSIONS: dict[str, Function] = {
    f.name: f
    for f in (
        Function("parse_date", (TEXT, TEXT), DATE), Function("parse_number", (TEXT,), NUMBER),
        Function("code", (ANY, ANY), TEXT),
        Function("to_text", (ANY,), TEXT),
    )
}

# Membership in a code table: the schema that holds it and the column compared. `_ever` knows abolished codes too.
MEMBERSHIP = {
    "in_codes": ("codes", "code"), "in_texts": ("codes", "name"),
    "in_codes_ever": ("codes_ever", "code"), "in_texts_ever": ("codes_ever", "name"),
}


def expand(name: str, arguments: list[str]) -> str:
    """SQL of a registered function over SQL arguments."""
    function = REGISTERED[name]
    assert function.sql is not None
    return "(" + function.sql.format(*(f"({argument})" for argument in arguments)) + ")"
