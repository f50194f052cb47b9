"""The tables of finished runs, brought before the engine: what was standardised, or what was sent of it."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engines import Engine, open_engine
from etl.engines.local import literal, quote
from etl.errors import EastboundError
from etl.figures.compile import SCHEMAS
from etl.figures.compute import Tables
from etl.packs.roots import PackRoots
from etl.privacy.vault import SCRATCH
from etl.submission.definition import Period
from etl.workspace import Workspace

if TYPE_CHECKING:
    from etl.figures.definition import FigureSet
    from etl.ledger import Ledger
    from etl.ledger.definition import Run
    from etl.pipeline.context import RunContext
    from etl.standard.definition import Standard

_ORDER = {"sealed": 0, "blocked": 1}


class NoRun(EastboundError):
    zh = "没有 {standard} {period} 的运行可供计算指标；先执行 eastbound run --standard {standard} --period {period}"
    en = "no run of {standard} {period} has tables to compute figures from; start one with eastbound run --standard {standard} --period {period}"


class RunHasNoTables(EastboundError):
    zh = "运行 {run} 没有标准化的表（状态 {status}）；请重新执行 eastbound run"
    en = "run {run} has no standardised tables (it is {status}); start a new eastbound run"


def best_runs(ledger: Ledger, standard: str) -> dict[Period, Run]:
    """The run to read for each period: a sealed one before a blocked one before any other with tables, the latest of its kind."""
    found: dict[Period, Run] = {}
    for run in sorted(ledger.runs(standard), key=lambda run: (_ORDER.get(run.status, 2), -run.started_at.timestamp())):
        period = _period(run)
        if period and period not in found and has_tables(ledger, run):
            found[period] = run
    return found


def apart(periods: Sequence[Period]) -> list[Period]:
    """Periods of which no two share a day, in their order: rows of a month are not counted again with its quarter's."""
    found: list[Period] = []
    for period in sorted(periods, key=lambda period: (period.start, -_days(period))):
        if not found or period.start > found[-1].end:
            found.append(period)
    return found


def _days(period: Period) -> int:
    return (period.end - period.start).days + 1


def has_tables(ledger: Ledger, run: Run) -> bool:
    """Whether a run came past standardising."""
    return run.status in _ORDER or bool(ledger.mapping(run.id))


def _period(run: Run) -> Period | None:
    try:
        return Period.parse(run.period)
    except EastboundError:
        return None


def choose_run(ledger: Ledger, roots: PackRoots, standard: str | None, period: str | None, run_id: str | None) -> Run:
    """The run asked for; by default the best of the latest period of the standard that ran last and has figures.

    Raises NoRun, RunHasNoTables, RunUnknown.
    """
    from etl.figures.loader import FILE

    if run_id:
        run = ledger.run(run_id)
        if not has_tables(ledger, run):
            raise RunHasNoTables(run=run.id, status=run.status)
        return run
    if standard is None:
        latest = [run for run in ledger.runs() if (folder := roots.rules(run.standard)) and (folder / FILE).is_file() and has_tables(ledger, run)]
        if not latest:
            raise NoRun(standard="STANDARD", period="PERIOD")
        standard = latest[0].standard
    runs = best_runs(ledger, standard)
    wanted = Period.parse(period) if period else max(runs, key=lambda p: (p.end, p.start), default=None)
    if wanted not in runs:
        raise NoRun(standard=standard, period=period or "PERIOD")
    return runs[wanted]


