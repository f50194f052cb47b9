"""Three roads out of a database, one shape at the end: batches of bytes, NULL kept apart from ''.

All of them read every table inside one transaction that sees one moment. Values come as the text that the database
itself writes, so that no driver's type inference can bend them; what they mean is decided in `convert`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa

from etl.sources.connections import make_engine, sqlite_uri
from etl.sources.contracts import Delivered
from etl.sources.definition import SourceColumn

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 100_000
# Values in one statement: Oracle takes a thousand in a list.
CHUNK_VALUES = 900


@dataclass(frozen=True)
class Only:
    """Limits a read to the rows whose `column` (a contract's column) has one of `values`, given as the text that was delivered of it."""

    column: SourceColumn
    values: Sequence[str]

    def chunks(self) -> Iterator[Sequence[str]]:
        for begin in range(0, len(self.values), CHUNK_VALUES):
            yield self.values[begin : begin + CHUNK_VALUES]


class Road(Protocol):
    """An open, consistent view of a database."""

    def count(self, table: Delivered) -> int: ...

    def batches(self, table: Delivered, columns: tuple[SourceColumn, ...], only: Only | None = None) -> Iterator[pa.RecordBatch]: ...

    def close(self) -> None: ...


def open_road(url: sa.URL, road: str | None = None) -> Road:
    """The fastest road to `url`, or the one named `adbc` or `sqlalchemy`."""
    backend = url.get_backend_name()
    if road == "sqlalchemy" or backend not in ("sqlite", "postgresql"):
        return SqlalchemyRoad(url)
    if backend == "postgresql":
        return AdbcPostgresql(url)
    # Bytes of a UTF-16 database would come out as UTF-16; the driver of the slow road converts them.
    return AdbcSqlite(url) if _sqlite_is_utf8(url) else SqlalchemyRoad(url)


def _quoted(*names: str | None) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in names if name)


def _conditions(table: Delivered, only: Only | None) -> Iterator[str]:
    """WHERE clauses, one per statement. A text literal takes the type of the column that it is compared with, on SQLite and PostgreSQL alike."""
    if only is None:
        yield ""
        return
    for values in only.chunks():
        listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
        yield f" WHERE {_quoted(table.spelling[only.column.name])} IN ({listed})"


def _sqlite_is_utf8(url: sa.URL) -> bool:
    engine = make_engine(url)
    with engine.connect() as connection:
        return connection.exec_driver_sql("PRAGMA encoding").scalar() == "UTF-8"


