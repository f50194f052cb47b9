"""The mask stage: a clear table in, the table as it may be sent out; Parquet to Parquet, in batches."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engines import Engine, open_engine
from etl.errors import EastboundError
from etl.files import whole_file
from etl.privacy.keys import Keyring
from etl.privacy.transforms import kept_clear, spec_for, transform_series
from etl.standard.definition import DataItem, Standard, Table

if TYPE_CHECKING:
    import polars
    import pyarrow

    from etl.expressions import Expression

BATCH_ROWS = 100_000


class MaskSourceUnfit(EastboundError):
    zh = "{path} 缺少 {table} 的隐私数据项 {items}，无法脱敏"
    en = "{path} lacks private item(s) {items} of {table}, so it cannot be masked"
    exit_code = 3


class MaskRowsDiffer(EastboundError):
    zh = "{table} 脱敏前 {rows_in} 行，脱敏后 {rows_out} 行"
    en = "{table}: {rows_in} rows before masking, {rows_out} after"
    exit_code = 3


@dataclass(frozen=True)
class MaskCounts:
    """What masking did: rows (the same in and out) and, per private item, how many values were transformed."""

    table: str
    rows: int
    masked: dict[str, int]


@dataclass(frozen=True)
class _Plan:
    item: DataItem
    spec: dict[str, Any]
    keep: frozenset[str]
    when: Expression | None


def mask_table(
    source: Path, target: Path, table: Table, standard: Standard, keyring: Keyring, *, day: date = date.max
) -> MaskCounts:
    """Mask the private items of `source` into `target`; every other column, also the house's own, passes unchanged.

    An item with `privacy_when` is transformed unless the condition is false: what cannot be judged (NULL) is masked.
    `day` chooses the code values for a condition that uses a code table. The same input gives the same bytes.
    Raises the errors of `transforms`, MaskSourceUnfit, ExpressionBroken, DiskFull.
    """
    import pyarrow.parquet as pq

    plans = plan(table, standard)
    # Only conditions need an engine, and starting one costs more than masking a small table.
    judging = open_engine(threads=1) if any(p.when for p in plans) else nullcontext()
    with pq.ParquetFile(source) as parquet, judging as engine:
        schema = parquet.schema_arrow.remove_metadata()
        if missing := [p.item.code for p in plans if p.item.code not in schema.names]:
            raise MaskSourceUnfit(path=Path(source).name, table=table.code, items=", ".join(missing))
        schema = _masked_schema(schema, plans)
        used = sorted({code for p in plans if p.when for code in p.when.code_tables})
        if used and engine:
            engine.load_codes([standard.codes[code] for code in used], day)
        masked = {p.item.code: 0 for p in plans}
        rows = 0
        with whole_file(target) as partial:
            with pq.ParquetWriter(partial, schema, compression="zstd", compression_level=1) as writer:
                for batch in parquet.iter_batches(batch_size=BATCH_ROWS):
                    writer.write_table(_mask_batch(batch, schema, plans, engine, keyring.masking, masked))
                    rows += batch.num_rows
        if rows != parquet.metadata.num_rows:
            raise MaskRowsDiffer(table=table.code, rows_in=parquet.metadata.num_rows, rows_out=rows)
    return MaskCounts(table.code, rows, masked)


def plan(table: Table, standard: Standard) -> list[_Plan]:
    """What happens to each private item of the table; raises where the standard's masking does not fit it."""
    from etl.expressions import Scope, parse_expression
    from etl.expressions.parse import FAMILIES

    scope = Scope({item.code: FAMILIES[item.type] for item in table.mapped_items}, frozenset(standard.codes))
    plans = []
    for item in table.mapped_items:
        if item.privacy is None:
            continue
        spec = spec_for(standard, table.code, item)
        if spec["transform"] != "clear":
            when = parse_expression(item.privacy_when, scope, expect="bool") if item.privacy_when else None
            plans.append(_Plan(item, spec, kept_clear(item), when))
    return plans


def _masked_schema(schema: pyarrow.Schema, plans: list[_Plan]) -> pyarrow.Schema:
    import pyarrow as pa

    for p in plans:
        schema = schema.set(schema.get_field_index(p.item.code), pa.field(p.item.code, pa.string()))
    return schema


def _mask_batch(
    batch: pyarrow.RecordBatch,
    schema: pyarrow.Schema,
    plans: list[_Plan],
    engine: Engine | None,
    key: bytes,
    masked: dict[str, int],
) -> pyarrow.Table:
    import polars as pl
    import pyarrow as pa

    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    applies = _conditions(batch, plans, engine)
    for p in plans:
        clear = pl.Series(p.item.code, pl.from_arrow(columns[p.item.code]), dtype=pl.String)
        hidden = transform_series(clear, p.spec, key, privacy=p.item.privacy or "", keep=p.keep)
        judged = applies.get(p.item.code)
        if judged is not None:
            hidden = hidden.zip_with(judged, clear)
        touched = clear.is_not_null() & ~clear.is_in(list(p.keep)) if p.keep else clear.is_not_null()
        masked[p.item.code] += int((touched & judged if judged is not None else touched).sum())
        columns[p.item.code] = hidden.to_arrow().cast(pa.string())
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _conditions(batch: pyarrow.RecordBatch, plans: list[_Plan], engine: Engine | None) -> dict[str, polars.Series]:
    """Item -> for each row of the batch, whether the item is to be transformed."""
    import polars as pl
    import pyarrow as pa

    conditional = [p for p in plans if p.when is not None]
    if not conditional or engine is None:
        return {}
    numbered = pa.table(batch.columns, names=batch.schema.names)
    numbered = numbered.append_column("_position", pa.array(range(batch.num_rows), pa.int64()))
    engine.connection.register("_batch_rows", numbered)
    try:
        selected = ", ".join(
            f"({p.when.sql()}) IS NOT FALSE AS w{index}" for index, p in enumerate(conditional) if p.when
        )
        answers = engine.connection.sql(
            f"SELECT _position, {selected} FROM _batch_rows ORDER BY _position"
        ).to_arrow_table()
    finally:
        engine.connection.unregister("_batch_rows")
    return {p.item.code: pl.Series(pl.from_arrow(answers.column(f"w{index}"))) for index, p in enumerate(conditional)}