@dataclass
class Book:
    """A run laid open: its standard, its figures, and an engine that is shown tables as they are asked for."""

    workspace: Workspace
    ledger: Ledger
    engine: Engine
    run: Run
    context: RunContext
    roots: PackRoots
    _stack: ExitStack
    rows: dict[tuple[str, str], int] = field(default_factory=dict)
    _contexts: dict[str, RunContext] = field(default_factory=dict)

    @property
    def standard(self) -> Standard:
        return self.context.standard

    @property
    def period(self) -> Period:
        return self.context.request.period

    @property
    def tables(self) -> Tables:
        return Tables(self.rows)

    def figures(self) -> FigureSet:
        from etl.figures.loader import load_figures

        return load_figures(self.standard, self.roots)

    def runs_of(self, role: str) -> list[Run]:
        """The runs of a role, in the order of their periods."""
        if role == "current":
            return [self.run]
        others = best_runs(self.ledger, self.run.standard)
        if role == "previous":
            before = [period for period in others if period.end == self.period.start - timedelta(days=1)]
            # A month before a month, a quarter before a quarter.
            return [others[min(before, key=lambda period: abs(_days(period) - _days(self.period)))]] if before else []
        return [others[period] for period in apart([period for period in others if period.start > self.period.end])]

    def open(self, role: str, table: str) -> bool:
        """Show the engine a table of a role; whether any run has it."""
        if (role, table) not in self.rows:
            files = [path for run in self.runs_of(role) if (path := self.file(run, table))]
            if not files:
                return False
            self.show(SCHEMAS[role], table, files)
            self.rows[role, table] = int(self.engine.one(f"SELECT count(*) FROM {quote(SCHEMAS[role])}.{quote(table)}"))
        return True

    def show(self, schema: str, table: str, files: Sequence[Path]) -> None:
        """A view of the table over several files; the rows of later files come later."""
        self.engine.schema(schema)
        selects = [f"SELECT * REPLACE (_row + {number * 1_000_000_000_000} AS _row) FROM read_parquet({literal(str(path))})" if number else
                   f"SELECT * FROM read_parquet({literal(str(path))})" for number, path in enumerate(files)]
        self.engine.execute(f"CREATE OR REPLACE VIEW {quote(schema)}.{quote(table)} AS {' UNION ALL BY NAME '.join(selects)}")

    def open_for(self, figures: FigureSet, wanted: Sequence[str]) -> None:
        """Show the engine every table that `wanted` figures look at."""
        for name in figures.closure(list(wanted)):
            source = figures.figures[name].source
            for role in source.looked_up if source else ():
                for table in source.tables() if source else ():
                    self.open(role, table)

    def file(self, run: Run, table: str) -> Path | None:
        """The clear file of a table: what was sent where rows were held back, else what was standardised; None without it."""
        context = self.context_of(run)
        files = set(context.vault.files(run.id)) if (context.vault.root / run.id).is_dir() else set()
        sent, standardised = f"sent/{table}.parquet", f"standard/{table}.parquet"
        name = sent if run.status == "sealed" and sent in files else standardised
        return self._stack.enter_context(context.vault.read(run.id, name)) if name in files else None

    def context_of(self, run: Run) -> RunContext:
        from etl.pipeline.road import open_context

        if run.id == self.run.id:
            return self.context
        if run.id not in self._contexts:
            self._contexts[run.id] = open_context(self.workspace, run.id, self.ledger)
        return self._contexts[run.id]

    def set_period(self, start: date, end: date) -> None:
        self.engine.set_parameters(period_start=start, period_end=end, report_date=self.run.report_date)


@contextmanager
def open_book(workspace: Workspace, ledger: Ledger, run: Run, packs: Sequence[str] = (), current: bool = False) -> Iterator[Book]:
    """A run for the `with` block; what was taken out of the vault is gone afterwards.

    Definitions are those kept with the run; `current` (or a run from before there were any) takes those in force now.
    """
    from etl.figures.loader import FILE
    from etl.pipeline.road import open_context

    context = open_context(workspace, run.id, ledger)
    kept = context.roots.rules(run.standard)
    now = current or packs or kept is None or not (kept / FILE).is_file()
    roots = PackRoots.of(*workspace.packs, *packs) if now else context.roots
    with ExitStack() as stack:
        # Named like the vault's own readers, so that what a killed command leaves is swept like theirs.
        spill = context.vault.root / SCRATCH / f"{os.getpid()}-{secrets.token_hex(8)}"
        stack.callback(shutil.rmtree, spill, ignore_errors=True)
        engine = stack.enter_context(open_engine(spill, memory=context.request.memory))
        book = Book(workspace, ledger, engine, run, context, roots, stack)
        book.set_period(context.request.period.start, context.request.period.end)
        engine.load_codes(context.standard.codes.values(), context.request.period.end)
        yield book
