"""The slow, obvious twins in Python of the registered functions: what each must return, value by value.

Nothing runs on these but tests and documentation. Every twin gives None where an argument is None.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from etl.expressions.blank import BLANKS

FIRST_DAY, LAST_DAY = date(1, 1, 1), date(9999, 12, 31)
_ID_SHAPE = re.compile(r"[1-9][0-9]{5}[12][0-9]{3}[0-9]{7}[0-9X]")
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"

TWINS: dict[str, Callable[..., Any]] = {}


def _twin(function: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*arguments: Any) -> Any:
        return None if any(argument is None for argument in arguments) else function(*arguments)

    guarded.__name__, guarded.__doc__ = function.__name__, function.__doc__
    TWINS[function.__name__] = guarded
    return guarded


@_twin
def byte_length(text: str) -> int:
    """Bytes in UTF-8."""
    return len(text.encode("utf-8"))


@_twin
def days_between(first: date, second: date) -> int:
    """Days from the first date to the second; negative when the second is earlier."""
    return (second - first).days


@_twin
def months_between(first: date, second: date) -> int:
    """Whole months: the greatest n for which `first` plus n months is not after `second`.

    From 31 January to 29 February is a month, since there is no later day in February. Negative when `second` is earlier.
    """
    if second < first:
        return -months_between(second, first)
    months = (second.year - first.year) * 12 + second.month - first.month
    return months if add_months(first, months) <= second else months - 1


@_twin
def years_between(first: date, second: date) -> int:
    """Whole years (age); who was born on 29 February is a year older on 28 February of a common year."""
    if second < first:
        return -years_between(second, first)
    years = second.year - first.year
    return years if add_years(first, years) <= second else years - 1


@_twin
def add_days(day: date, count: int) -> date:
    """The date `count` days later. Dates end with 9999-12-31 (open-ended), and begin with 0001-01-01."""
    ordinal = day.toordinal() + count
    return LAST_DAY if ordinal > LAST_DAY.toordinal() else FIRST_DAY if ordinal < 1 else FIRST_DAY + timedelta(days=ordinal - 1)


@_twin
def add_months(day: date, count: int) -> date:
    """The same day `count` months later, or the last day of that month; bounds as for `add_days`."""
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    if year > 9999:
        return LAST_DAY
    if year < 1:
        return FIRST_DAY
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


@_twin
def add_years(day: date, count: int) -> date:
    """The same day `count` years later; 29 February becomes 28 February in a common year."""
    return add_months(day, count * 12)


@_twin
def is_id_card(text: str) -> bool:
    """GB 11643-1999: 18 characters, a real birth date, and the check digit by ISO 7064 MOD 11-2."""
    if not _ID_SHAPE.fullmatch(text) or id_birth_date(text) is None:
        return False
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(text[:17]))
    return next(check for check in range(11) if (total + check) % 11 == 1) == (10 if text[17] == "X" else int(text[17]))


@_twin
def id_birth_date(text: str) -> date | None:
    """The birth date inside an ID number, None where the text has not its shape or the date does not exist."""
    if not _ID_SHAPE.fullmatch(text):
        return None
    try:
        return date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return None


@_twin
def id_sex(text: str) -> str | None:
    """Sex inside an ID number: the 17th digit is odd for men."""
    if not _ID_SHAPE.fullmatch(text):
        return None
    return "男性" if int(text[16]) % 2 else "女性"


@_twin
def id_area(text: str) -> str | None:
    """Area code (GB/T 2260) inside an ID number."""
    return text[:6] if _ID_SHAPE.fullmatch(text) else None


@_twin
def is_uscc(text: str) -> bool:
    """GB 32100-2015: 18 characters of its alphabet, the last one by ISO 7064 MOD 31-3."""
    if len(text) != 18 or any(character not in _USCC_ALPHABET for character in text):
        return False
    total = sum(_USCC_ALPHABET.index(character) * 3**place for place, character in enumerate(text[:17]))
    return (total + _USCC_ALPHABET.index(text[17])) % 31 == 0


@_twin
def is_mobile(text: str) -> bool:
    """Eleven digits, the first 1, the second 3 to 9."""
    return len(text) == 11 and is_digits(text) and text[0] == "1" and text[1] in "3456789"


@_twin
def is_chinese_text(text: str) -> bool:
    """No ASCII character at all."""
    return all(ord(character) > 0x7F for character in text)


@_twin
def has_full_width(text: str) -> bool:
    """Holds a full-width form of an ASCII character, or the full-width blank."""
    return any(0xFF01 <= ord(character) <= 0xFF5E or ord(character) == 0x3000 for character in text)


@_twin
def is_plain_text(text: str) -> bool:
    """No ASCII control character anywhere, no blank at either end."""
    return text == text.strip(BLANKS) and not any(ord(character) < 0x20 or ord(character) == 0x7F for character in text)


@_twin
def is_digits(text: str) -> bool:
    """At least one digit and nothing but ASCII digits."""
    return text != "" and all(character in "0123456789" for character in text)


@_twin
def is_real_date(day: date) -> bool:
    """Neither the open-ended date nor the never-effective one nor anything beyond them."""
    return date(1900, 1, 2) <= day <= date(9999, 12, 30)
