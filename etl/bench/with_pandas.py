"""Plain pandas: the file in chunks, a mask for every rule, the numbers of the rows where it is true."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from etl.bench.definition import Course
from etl.bench.pandas_rules import breaks_rule

CHUNK = 250_000
FINDINGS = pa.schema([("rule", pa.string()), ("row", pa.int64())])


def prepare(course: Course) -> Callable[[Path, Path], None]:
    def check(data: Path, out: Path) -> None:
        with pq.ParquetWriter(out, FINDINGS) as writer:
            for frame in chunks(course, data, CHUNK):
                rows = frame.index.to_numpy()
                for rule in course.rules:
                    found = rows[breaks_rule(rule, course, frame).to_numpy(dtype=bool)]
                    if len(found):
                        writer.write_table(pa.table({"rule": pa.array(np.full(len(found), rule.id, dtype=object), pa.string()), "row": found}, schema=FINDINGS))

    return check


def chunks(course: Course, data: Path, size: int) -> Iterator[pd.DataFrame]:
    """The items of the table, the row's number as index; dates and amounts in the types that are fast in pandas."""
    names = [item.code for item in course.table.mapped_items]
    schema = pq.read_schema(data)
    fast = pa.schema([(n, pa.float64() if pa.types.is_decimal(schema.field(n).type) else schema.field(n).type) for n in ["_row", *names]])
    file = pq.ParquetFile(data)
    for batch in file.iter_batches(size, columns=["_row", *names]):
        frame = pa.Table.from_batches([batch]).select(fast.names).cast(fast).to_pandas(date_as_object=False)
        yield frame.set_index("_row")
