"""A small core system that changes between captures, on SQLite or PostgreSQL, with a ledger and a vault around it."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from etl.capture import capture_system, open_image
from etl.engines import open_engine
from etl.ledger import Ledger, open_ledger
from etl.ledger.capture import CaptureCount, capture_counts
from etl.privacy.vault import Vault
from etl.sources.definition import ExtractedTable, SourceColumn, SourceSystem, SourceTable
from etl.sources.extract import extract_system

CONT = SourceTable("LCCont", {"zh": "保单表"}, ("ContNo",), (
    SourceColumn("ContNo", "text", 20, nullable=False),
    SourceColumn("Name", "text", 100),
    SourceColumn("Prem", "decimal", precision=16, scale=2),
    SourceColumn("ModifyTime", "timestamp"),
), watermark="ModifyTime")
COVER = SourceTable("LCPol", {"zh": "险种表"}, ("ContNo", "Seq"), (
    SourceColumn("ContNo", "text", 20, nullable=False),
    SourceColumn("Seq", "integer", nullable=False),
    SourceColumn("Amnt", "decimal", precision=16, scale=2),
    SourceColumn("ModifyTime", "timestamp"),
), watermark="ModifyTime")
BRANCH = SourceTable("LDCom", {"zh": "机构表"}, ("ComCode",), (
    SourceColumn("ComCode", "text", 20, nullable=False),
    SourceColumn("Name", "text", 100),
))
CREATE = ("CREATE TABLE \"LCCont\" (\"ContNo\" VARCHAR(20), \"Name\" VARCHAR(100), \"Prem\" DECIMAL(16,2), \"ModifyTime\" TIMESTAMP)",
          "CREATE TABLE \"LCPol\" (\"ContNo\" VARCHAR(20) NOT NULL, \"Seq\" INTEGER NOT NULL, \"Amnt\" DECIMAL(16,2), \"ModifyTime\" TIMESTAMP)",
          "CREATE TABLE \"LDCom\" (\"ComCode\" VARCHAR(20), \"Name\" VARCHAR(100))")
OLD_DAY = "2026-10-01 09:00:00"
LAST_DAY = "2026-10-31 17:30:00"


@dataclass
class Core:
    """A core system of 40 policies with two coverages each; `capture` makes a run of it."""

    folder: Path
    url: str
    ledger: Ledger
    vault: Vault
    system: SourceSystem
    runs: list[str] = field(default_factory=list)

    def do(self, *statements: str) -> None:
        """Commit statements to the core system."""
        if self.url.startswith("sqlite"):
            with sqlite3.connect(self.url.removeprefix("sqlite:///")) as connection:
                for statement in statements:
                    connection.execute(statement)
            connection.close()
            return
        engine = sa.create_engine(sa.make_url(self.url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def capture(self, mode: str, *, accept: bool = True, tables: set[str] | None = None, base: str = "sealed", road: str | None = None) -> dict[str, CaptureCount]:
        """Capture the system in a run of its own, which is then closed; the counts by table."""
        run = self.start()
        self.walk(run, mode, tables=tables, base=base, road=road)
        self.vault.close_run(run)
        self.ledger.finish_run(run, "sealed" if accept else "failed", **({"package": f"packages/{run}", "package_sha256": "0" * 64} if accept else {}))
        return {count.table: count for count in capture_counts(self.ledger, run)}

    def start(self) -> str:
        run = self.ledger.start_run("east_life_2020", "2026-10", date(2026, 11, 15), company="000999", pack_fingerprint="p")
        self.runs.append(run.id)
        return run.id

    def walk(self, run: str, mode: str, *, tables: set[str] | None = None, base: str = "sealed", road: str | None = None) -> list[ExtractedTable]:
        return capture_system(self.system, self.url, self.vault, run, tables=tables or set(self.system.tables), mode=mode, ledger=self.ledger,
                              company="000999", base=base, road=road)

    def image(self, table: str, run: str | None = None) -> list[dict[str, Any]]:
        """The rows of a run's image in the order of their numbers, without number and batch."""
        with ExitStack() as stack, open_engine() as engine:
            path = open_image(self.vault, run or self.runs[-1], self.system.name, table, stack)
            return engine.dicts(f"SELECT * EXCLUDE (_src_row, _batch) FROM read_parquet('{path}') ORDER BY _src_row")

    def truth(self, table: str) -> list[dict[str, Any]]:
        """The rows as a full extraction gives them now."""
        target = self.folder / f"full{secrets.token_hex(4)}"
        extract_system(self.system, self.url, target, batch_id="t", tables={table})
        with open_engine() as engine:
            return engine.dicts(f"SELECT * EXCLUDE (_src_row, _batch) FROM read_parquet('{target / self.system.name / table}.parquet') ORDER BY _src_row")

    def check(self, run: str | None = None) -> None:
        """Every image of a run is what a full extraction gives, in its order."""
        for table in self.system.tables:
            assert self.image(table, run) == self.truth(table), table


@contextmanager
def core(folder: Path, url: str | None = None) -> Iterator[Core]:
    """A core system on SQLite, or at `url`, filled."""
    system = SourceSystem("life", {"zh": "核心"}, {table.name: table for table in (CONT, COVER, BRANCH)})
    with open_ledger(folder / "ledger.db") as ledger:
        made = Core(folder, url or f"sqlite:///{folder / 'core.db'}", ledger, Vault(folder / "vault", b"k" * 32), system)
        made.do(*CREATE)
        for n in range(1, 41):
            made.do(f"INSERT INTO \"LCCont\" VALUES ('P{n * 10:04d}', '客户{n}', {n}.50, '{LAST_DAY if n == 40 else OLD_DAY}')",
                    *(f"INSERT INTO \"LCPol\" VALUES ('P{n * 10:04d}', {seq}, {n}00, '{LAST_DAY if n == 40 else OLD_DAY}')" for seq in (1, 2)))
        made.do("INSERT INTO \"LDCom\" VALUES ('86', '总公司'), ('8611', '北京')")
        yield made


def numbers(count: CaptureCount) -> tuple[int | None, int | None, int | None, int | None]:
    """(inserted, updated, deleted, unchanged)"""
    return count.inserted, count.updated, count.deleted, count.unchanged
