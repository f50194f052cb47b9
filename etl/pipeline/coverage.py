"""Which periods of a standard were submitted, table by table: what a first load over years has covered, and what is missing.

The rows of a period are those of the package that stands: of the run sealed last. A later run that is blocked or failed does not undo it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from etl.approvals.summary import DELIVERED, state_of
from etl.deadlines.due import periods_ending
from etl.ledger.approvals import APPROVED, ApprovalBook
from etl.ledger.definition import SEALED, Run
from etl.submission.definition import Period

if TYPE_CHECKING:
    from etl.deadlines.loader import Head
    from etl.ledger import Ledger

NONE = "none"


@dataclass(frozen=True)
class PeriodCoverage:
    """One period. `state`: approved, sealed, blocked, failed, interrupted, running, or none.

    `run` is the run that `state` speaks of; `decision` where its package stands (waiting, rejected, delivered ...), None without one.
    `rows`: rows submitted by table, empty without a package. `gap`: it should have been run and never was.
    """

    period: Period
    state: str
    run: str | None = None
    decision: str | None = None
    first_run: str | None = None
    last_run: str | None = None
    last_status: str | None = None
    runs: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    gap: bool = False

    @property
    def done(self) -> bool:
        return self.state in (APPROVED, SEALED)


@dataclass(frozen=True)
class Coverage:
    """Periods in order, and the tables (code -> name) that any of them or the standard has."""

    standard: str
    frequency: str
    jurisdiction: str | None
    periods: tuple[PeriodCoverage, ...]
    tables: dict[str, dict[str, str]]

    @property
    def gaps(self) -> list[str]:
        return [one.period.label for one in self.periods if one.gap]

    def as_record(self) -> dict[str, Any]:
        """Everything, as scripts get it: each table with its rows and state in every period."""
        return {
            "standard": self.standard, "frequency": self.frequency, "jurisdiction": self.jurisdiction, "gaps": self.gaps,
            "periods": [{"period": one.period.label, "state": one.state, "gap": one.gap, "run": one.run, "decision": one.decision, "runs": one.runs, "first_run": one.first_run,
                         "last_run": one.last_run, "last_status": one.last_status, "rows": sum(one.rows.values()) if one.done else None} for one in self.periods],
            "tables": [{"table": code, "name": name, "rows": sum(one.rows.get(code, 0) for one in self.periods),
                        "periods": [{"period": one.period.label, "state": cell_state(one, code), "rows": one.rows.get(code)} for one in self.periods]}
                       for code, name in self.tables.items()]}


def cell_state(one: PeriodCoverage, table: str) -> str:
    """The state of a table in a period: that of the period, `none` where the package has no such table."""
    return NONE if one.done and table not in one.rows else one.state


def coverage(ledger: Ledger, head: Head, *, today: date, first: date | None = None, last: date | None = None, jurisdiction: str | None = None,
             tables: dict[str, dict[str, str]] | None = None) -> Coverage:
    """Coverage of the periods that end from `first` to `last`: by default from the first period with a run to the last one that is over.

    `tables`: what the standard submits (code -> name), in order; tables that only old packages have come after them.
    """
    runs = [run for run in ledger.runs(head.name, parts=jurisdiction is not None) if run.jurisdiction == jurisdiction]
    by_period: dict[str, list[Run]] = {}
    for run in runs:
        by_period.setdefault(run.period, []).append(run)
    ends = sorted(Period.parse(label).end for label in by_period)
    begin = first or (ends[0] if ends else today)
    end = last or max([today - timedelta(days=1), *ends[-1:]])
    listed = list(periods_ending(head.frequency, begin, end)) if begin <= end else []
    # A run over days that are no period of the standard is not passed over.
    known = {period.label for period in listed}
    listed += [period for label in by_period if label not in known and begin <= (period := Period.parse(label)).end <= end]
    book = ApprovalBook(ledger)
    periods = tuple(_period(ledger, book, period, by_period.get(period.label, ()), _wanted(head, period, today)) for period in sorted(listed, key=lambda one: (one.end, one.start)))
    named = dict(tables or {})
    for one in periods:
        for code in one.rows:
            named.setdefault(code, {})
    return Coverage(head.name, head.frequency, jurisdiction, periods, named)


def _wanted(head: Head, period: Period, today: date) -> bool:
    """Whether the period should have been run: it is over, and the standard was in force on its last day."""
    return period.end < today and (head.effective_from or date.min) <= period.end <= (head.effective_to or date.max)


def _period(ledger: Ledger, book: ApprovalBook, period: Period, runs: Sequence[Run], wanted: bool) -> PeriodCoverage:
    """`runs` of the period, the latest first."""
    if not runs:
        return PeriodCoverage(period, NONE, gap=wanted)
    ends: dict[str, Any] = {"first_run": runs[-1].id, "last_run": runs[0].id, "last_status": runs[0].status, "runs": len(runs)}
    sealed = [run for run in runs if run.status == SEALED]
    if not sealed:
        return PeriodCoverage(period, runs[0].status, runs[0].id, **ends)
    last = book.latest_sealed(sealed[0])
    run = next((one for one in sealed if one.id == last), max(sealed, key=lambda one: (one.finished_at or one.started_at, one.id)))
    decision = state_of(book, run)
    state = APPROVED if decision in (APPROVED, DELIVERED) else SEALED
    return PeriodCoverage(period, state, run.id, decision, rows=_submitted(ledger, run), **ends)


def _submitted(ledger: Ledger, run: Run) -> dict[str, int]:
    """Rows of a package by table, in the order of the package: by the files that were sealed, of whatever stage they came."""
    rows: dict[str, int] = {}
    for count in ledger.stages(run.id):
        if count.stage == "write":
            rows[count.table] = count.rows_out
    if not rows:
        for file in ledger.artefacts(run.id, "seal"):
            rows[file.table] = rows.get(file.table, 0) + file.rows
    return rows


def by_month(periods: Iterable[PeriodCoverage]) -> dict[str, list[PeriodCoverage]]:
    """Days by the month they lie in."""
    months: dict[str, list[PeriodCoverage]] = {}
    for one in periods:
        months.setdefault(f"{one.period.end:%Y-%m}", []).append(one)
    return months
