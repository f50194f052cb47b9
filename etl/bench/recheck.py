"""The check stage of a run once more, with a watch: nothing of the run is changed, nothing of the result is kept."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.bench.contender import peak_bytes
from etl.engines.local import Engine, open_engine, quote

if TYPE_CHECKING:
    from etl.pipeline.context import RunContext


@dataclass(frozen=True)
class TableTime:
    """One table's check. `recorded` is how many findings the run itself made with the same rules."""

    table: str
    rows: int
    rules: int
    seconds: float
    peak_bytes: int
    findings: int
    recorded: int

    @property
    def rows_rules_per_second(self) -> int:
        return round(self.rows * self.rules / self.seconds) if self.seconds else 0

    def row(self) -> dict[str, Any]:
        return {"table": self.table, "rows": self.rows, "rules": self.rules, "seconds": round(self.seconds, 3), "rows_rules_per_second": self.rows_rules_per_second,
                "peak_mb": round(self.peak_bytes / 1e6), "findings": self.findings, "recorded": self.recorded}


def recheck(context: RunContext, tables: Sequence[str] = (), memory: str | None = None,
            progress: Callable[[str], None] = lambda _: None) -> list[TableTime]:
    """Check every table of a run (or only `tables`) as its check stage did, and say what each took.

    The run's files are read where they lie, sealed ones from a private copy that is gone at the end.
    """
    from etl.pipeline.earlier import earlier_of, prepare
    from etl.privacy.display import item_sql
    from etl.rules.run import check_table

    recorded = {o.rule: o.failed for o in context.ledger.findings(context.run)}
    by_table: dict[str, list] = {}
    for rule in context.rules:
        by_table.setdefault(rule.table, []).append(rule)
    times: list[TableTime] = []
    with _scratch(context) as scratch, ExitStack() as opened, open_engine(scratch / "spill", memory=memory or context.request.memory) as engine:
        _register(context, engine, opened)
        setting = prepare(context, engine, earlier_of(context))
        for table in context.tables:
            if tables and table.code not in tables:
                continue
            rules = by_table.get(table.code, [])
            progress(table.code)
            _forget_peak()
            started = time.perf_counter()
            outcomes = check_table(engine, context.standard, table, rules, scratch / f"{table.code}.parquet", show=item_sql, setting=setting)
            seconds = time.perf_counter() - started
            rows = int(engine.one(f"SELECT count(*) FROM data.{quote(table.code)}"))
            times.append(TableTime(table.code, rows, len(rules), seconds, peak_bytes(), sum(o.failed for o in outcomes),
                                   sum(recorded.get(rule.id, 0) for rule in rules)))
            (scratch / f"{table.code}.parquet").unlink(missing_ok=True)
    return times


def as_report(run: str, times: Sequence[TableTime]) -> dict[str, Any]:
    """All tables and their total as JSON."""
    seconds = sum(t.seconds for t in times)
    work = sum(t.rows * t.rules for t in times)
    return {"run": run, "tables": [t.row() for t in times], "total": {
        "rows": sum(t.rows for t in times), "rules": sum(t.rules for t in times), "seconds": round(seconds, 3),
        "rows_rules_per_second": round(work / seconds) if seconds else 0, "peak_mb": round(max((t.peak_bytes for t in times), default=0) / 1e6),
        "findings": sum(t.findings for t in times), "recorded": sum(t.recorded for t in times)}}


def _register(context: RunContext, engine: Engine, opened: ExitStack) -> None:
    """The run's tables and code tables, as its check stage had them."""
    period = context.request.period
    engine.set_parameters(period_start=period.start, period_end=period.end, report_date=context.request.report_date)
    engine.load_codes(context.standard.codes.values(), period.end)
    for table in context.tables:
        for schema, name in (("data", f"{table.code}.parquet"), ("aside", f"{table.code}.aside.parquet")):
            engine.view_parquet(schema, table.code, opened.enter_context(context.vault.read(context.run, f"standard/{name}")))


@contextmanager
def _scratch(context: RunContext) -> Iterator[Path]:
    """A folder inside the vault that the vault itself sweeps, should this process be killed."""
    from etl.privacy.vault import SCRATCH

    folder = context.vault.root / SCRATCH / f"{os.getpid()}-check"
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _forget_peak() -> None:
    """Let the next `peak_bytes` count from here on, where the system can; elsewhere it is the peak of all so far."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass
