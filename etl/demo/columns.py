"""Column arithmetic of the generator: a table in the making is a dict of equally long numpy arrays.

Text is an object array (None = null), whole numbers and decimals are int64 (decimals scaled to their last digit,
NULL = null), dates are datetime64[D] (NaT = null). Every random draw comes from a named stream, so that a change in one
part of the insurer leaves the others as they were.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

Frame = dict[str, np.ndarray]

NULL = np.iinfo(np.int64).min
NAT = np.datetime64("NaT", "D")
OPEN = np.datetime64("9999-12-31", "D")


def stream(seed: int, name: str) -> np.random.Generator:
    """The random stream of one part of the insurer: the same for the same seed and name, on any machine."""
    return np.random.default_rng([seed & 0xFFFFFFFF, zlib.crc32(name.encode())])


def objects(values: Sequence) -> np.ndarray:
    """An object array of `values`, never a two-dimensional one."""
    out = np.empty(len(values), dtype=object)
    out[:] = list(values)
    return out


def texts(values: Sequence, picks: np.ndarray) -> np.ndarray:
    """`values[picks]` as an object array."""
    return objects(values)[picks]


def blank(size: int) -> np.ndarray:
    """`size` empty texts."""
    return np.full(size, None, dtype=object)


def numbered(prefix: str, numbers: np.ndarray, width: int) -> np.ndarray:
    """Texts such as E000012."""
    return objects([f"{prefix}{n:0{width}d}" for n in numbers.tolist()])


def weighted(rng: np.random.Generator, values: Sequence, weights: Sequence[float], size: int) -> np.ndarray:
    """`size` draws from `values`, as an object array."""
    p = np.asarray(weights, dtype=float)
    return texts(values, rng.choice(len(values), size=size, p=p / p.sum()))


def days(values: np.ndarray | int) -> np.ndarray:
    """Whole days as a time span."""
    return np.asarray(values).astype("timedelta64[D]")


def day_numbers(span: np.ndarray) -> np.ndarray:
    """A time span as whole days."""
    return span.astype("timedelta64[D]").astype(np.int64)


def add_months(start: np.ndarray, months: np.ndarray | int) -> np.ndarray:
    """Same day of a later month, the month's last day where it is shorter (as calendars and the rule language do)."""
    first = start.astype("datetime64[M]")
    day = (start - first.astype("datetime64[D]")).astype(np.int64)
    target = first + np.asarray(months).astype("timedelta64[M]")
    begin = target.astype("datetime64[D]")
    length = ((target + np.timedelta64(1, "M")).astype("datetime64[D]") - begin).astype(np.int64)
    return begin + days(np.minimum(day, length - 1))


def years_between(birth: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Whole years from `birth` to `day` (an age)."""
    months = (day.astype("datetime64[M]") - birth.astype("datetime64[M]")).astype(np.int64)
    short = (day - day.astype("datetime64[M]")).astype(np.int64) < (birth - birth.astype("datetime64[M]")).astype(np.int64)
    return (months - short) // 12


def uniform_days(rng: np.random.Generator, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """A day in [first, last] for each pair; `first` where the span is empty."""
    width = np.maximum(day_numbers(last - first), 0)
    return first + days((rng.random(len(width)) * (width + 1)).astype(np.int64))


def compact(day: np.ndarray) -> np.ndarray:
    """Dates as text yyyymmdd, None for NaT."""
    return dated(day, lambda text: text.replace("-", ""))


def dated(day: np.ndarray, render=None) -> np.ndarray:
    """Dates as ISO text (or what `render` makes of it), None for NaT; distinct days are rendered once."""
    codes, inverse = np.unique(day.astype("datetime64[D]").astype(np.int64), return_inverse=True)
    iso = np.datetime_as_string(codes.astype("datetime64[D]")).tolist()
    words = [None if text == "NaT" else (render(text) if render else text) for text in iso]
    return texts(words, inverse)


def years(day: np.ndarray) -> np.ndarray:
    """Calendar years."""
    return day.astype("datetime64[Y]").astype(np.int64) + 1970


def take(frame: Frame, picks: np.ndarray | slice) -> Frame:
    """The rows `picks` (indices, a mask or a slice) of a frame."""
    return {name: column[picks] for name, column in frame.items()}


def size_of(frame: Frame) -> int:
    """Rows of a frame."""
    return len(next(iter(frame.values())))
