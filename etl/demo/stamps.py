"""When a record was last changed: the time that core systems keep on their large tables, made from the record's own dates."""

from __future__ import annotations

import numpy as np

from etl.demo.columns import Frame, days, size_of, texts
from etl.sources.definition import SourceTable

STAMP = "ModifyTime"
# Changes are spread over the working day; the same few times again and again, as of nightly and hourly jobs.
_TIMES = [f"{9 + n // 2:02d}:{n % 2 * 30 + n:02d}:{n * 3:02d}" for n in range(16)]
_SPREAD_DAYS = 900


def stamped(contract: SourceTable, frame: Frame, end: np.datetime64) -> Frame:
    """The frame with the column `ModifyTime`, where the contract has one: the last of the row's dates that is not after `end`.

    Rows without such a date were changed some day in the years before.
    """
    if STAMP not in contract.by_name:
        return frame
    size = size_of(frame)
    rows = np.arange(size)
    last = end - days(1 + rows * 7919 % _SPREAD_DAYS)
    known = np.full(size, np.datetime64("1900-01-01", "D"))
    for column in contract.columns:
        if column.type == "date":
            values = frame[column.name].astype("datetime64[D]")
            usable = ~np.isnat(values) & (values <= end)
            known = np.where(usable & (values > known), values, known)
    last = np.where(known > np.datetime64("1900-01-01", "D"), known, last)
    moments, picks = np.unique(last.astype(np.int64) * len(_TIMES) + rows % len(_TIMES), return_inverse=True)
    spelled = [f"{np.datetime64(int(moment) // len(_TIMES), 'D')} {_TIMES[int(moment) % len(_TIMES)]}" for moment in moments]
    # Named columns whose names begin with _ are not stored, and stay last.
    own = {name: column for name, column in frame.items() if not name.startswith("_")}
    return {**own, STAMP: texts(spelled, picks), **{name: column for name, column in frame.items() if name.startswith("_")}}
