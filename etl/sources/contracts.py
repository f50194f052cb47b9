"""Does a system deliver what its contract says? Its shape before any row is read, NULLs while rows stream by."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from etl.sources.definition import SourceColumn, SourceSystem, SourceTable
from etl.sources.errors import ContractProblem

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Delivered:
    """A contract's table as the database spells it: the relation and, per contract column, the real column name."""

    table: SourceTable
    relation: str
    schema: str | None
    spelling: dict[str, str]


def compare_shape(system: SourceSystem, engine: sa.Engine, tables: list[SourceTable]) -> tuple[list[Delivered], list[ContractProblem]]:
    """Reflect `tables` and list every table and column that is gone, renamed or of another type.

    Names are matched as they are, else without regard to case, since databases fold it differently.
    """
    inspector = sa.inspect(engine)
    names = [*inspector.get_table_names(schema=system.schema), *inspector.get_view_names(schema=system.schema)]
    if engine.dialect.name == "postgresql":
        names += inspector.get_materialized_view_names(schema=system.schema)  # type: ignore[attr-defined]
    found: list[Delivered] = []
    problems: list[ContractProblem] = []
    for table in tables:
        relation = _spelled(table.name, names)
        if relation is None:
            others = [name for name in names if name.lower() not in {t.lower() for t in system.tables}]
            problems.append(ContractProblem("table_gone", table.name, suggestion=_near(table.name, others)))
            continue
        columns = {column["name"]: column["type"] for column in inspector.get_columns(relation, schema=system.schema)}
        found.append(Delivered(table, relation, system.schema, _compare_columns(table, columns, engine.dialect, problems)))
    return found, problems


def _compare_columns(table: SourceTable, columns: dict[str, Any], dialect: sa.Dialect, problems: list[ContractProblem]) -> dict[str, str]:
    spelling: dict[str, str] = {}
    unclaimed = [name for name in columns if _spelled(name, list(table.by_name)) is None]
    for column in table.columns:
        real = _spelled(column.name, list(columns))
        if real is None:
            near = _near(column.name, unclaimed)
            problems.append(ContractProblem("column_renamed" if near else "column_gone", table.name, column.name, suggestion=near))
            continue
        spelling[column.name] = real
        if not _fits(column, columns[real]):
            problems.append(ContractProblem("type_changed", table.name, column.name, column.text, _type_text(columns[real], dialect)))
    return spelling


def _fits(column: SourceColumn, found: Any) -> bool:
    """Whether the database's type is of the contract's family; what its values hold is seen when they are read."""
    if isinstance(found, sa.types.NullType):
        # SQLite columns and views may have no declared type at all.
        return True
    if column.type == "text":
        return isinstance(found, (sa.String, sa.Uuid))
    if column.type == "integer":
        whole = isinstance(found, sa.Numeric) and not isinstance(found, sa.Float) and not found.scale
        return isinstance(found, sa.Integer) or whole
    if column.type == "decimal":
        return isinstance(found, (sa.Numeric, sa.Integer, sa.Float))
    if column.type == "date":
        # Oracle's DATE carries a time and counts as a date and time elsewhere.
        return isinstance(found, sa.Date) or found.__visit_name__.upper() == "DATE"
    return isinstance(found, sa.DateTime) and not found.timezone


def _type_text(found: Any, dialect: sa.Dialect) -> str:
    try:
        return found.compile(dialect=dialect)
    except sa.exc.CompileError:
        return type(found).__name__


def _spelled(name: str, names: list[str]) -> str | None:
    if name in names:
        return name
    folded = [other for other in names if other.lower() == name.lower()]
    return folded[0] if len(folded) == 1 else None


def _near(name: str, names: list[str]) -> str | None:
    by_folded = {other.lower(): other for other in names}
    near = get_close_matches(name.lower(), list(by_folded), 1, cutoff=0.6)
    return by_folded[near[0]] if near else None


@dataclass
class NullWatch:
    """Counts NULLs in the columns that the contract says have none, batch by batch, through a pandera schema."""

    table: SourceTable
    columns: tuple[SourceColumn, ...]
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._names = [column.name for column in self.columns if not column.nullable]
        self._schema = _not_null_schema(self._names) if self._names else None

    def see(self, batch: pa.RecordBatch) -> None:
        """Check one batch whose columns are named as in the contract."""
        if self._schema is None or batch.num_rows == 0:
            return
        import pandera.errors
        import polars as pl
        from pandera.config import ValidationDepth, config_context

        frame = pl.from_arrow(batch.select(self._names))
        with config_context(validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            try:
                self._schema.validate(frame, lazy=True)
            except pandera.errors.SchemaErrors as broken:
                for error in broken.schema_errors:
                    name = error.schema.name
                    # Only the count leaves this place: failure cases quote values.
                    self.counts[name] += frame.get_column(name).null_count()

    def problems(self) -> list[ContractProblem]:
        return [ContractProblem("nulls", self.table.name, name, count=self.counts[name]) for name in self._names if self.counts[name]]


def _not_null_schema(names: list[str]) -> Any:
    # pandera checks only the schema of polars frames, and no data, unless told before its import.
    os.environ.setdefault("PANDERA_VALIDATION_DEPTH", "SCHEMA_AND_DATA")
    import pandera.polars as pandera

    return pandera.DataFrameSchema({name: pandera.Column(nullable=False) for name in names})
