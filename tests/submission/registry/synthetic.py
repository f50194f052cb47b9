"""A tiny registry of three tables and an insurer whose days can be worked out by hand, for tests of the transport and the cycle."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from etl.submission.registry.contents import assemble
from etl.submission.registry.definition import ErrorRow, TableLayout
from etl.submission.registry.settings import Polling, RegistrySettings, Retries
from etl.submission.zip_package import batch_number, make_batch

COMPANY = "000999"
ITEM = "  - {{code: {0}, type: {1}, length: {2}, scale: {3}, required: {4}, key: {5}}}\n"
TABLES = {
    "LCPolTransaction": [("PolicyNo", "text", 50, 0, "true", "false"), ("TransAmnt", "decimal", 16, 2, "true", "false"), ("TransDate", "date", 0, 0, "true", "false")],
    "LJAPay": [("PolicyNo", "text", 50, 0, "true", "true"), ("PayNo", "text", 50, 0, "true", "true"), ("SumActuPayMoney", "decimal", 16, 2, "true", "false")],
    "LLBnf": [("PolicyNo", "text", 50, 0, "true", "true"), ("PercentOfBenefit", "decimal", 16, 6, "false", "false"), ("DrawingAmnt", "decimal", 16, 2, "false", "false")],
}
LAYOUTS = tuple(TableLayout(table, ("TransactionNo", "CompanyCode", *(i[0] for i in items)), tuple(i[0] for i in items if i[1] == "decimal" and i[3] == 2))
                for table, items in TABLES.items())


def write_tables(folder: Path) -> Path:
    """The three tables as a pack has them."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, items in TABLES.items():
        lines = [("TransactionNo", "text", 24, 0, "true", "true"), ("CompanyCode", "text", 6, 0, "true", "false"), *items]
        (folder / f"{table}.yaml").write_text(f"table: {table}\nitems:\n" + "".join(ITEM.format(*line) for line in lines), encoding="utf-8")
    return folder


def rows_of(day: date, transactions: int = 6) -> dict[str, list[list[str]]]:
    """The day's rows: transaction n pays n.10 into policy Pn; every third one is a claim with a beneficiary of 2n.00."""
    rows: dict[str, list[list[str]]] = {table: [] for table in TABLES}
    for n in range(1, transactions + 1):
        number, policy = f"{COMPANY}{day:%Y%m%d}{n:010d}", f"P{n}"
        rows["LCPolTransaction"].append([number, COMPANY, policy, f"{n}.10", day.isoformat()])
        if n % 3:
            rows["LJAPay"].append([number, COMPANY, policy, f"{day:%Y%m%d}{n}", f"{n}.10"])
        else:
            rows["LLBnf"].append([number, COMPANY, policy, "0.3", f"{2 * n}.00"])
    return rows


class SyntheticSource:
    """Keeps nothing in memory: a new object after a crash goes on with the next free batch number."""

    def __init__(self, folder: Path, transactions: int = 6, idle: Iterable[date] = ()) -> None:
        self.folder, self.transactions, self.idle = Path(folder), transactions, set(idle)
        self.folder.mkdir(parents=True, exist_ok=True)

    def increment(self, day: date):
        return None if day in self.idle else self._zip(day, "INC", None)

    def correct(self, day: date, rows: Sequence[ErrorRow]):
        return self._zip(day, "FAI", {row.transaction_no for row in rows})

    def late(self, day: date, known: set[str]):
        new = {row[0] for rows in rows_of(day, self.transactions).values() for row in rows} - known
        return self._zip(day, "INC", new) if new else None

    def detail(self, day: date, zips: Sequence[tuple[Path, set[str]]]):
        return assemble(zips, COMPANY, day, self._number("DET"), self.folder / "zips")

    def _number(self, kind: str) -> str:
        made = len(list((self.folder / "zips").glob("*.zip"))) if (self.folder / "zips").is_dir() else 0
        return batch_number(COMPANY, kind, made + 1)

    def _zip(self, day: date, kind: str, wanted: set[str] | None):
        texts = self.folder / "texts"
        texts.mkdir(exist_ok=True)
        for table, rows in rows_of(day, self.transactions).items():
            (texts / f"{table}.txt").write_bytes("".join("\x01".join(r) + "\n" for r in rows if wanted is None or r[0] in wanted).encode())
        return make_batch(texts, list(TABLES), COMPANY, kind, day, self._number(kind), self.folder / "zips")


