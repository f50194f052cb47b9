"""The nouns of a source contract: systems, tables, columns; and what an extract of a table gave."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

ColumnType = Literal["text", "integer", "decimal", "date", "timestamp"]
COLUMN_TYPES: tuple[str, ...] = ("text", "integer", "decimal", "date", "timestamp")

# Columns that travel beside the data of every extracted row: its birth certificate.
LINEAGE = ("_src_system", "_src_table", "_src_key", "_batch", "_src_row")


@dataclass(frozen=True)
class SourceColumn:
    """A column as the contract has it. `length` counts characters; `precision` and `scale` are those of decimals.

    `length` informs: a longer text is delivered as it is, for the check rules to judge.
    """

    name: str
    type: ColumnType
    length: int | None = None
    precision: int = 0
    scale: int = 0
    nullable: bool = True
    note: str = ""
    line: int = 0

    @property
    def text(self) -> str:
        """The type as people write it, e.g. `decimal(16,2)`."""
        if self.type == "decimal":
            return f"decimal({self.precision},{self.scale})"
        return f"text({self.length})" if self.type == "text" and self.length else self.type


@dataclass(frozen=True)
class SourceTable:
    """A table of a core system. `required_rows`: an empty table is an error (default: it may be empty).

    `department` answers for what is wrong in it, where that is not the system's own.
    `watermark` is the column that the system moves on with every change of a row; `overlap_days` is how far before the last
    watermark an incremental capture reads again (of dates and timestamps).
    """

    name: str
    title: dict[str, str]
    key: tuple[str, ...]
    columns: tuple[SourceColumn, ...]
    required_rows: bool = False
    line: int = 0
    department: str = ""
    watermark: str | None = None
    overlap_days: int = 1

    @cached_property
    def by_name(self) -> dict[str, SourceColumn]:
        return {column.name: column for column in self.columns}

    def reading(self, needed: set[str] | None = None) -> tuple[SourceColumn, ...]:
        """The columns to read, in the contract's order: all, or the needed ones and the key."""
        unknown = (needed or set()) - set(self.by_name)
        if unknown:
            raise ValueError(f"{self.name} has no column {', '.join(sorted(unknown))} in its contract")
        return tuple(c for c in self.columns if needed is None or c.name in needed or c.name in self.key)


@dataclass(frozen=True)
class SourceSystem:
    """A core system. `schema` is the database schema its tables live in, where that is not the connection's own.

    `department` is who answers for its records, as the company calls it.
    """

    name: str
    title: dict[str, str]
    tables: dict[str, SourceTable]
    schema: str | None = None
    note: str = ""
    department: str = ""
    path: Path | None = field(default=None, compare=False)


@dataclass(frozen=True)
class ExtractedTable:
    """One extracted table: rows_in = rows_out + rows_aside.

    `path` holds the rows with the contract's types and the lineage columns; `aside_path` the rows set aside (it is
    always there, often empty). `seconds` is reading plus conversion.
    """

    system: str
    table: str
    path: Path
    aside_path: Path
    rows_in: int
    rows_out: int
    rows_aside: int
    seconds: float
