"""The engine on one machine: DuckDB over Parquet files, with a memory limit and a private spill folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import EastboundError

if TYPE_CHECKING:
    import duckdb

PARQUET = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 122880"


class DiskFull(EastboundError):
    zh = "磁盘空间不足，写入 {path} 失败；请清理空间后用 eastbound resume 继续"
    en = "no disk space left while writing {path}; make room, then go on with eastbound resume"
    exit_code = 3


def quote(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string literal."""
    return "'" + str(text).replace("'", "''") + "'"


def parquet_sql(paths: Iterable[Path]) -> str:
    """SQL that reads Parquet files as one table; columns that some of them lack are NULL there."""
    return f"read_parquet([{', '.join(literal(str(path)) for path in paths)}], union_by_name=true)"


def machine_failed(error: Exception) -> bool:
    """Whether an engine's error is about the machine (disk, memory, an interrupt) and says nothing of the statement."""
    import duckdb

    return isinstance(error, (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.InterruptException))


class Engine:
    """One DuckDB connection. Views in schema `data` are tables, in `codes` code tables, in `src` extracted tables."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._files: dict[tuple[str, str], list[Path]] = {}

    def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> duckdb.DuckDBPyConnection:
        return self.connection.execute(sql, list(parameters)) if parameters is not None else self.connection.execute(sql)

    def rows(self, sql: str, parameters: Iterable[Any] | None = None) -> list[tuple]:
        return self.execute(sql, parameters).fetchall()

    def one(self, sql: str, parameters: Iterable[Any] | None = None) -> Any:
        # Fetched to the end: an unfinished result keeps the connection from registering tables.
        rows = self.rows(sql, parameters)
        return rows[0][0] if rows else None

    def dicts(self, sql: str, parameters: Iterable[Any] | None = None) -> list[dict[str, Any]]:
        cursor = self.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def schema(self, name: str) -> None:
        self.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(name)}")

    def view_parquet(self, schema: str, name: str, path: Path | list[Path]) -> None:
        """Make `schema.name` read the Parquet file or files."""
        self.schema(schema)
        paths = path if isinstance(path, list) else [path]
        self._files[schema, name] = paths
        self.execute(f"CREATE OR REPLACE VIEW {quote(schema)}.{quote(name)} AS SELECT * FROM {parquet_sql(paths)}")

    def write_parquet(self, sql: str, path: Path) -> int:
        """Write a query to `path` whole or not at all; returns the number of rows."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        import duckdb

        try:
            count = self.one(f"COPY ({sql}) TO {literal(str(partial))} ({PARQUET})")
            flush(partial)
            os.replace(partial, path)
        except (OSError, duckdb.IOException) as error:
            partial.unlink(missing_ok=True)
            if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
                raise DiskFull(path=str(path)) from None
            raise
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return int(count)

    def load_codes(self, tables: Iterable[Any], day: date) -> None:
        """Make code tables (name, values with code/name/valid_on) known as codes.<TABLE>(code, name), as valid on `day`.

        `codes_ever.<TABLE>` holds all values regardless of date.
        """
        for table in tables:
            for schema, values in (("codes", table.on(day)), ("codes_ever", table.values)):
                self.schema(schema)
                listed = list(dict.fromkeys((value.code, value.name) for value in values))
                self.put(f"{quote(schema)}.{quote(table.code)}", {"code": [v[0] for v in listed], "name": [v[1] for v in listed]})

    def put(self, name: str, texts: Mapping[str, Sequence[str | None]], numbered: str | None = None, temporary: bool = False) -> None:
        """Make a table of text columns of equal length; `numbered` adds a column that counts the rows from 0.

        Values are bound, not registered as a frame: the engine would load pandas for that, which takes longer than all
        the rules of a small table.
        """
        columns = [f"unnest(?::VARCHAR[]) AS {quote(column)}" for column in texts]
        if numbered:
            columns.append(f"unnest(range({len(next(iter(texts.values())))}))::INTEGER AS {quote(numbered)}")
        kind = "TEMP TABLE" if temporary else "TABLE"
        self.execute(f"CREATE OR REPLACE {kind} {name} AS SELECT {', '.join(columns)}", [list(values) for values in texts.values()])

    def set_parameters(self, **values: date) -> None:
        """Values of period_start(), period_end(), report_date()."""
        for name, value in values.items():
            self.execute(f"SET VARIABLE {name} = DATE {literal(value.isoformat())}")

    @contextmanager
    def unpushed(self) -> Iterator[None]:
        """Within the block filters stay where they are written, above the columns that they read."""
        self.execute("SET disabled_optimizers = 'filter_pushdown'")
        try:
            yield
        finally:
            self.execute("RESET disabled_optimizers")

    def null_counts(self, schema: str, name: str) -> dict[str, int] | None:
        """Empty values per column as the Parquet files of a view state them; None where they do not, or it is no such view."""
        paths = self._files.get((schema, name))
        # A table may have taken the view's place.
        if not paths or not self.one("SELECT count(*) FROM duckdb_views() WHERE schema_name = ? AND view_name = ?", [schema, name]):
            return None
        listed = ", ".join(literal(str(path)) for path in paths)
        found = self.rows(f"SELECT path_in_schema, sum(stats_null_count), count(*) = count(stats_null_count) FROM parquet_metadata([{listed}]) GROUP BY ALL")
        return {column: int(nulls) for column, nulls, all_stated in found if all_stated}

    def close(self) -> None:
        self.connection.close()


def flush(path: Path) -> None:
    """Force a finished file to disk, so that a rename never exposes a hollow one."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def open_engine(spill: Path | None = None, *, threads: int | None = None, memory: str | None = None) -> Iterator[Engine]:
    """An engine for the `with` block. `spill` is where large joins overflow to: keep it inside the vault."""
    import duckdb

    config: dict[str, Any] = {"preserve_insertion_order": True}
    if threads:
        config["threads"] = threads
    memory = memory or os.environ.get("EASTBOUND_MEMORY")
    if memory:
        config["memory_limit"] = memory
    if spill is not None:
        spill.mkdir(parents=True, exist_ok=True)
        config["temp_directory"] = str(spill)
    else:
        config["temp_directory"] = ""
    connection = duckdb.connect(config=config)
    connection.execute("SET enable_progress_bar = false")
    engine = Engine(connection)
    for name in ("data", "codes", "codes_ever", "src", "aside"):
        engine.schema(name)
    try:
        yield engine
    finally:
        connection.close()
