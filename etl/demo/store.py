"""From frames to databases: tables made from the source contracts, filled by the fastest road each database has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import sqlalchemy as sa

from etl.demo.columns import NULL, Frame, dated, size_of
from etl.sources.connections import source_url
from etl.sources.definition import SourceColumn, SourceSystem, SourceTable

_CHUNK = 20_000
# What people look records up by, beside the keys.
_INDEXED = ("ContNo", "CustomerNo", "InsuredNo", "CaseNo", "ConfDate")


def open_database(place: str) -> sa.Engine:
    """A writing engine for a URL or the path of a SQLite file."""
    url = source_url(place)
    if url.get_backend_name() == "sqlite" and url.database:
        from pathlib import Path

        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    return sa.create_engine(url, poolclass=sa.NullPool)


def relations(system: SourceSystem) -> dict[str, sa.Table]:
    """The contract's tables as SQLAlchemy tables, in the contract's schema (default: the connection's own)."""
    metadata = sa.MetaData(schema=system.schema)
    return {
        name: sa.Table(name, metadata, *(
            sa.Column(c.name, _type(c), primary_key=c.name in table.key, nullable=c.nullable and c.name not in table.key, autoincrement=False) for c in table.columns
        )) for name, table in system.tables.items()
    }


def _type(column: SourceColumn) -> sa.types.TypeEngine:
    if column.type == "text":
        return sa.String(column.length)
    if column.type == "decimal":
        # Floats hold every amount of a demo exactly to the cent, and SQLite knows no decimals anyway.
        return sa.Numeric(column.precision, column.scale, asdecimal=False)
    return {"integer": sa.Integer(), "date": sa.Date(), "timestamp": sa.DateTime()}[column.type]


def create_tables(engine: sa.Engine, tables: dict[str, sa.Table]) -> None:
    """Drop and create the tables of one system."""
    some = next(iter(tables.values()))
    with engine.begin() as connection:
        schema = some.schema
        if schema is None and engine.dialect.name == "postgresql" and connection.scalar(sa.text("SELECT current_schema()")) is None:
            # The URL names a search_path whose schema is not there yet: one schema per system in one database.
            schema = str(connection.scalar(sa.text("SHOW search_path"))).split(",")[0].strip().strip('"')
        if schema:
            connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
        some.metadata.drop_all(connection)
        some.metadata.create_all(connection)


def create_indexes(engine: sa.Engine, tables: dict[str, sa.Table]) -> None:
    """Indexes on the columns by which records are looked up."""
    with engine.begin() as connection:
        for name, table in tables.items():
            for column in _INDEXED:
                if column in table.c and column not in [c.name for c in list(table.primary_key)[:1]]:
                    sa.Index(f"ix_{name}_{column}", table.c[column]).create(connection)


def write_table(engine: sa.Engine, table: sa.Table, contract: SourceTable, frame: Frame) -> int:
    """Insert all rows of `frame` (columns whose names begin with _ are not stored); the number of rows."""
    size = size_of(frame)
    if set(contract.by_name) != {name for name in frame if not name.startswith("_")}:
        raise AssertionError(f"{contract.name}: frame and contract differ in {set(contract.by_name) ^ {n for n in frame if not n.startswith('_')}}")
    write = _copy if engine.dialect.name == "postgresql" else _insert
    if size:
        write(engine, table, contract, frame, size)
    return size


def _insert(engine: sa.Engine, table: sa.Table, contract: SourceTable, frame: Frame, size: int) -> None:
    names = ", ".join(f'"{column.name}"' for column in contract.columns)
    sql = f'INSERT INTO "{table.name}" ({names}) VALUES ({", ".join("?" * len(contract.columns))})'
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        # A demo that breaks off is made again: no journal is needed.
        cursor.execute("PRAGMA synchronous = OFF")
        cursor.execute("PRAGMA journal_mode = MEMORY")
        for rows in _chunks(contract, frame, size, lambda cents, scale: cents / 10**scale):
            cursor.executemany(sql, rows)
        connection.commit()
    finally:
        connection.close()


def _copy(engine: sa.Engine, table: sa.Table, contract: SourceTable, frame: Frame, size: int) -> None:
    from psycopg import sql

    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in contract.columns)
    where = sql.Identifier(table.schema, table.name) if table.schema else sql.Identifier(table.name)
    connection = engine.raw_connection()
    try:
        driver: Any = connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(where, names)) as copy:
            for rows in _chunks(contract, frame, size, lambda cents, scale: Decimal(cents).scaleb(-scale)):
                copy.write("".join("\t".join(map(_field, row)) + "\n" for row in rows))
        connection.commit()
    finally:
        connection.close()


def _field(value: object) -> str:
    if value is None:
        return "\\N"
    text = value if type(value) is str else str(value)
    if "\\" in text or "\t" in text or "\n" in text or "\r" in text:
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return text


def _chunks(contract: SourceTable, frame: Frame, size: int, money: Callable[[int, int], object]) -> Iterator[list[tuple]]:
    """Rows as tuples in the contract's order, a chunk at a time; dates as ISO text."""
    for begin in range(0, size, _CHUNK):
        columns = [_values(column, frame[column.name][begin : begin + _CHUNK], money) for column in contract.columns]
        yield list(zip(*columns))


def _values(column: SourceColumn, values: np.ndarray, money: Callable[[int, int], object]) -> list:
    if column.type == "text":
        return values.tolist()
    if column.type == "date":
        return dated(values).tolist()
    if column.type == "decimal":
        scale = column.scale
        return [None if value == NULL else money(value, scale) for value in values.tolist()]
    return [None if value == NULL else value for value in values.tolist()]
