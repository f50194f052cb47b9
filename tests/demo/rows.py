"""Reading demo databases without the product's help."""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import date
from pathlib import Path

import sqlalchemy as sa

from etl.demo import SYSTEMS

POLICIES, SEED, AS_OF = 300, 7, date(2026, 10, 31)


def sqlite_urls(folder: Path) -> dict[str, str]:
    return {system: f"sqlite:///{folder / f'{system}.db'}" for system in SYSTEMS}


def content(folder: Path) -> dict[str, str]:
    """A hash per table over all its rows, whatever their order, and over its definition."""
    hashes = {}
    for system in SYSTEMS:
        with sqlite3.connect(folder / f"{system}.db") as connection:
            for name, definition in connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
                rows = sorted(repr(row) for row in connection.execute(f'SELECT * FROM "{name}"'))
                hashes[f"{system}.{name}"] = hashlib.sha256("\n".join([definition, *rows]).encode()).hexdigest()
    return hashes


def rows(folder: Path, system: str, sql: str, *values) -> list[sqlite3.Row]:
    with sqlite3.connect(folder / f"{system}.db") as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(sql, values).fetchall()


def texts(url: str, table: str) -> list[tuple]:
    """All rows of a table of any database, numbers and dates in one spelling."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = connection.execute(sa.text(f'SELECT * FROM "{table}"')).all()
    return sorted(tuple(_spelled(value) for value in row) for row in found)


def _spelled(value) -> str:
    if value is None:
        return "\0"
    return f"{float(value):.5f}" if not isinstance(value, str) and not hasattr(value, "isoformat") else str(value)


def table(book, name: str) -> list[dict]:
    """The rows of a table of a book in the making: dates as dates, amounts in units of their last digit."""
    frame = next(frame for (_, table_name), frame in book.items() if table_name == name)
    columns = {key: (column.astype(object) if column.dtype.kind == "M" else column).tolist() for key, column in frame.items() if not key.startswith("_")}
    return [dict(zip(columns, row)) for row in zip(*columns.values())]