class _Adbc:
    """What the two ADBC roads share. A connection that does not commit by itself is one transaction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def _one(self, sql: str) -> Any:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0]

    def _do(self, sql: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)

    def count(self, table: Delivered) -> int:
        return int(self._one(f"SELECT count(*) FROM {_quoted(table.schema, table.relation)}"))

    def close(self) -> None:
        import adbc_driver_manager

        # A connection that was lost cannot be rolled back; the error that tells of the loss must not be covered.
        with suppress(adbc_driver_manager.Error):
            self._connection.rollback()
        self._connection.close()


class AdbcSqlite(_Adbc):
    """SQLite through ADBC.

    The driver brings its own copy of SQLite, and file locks belong to the process: while this road is open, no other
    SQLite library of the same process may close the same file.
    """

    def __init__(self, url: sa.URL) -> None:
        import adbc_driver_sqlite.dbapi

        super().__init__(adbc_driver_sqlite.dbapi.connect(sqlite_uri(url), autocommit=False))
        self._one("PRAGMA busy_timeout = 60000")

    def batches(self, table: Delivered, columns: tuple[SourceColumn, ...], only: Only | None = None) -> Iterator[pa.RecordBatch]:
        for condition in _conditions(table, only):
            yield from self._batches(table, columns, condition)

    def _batches(self, table: Delivered, columns: tuple[SourceColumn, ...], condition: str) -> Iterator[pa.RecordBatch]:
        # The driver takes a column's type from the first batch, and whole batches of NULL break it:
        # a first row of bytes settles the types, and is dropped again.
        marks = ", ".join(f"x'00' AS c{i}" for i in range(len(columns)))
        values = ", ".join(self._bytes(column, table.spelling[column.name]) for column in columns)
        with self._connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(BATCH_ROWS)})
            cursor.execute(f"SELECT {marks} UNION ALL SELECT {values} FROM {_quoted(table.schema, table.relation)}{condition}")
            first = True
            for batch in cursor.fetch_record_batch():
                if first and batch.num_rows:
                    if any(column[0].as_py() != b"\x00" for column in batch.columns):
                        raise RuntimeError("SQLite did not keep the order of UNION ALL")
                    batch, first = batch.slice(1), False
                yield batch

    @staticmethod
    def _bytes(column: SourceColumn, name: str) -> str:
        value = _quoted(name)
        if column.type not in ("integer", "decimal"):
            return f"CAST(CAST({value} AS TEXT) AS BLOB)"
        # A binary float stands for the decimal of 15 digits that was put in; beyond that, say all that it holds.
        return (f"CAST(CASE WHEN typeof({value}) = 'real' THEN printf(iif(abs({value}) < 1e13, '%!.15g', '%!.17g'), {value}) "
                f"ELSE CAST({value} AS TEXT) END AS BLOB)")


class AdbcPostgresql(_Adbc):
    """PostgreSQL through ADBC: binary COPY of everything cast to text."""

    def __init__(self, url: sa.URL) -> None:
        import adbc_driver_postgresql.dbapi

        super().__init__(adbc_driver_postgresql.dbapi.connect(
            url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=False))
        self._do("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for setting in ("datestyle = 'ISO, YMD'", "extra_float_digits = 1", "timezone = 'UTC'", "client_encoding = 'UTF8'"):
            self._do(f"SET LOCAL {setting}")

    def batches(self, table: Delivered, columns: tuple[SourceColumn, ...], only: Only | None = None) -> Iterator[pa.RecordBatch]:
        for condition in _conditions(table, only):
            yield from self._batches(table, columns, condition)

    def _batches(self, table: Delivered, columns: tuple[SourceColumn, ...], condition: str) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        values = ", ".join(f"CAST({_quoted(table.spelling[column.name])} AS TEXT) AS c{i}" for i, column in enumerate(columns))
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT {values} FROM {_quoted(table.schema, table.relation)}{condition}")
            for batch in cursor.fetch_record_batch():
                yield pa.RecordBatch.from_arrays([array.cast(pa.binary()) for array in batch.columns], names=batch.schema.names)


# The isolation in which a transaction of several statements sees one moment, where that is not the strongest one.
_SNAPSHOT = {"mysql": "REPEATABLE READ", "mariadb": "REPEATABLE READ", "mssql": "SNAPSHOT", "oracle": "SERIALIZABLE",
             "postgresql": "REPEATABLE READ"}
_STRONGEST = ("SERIALIZABLE", "SNAPSHOT", "REPEATABLE READ", "READ COMMITTED")


class SqlalchemyRoad:
    """Any database that SQLAlchemy knows, row by row, in the strongest isolation that it offers."""

    def __init__(self, url: sa.URL) -> None:
        self._engine = make_engine(url)
        connection = self._engine.connect()
        dialect = self._engine.dialect
        if dialect.name == "sqlite":
            # Text that is not UTF-8 must come through as the bytes it is.
            connection.connection.dbapi_connection.text_factory = bytes  # type: ignore[union-attr]
            connection.connection.dbapi_connection.isolation_level = None  # type: ignore[union-attr]
            connection.exec_driver_sql("BEGIN")
        else:
            offered = dialect.get_isolation_level_values(connection.connection.dbapi_connection)  # type: ignore[arg-type]
            level = next((name for name in (_SNAPSHOT.get(dialect.name), *_STRONGEST) if name in offered), None)
            if level is not None:
                connection = connection.execution_options(isolation_level=level)
            if dialect.name in ("mysql", "mariadb"):
                connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        self._connection = connection

    def _table(self, table: Delivered, columns: tuple[SourceColumn, ...] = ()) -> Any:
        # Columns without a type: values arrive as the driver gives them.
        return sa.table(table.relation, *(sa.column(table.spelling[c.name]) for c in columns), schema=table.schema)

    def count(self, table: Delivered) -> int:
        return int(self._connection.execute(sa.select(sa.func.count()).select_from(self._table(table))).scalar_one())

    def batches(self, table: Delivered, columns: tuple[SourceColumn, ...], only: Only | None = None) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        relation = self._table(table, (*columns, only.column) if only else columns)
        query = sa.select(*(relation.c[table.spelling[c.name]] for c in columns))
        queries = [query] if only is None else [query.where(relation.c[table.spelling[only.column.name]].in_([bound(only.column, v) for v in part])) for part in only.chunks()]
        for one in queries:
            result = self._connection.execution_options(stream_results=True, max_row_buffer=10_000).execute(one)
            for rows in result.partitions(BATCH_ROWS):
                arrays = [pa.array([as_bytes(value) for value in values], pa.binary()) for values in zip(*rows, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, names=[f"c{i}" for i in range(len(columns))])

    def close(self) -> None:
        with suppress(sa.exc.DBAPIError):
            self._connection.close()
        self._engine.dispose()


def bound(column: SourceColumn, text: str) -> Any:
    """A delivered text as the value that a driver compares with a column."""
    if column.type == "integer":
        return int(text)
    if column.type == "decimal":
        return Decimal(text)
    if column.type == "date":
        return date.fromisoformat(text[:10])
    return datetime.fromisoformat(text) if column.type == "timestamp" else text


def as_bytes(value: Any) -> bytes | None:
    """A driver's value as the text a database would write, in UTF-8."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str):
        # A lone surrogate stays visible as the invalid bytes it is.
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, bool):
        return b"1" if value else b"0"
    if isinstance(value, float):
        return format(value, ".15g" if abs(value) < 1e13 else ".17g").encode()
    if isinstance(value, Decimal):
        return (format(value, "f") if value.is_finite() else str(value)).encode()
    if hasattr(value, "isoformat"):
        return (value.isoformat(sep=" ") if hasattr(value, "hour") and hasattr(value, "year") else value.isoformat()).encode()
    return str(value).encode("utf-8", "surrogatepass")
