"""pandera, as its users write it: a schema with a vectorised check per rule, validated lazily, all failure cases kept.

A check that looks at its own column alone is a check of that column. On pandas one that looks at several columns is
a check of the frame, which is the only kind that sees them; pandera then reports every column of the failing row. On
polars a column's check sees the whole frame, so all rules are checks of their column.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from etl.bench.definition import Course

Check = Callable[[Path, Path], None]


def prepare_polars(course: Course) -> Check:
    import pandera.polars as pa
    import polars as pl
    from pandera.config import ValidationDepth, config_context
    from pandera.errors import SchemaErrors

    from etl.bench.polars_rules import rule_holds

    def check_of(holds: pl.Expr) -> Callable[[Any], pl.LazyFrame]:
        return lambda data: data.lazyframe.select(holds)

    checks: dict[str, list] = defaultdict(list)
    for rule in course.rules:
        checks[rule.item].append(pa.Check(check_of(rule_holds(rule, course).alias("holds")), error=rule.id))
    schema = pa.DataFrameSchema({item: pa.Column(checks=found, nullable=True) for item, found in checks.items()})
    names = [item.code for item in course.table.mapped_items]

    def check(data: Path, out: Path) -> None:
        # Collected once: a schema over the scan itself would read the file again for every check.
        frame = pl.scan_parquet(data).select(["_row", *names]).with_columns(pl.selectors.decimal().cast(pl.Float64)).collect()
        try:
            # Without this a LazyFrame's schema is looked at and its data are not: everything would pass.
            with config_context(validation_depth=ValidationDepth.SCHEMA_AND_DATA):
                schema.validate(frame.lazy(), lazy=True)
        except SchemaErrors as errors:
            cases = errors.failure_cases
            rows = frame.get_column("_row").gather(cases.get_column("index").cast(pl.UInt32))
            cases.select(rule=pl.col("check")).with_columns(rows.alias("row")).write_parquet(out)
        else:
            pl.DataFrame(schema={"rule": pl.String, "row": pl.Int64}).write_parquet(out)

    return check


def prepare_pandas(course: Course) -> Check:
    import pandas as pd
    import pandera.pandas as pa
    from pandera.errors import SchemaErrors

    from etl.bench.pandas_rules import breaks_rule
    from etl.bench.with_pandas import chunks

    def of_column(rule: Any) -> Callable[[pd.Series], pd.Series]:
        return lambda column: ~breaks_rule(rule, course, column.to_frame(rule.item))

    def of_frame(rule: Any) -> Callable[[pd.DataFrame], pd.Series]:
        return lambda frame: ~breaks_rule(rule, course, frame)

    columns: dict[str, list] = defaultdict(list)
    whole = []
    for rule in course.rules:
        alone = {item for _, item in rule.items_read()} == {rule.item}
        if alone:
            columns[rule.item].append(pa.Check(of_column(rule), error=rule.id, ignore_na=False))
        else:
            whole.append(pa.Check(of_frame(rule), error=rule.id, ignore_na=False))
    schema = pa.DataFrameSchema({item: pa.Column(checks=found, nullable=True) for item, found in columns.items()}, checks=whole)

    def check(data: Path, out: Path) -> None:
        (frame,) = chunks(course, data, size=2**62)
        try:
            schema.validate(frame, lazy=True)
        except SchemaErrors as errors:
            cases = errors.failure_cases[["check", "index"]].drop_duplicates()
            found = pd.DataFrame({"rule": cases["check"].astype("str"), "row": cases["index"].astype("int64")})
        else:
            found = pd.DataFrame({"rule": pd.Series(dtype="str"), "row": pd.Series(dtype="int64")})
        found.to_parquet(out, index=False)

    return check
