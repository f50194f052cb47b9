from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from etl.sources.definition import SourceColumn, SourceSystem, SourceTable

CONT = SourceTable("LCCont", {"zh": "保单表"}, ("ContNo",), (
    SourceColumn("ContNo", "text", 20, nullable=False),
    SourceColumn("AppntName", "text", 100),
    SourceColumn("CValiDate", "date"),
    SourceColumn("Prem", "decimal", precision=16, scale=2),
    SourceColumn("Years", "integer"),
    SourceColumn("ModifyTime", "timestamp"),
))
PAY = SourceTable("LJAPay", {"zh": "收费表"}, ("ContNo", "PayNo"), (
    SourceColumn("ContNo", "text", 20, nullable=False),
    SourceColumn("PayNo", "integer", nullable=False),
    SourceColumn("Money", "decimal", precision=16, scale=2),
))
CREATE = (
    'CREATE TABLE "LCCont" ("ContNo" VARCHAR(20) NOT NULL PRIMARY KEY, "AppntName" VARCHAR(100), "CValiDate" DATE, '
    '"Prem" DECIMAL(16,2), "Years" INTEGER, "ModifyTime" TIMESTAMP)',
    'CREATE TABLE "LJAPay" ("ContNo" VARCHAR(20) NOT NULL, "PayNo" INTEGER NOT NULL, "Money" DECIMAL(16,2))',
)


def make_system(*tables: SourceTable, name: str = "life_admin") -> SourceSystem:
    return SourceSystem(name, {"zh": "核心"}, {table.name: table for table in (tables or (CONT, PAY))})


@pytest.fixture
def system() -> SourceSystem:
    return make_system()


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    """A SQLite database with both tables, empty."""
    path = tmp_path / "core.db"
    execute(path, *CREATE)
    return path


@pytest.fixture(params=["adbc-sqlite", "sqlalchemy-sqlite", "adbc-postgresql", "sqlalchemy-postgresql"])
def database(request, tmp_path) -> tuple[str, str, Callable[..., None]]:
    """(url, road, run): a database with both tables, empty; run(*statements) commits statements to it."""
    road, kind = request.param.split("-")
    if kind == "sqlite":
        path = tmp_path / "core.db"
        execute(path, *CREATE)
        return f"sqlite:///{path}", road, lambda *statements: execute(path, *statements)
    url = request.getfixturevalue("postgres_url")
    run_postgres(url, *CREATE)
    return url, road, lambda *statements: run_postgres(url, *statements)


def execute(path: Path, *statements: str | tuple) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(*((statement,) if isinstance(statement, str) else statement))
    connection.commit()
    connection.close()


def run_postgres(url: str, *statements: str) -> None:
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def rows(path: Path) -> list[dict]:
    return pq.read_table(path).to_pylist()