class Platform:
    """The stand-in in a process of its own."""

    CODE = "import sys; from etl.demo.platform.server import serve; serve(sys.argv[1], sys.argv[2], sys.argv[3], tls=sys.argv[4] == '1', pause=float(sys.argv[5]))"

    def __init__(self, root: Path, *, tls: bool = False, tables: Path | None = None, pause: float = 0.0) -> None:
        self.folder, self.tls, self.pause = root / "platform", tls, pause
        self.tables = tables or write_tables(root / "tables")
        self.process: subprocess.Popen | None = None

    def start(self) -> Platform:
        facts = self.folder / "platform.json"
        arguments = [str(self.folder), str(self.tables), COMPANY, "1" if self.tls else "0", str(self.pause)]
        self.process = subprocess.Popen([sys.executable, "-c", self.CODE, *arguments])
        for _ in range(400):
            if facts.is_file() and json.loads(facts.read_text())["pid"] == self.process.pid:
                return self
            assert self.process.poll() is None, "the stand-in ended"
            time.sleep(0.05)
        raise AssertionError("the stand-in did not start")

    def stop(self, kill: bool = False) -> int:
        (self.process.kill if kill else self.process.terminate)()
        return self.process.wait(20)

    def __enter__(self) -> Platform:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()

    @property
    def facts(self) -> dict:
        return json.loads((self.folder / "platform.json").read_text())

    def faults(self, *faults: dict) -> None:
        path = self.folder / "control.json"
        self.folder.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".new").write_text(json.dumps({"faults": faults}))
        path.with_suffix(".new").rename(path)

    def clear(self) -> None:
        """As new: running, without faults, with an empty store."""
        self.faults()
        with sqlite3.connect(self.folder / "store.db", timeout=30) as db:
            for table in ("batches", "transactions", "rows", "twice", "checks", "counters"):
                db.execute(f"DELETE FROM {table}")
        for file in (self.folder / "files").rglob("*.zip"):
            file.unlink()
        if self.process.poll() is not None:
            self.start()

    def summary(self) -> dict:
        from etl.demo.platform.store import STORE_FILE, summary
        from etl.demo.platform.tables import read_tables

        return summary(self.folder / STORE_FILE, read_tables(self.tables))

    def settings(self, **changes) -> RegistrySettings:
        facts = self.facts
        values = {"endpoint": f"http{'s' if self.tls else ''}://127.0.0.1:{facts['http_port']}/registry", "host": "127.0.0.1", "port": facts["sftp_port"],
                  "user": "insurer", "known_hosts": self.folder / "known_hosts", "client_key": self.folder / "client_key", "connect_timeout": 5.0,
                  "timeout": 20.0, "ca_file": self.folder / "tls_certificate.pem" if self.tls else None,
                  "retries": Retries(4, 0.01, 0.05), "polling": Polling(0.01, 0.05, 20)}
        return RegistrySettings(**{**values, **changes})


def days_between(first: date, count: int) -> list[date]:
    return [first + timedelta(days=n) for n in range(count)]


def expected_day(day: date, transactions: int = 6) -> dict:
    """What the platform should hold for a day, in the form of its summary."""
    found = {}
    for table, rows in rows_of(day, transactions).items():
        money = {"LCPolTransaction": ("TransAmnt", 3), "LJAPay": ("SumActuPayMoney", 4), "LLBnf": ("DrawingAmnt", 4)}[table]
        if rows:
            found[table] = {"rows": len(rows), "sums": {money[0]: sum((Decimal(r[money[1]]) for r in rows), Decimal("0.00"))}}
    return found
