"""What the stand-in keeps: batches, accepted rows, transactions, what it was asked, and how often it was sent something twice."""

from __future__ import annotations

import json
import sqlite3
import threading
from decimal import Decimal
from pathlib import Path

from etl.demo.platform.tables import Column

STORE_FILE = "store.db"
SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (batch_no TEXT PRIMARY KEY, kind TEXT, day TEXT, told INTEGER, file TEXT, md5 TEXT, query_no TEXT UNIQUE,
  status TEXT, error_path TEXT DEFAULT '', ratio TEXT DEFAULT '', asked INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS transactions (number TEXT PRIMARY KEY, day TEXT, state TEXT, batch_no TEXT);
CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, day TEXT, name TEXT, number TEXT, fields TEXT);
CREATE INDEX IF NOT EXISTS rows_by_day ON rows (day, name);
CREATE TABLE IF NOT EXISTS twice (number TEXT, batch_no TEXT);
CREATE TABLE IF NOT EXISTS checks (query_no TEXT PRIMARY KEY, status TEXT, items TEXT, asked INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, n INTEGER);
"""


class Store:
    """One SQLite file, one connection, one transaction at a time."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.executescript(SCHEMA)
        self.db.row_factory = sqlite3.Row

    def one(self, sql: str, *values: object) -> sqlite3.Row | None:
        with self.lock:
            return self.db.execute(sql, values).fetchone()

    def need(self, sql: str, *values: object) -> sqlite3.Row:
        """The row that must be there. Raises LookupError."""
        found = self.one(sql, *values)
        if found is None:
            raise LookupError(sql)
        return found

    def all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with self.lock:
            return self.db.execute(sql, values).fetchall()

    def run(self, sql: str, *values: object) -> None:
        with self.lock:
            self.db.execute(sql, values)

    def count(self, name: str, by: int = 1) -> int:
        """Add to a counter and return what it was before."""
        with self.lock:
            row = self.one("SELECT n FROM counters WHERE name = ?", name)
            self.run("INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET n = n + ?", name, by, by)
            return row["n"] if row else 0

    def __enter__(self) -> Store:
        self.lock.acquire()
        self.db.execute("BEGIN IMMEDIATE")
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.db.execute("ROLLBACK" if kind else "COMMIT")
        self.lock.release()

    def figure(self, day: str, table: str, place: int | None) -> Decimal:
        """Number of rows, or the sum of the field at `place`."""
        if place is None:
            return Decimal(self.need("SELECT count(*) AS n FROM rows WHERE day = ? AND name = ?", day, table)["n"])
        found = self.all("SELECT fields FROM rows WHERE day = ? AND name = ?", day, table)
        return sum((Decimal(text) for row in found if (text := json.loads(row["fields"])[place])), Decimal(0))


def summary(path: Path, tables: dict[str, tuple[Column, ...]]) -> dict:
    """What a stand-in's store holds, for people and tests: per day and table the rows and the sums of money; and the counters."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        days: dict[str, dict] = {}
        for day, name, fields in db.execute("SELECT day, name, fields FROM rows"):
            table = days.setdefault(day, {}).setdefault(name, {"rows": 0, "sums": {}})
            table["rows"] += 1
            for column, text in zip(tables[name], json.loads(fields)):
                if column.kind == "decimal" and column.scale == 2:
                    table["sums"][column.name] = table["sums"].get(column.name, Decimal("0.00")) + Decimal(text or 0)
        states = dict(db.execute("SELECT state, count(*) FROM transactions GROUP BY state"))
        return {"days": days, "transactions": {"accepted": states.get("accepted", 0), "rejected": states.get("rejected", 0)},
                "sent_twice": db.execute("SELECT count(*) FROM twice").fetchone()[0], "counters": dict(db.execute("SELECT name, n FROM counters"))}
    finally:
        db.close()
