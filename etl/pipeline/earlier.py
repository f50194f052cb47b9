"""Earlier runs as a check sees them: the run before of the same period, and the last run of the period before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engines.local import Engine
from etl.rules.history import fixed_sql, load_history
from etl.rules.report import Setting
from etl.submission.definition import Period
from etl.workspace import Workspace

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.ledger.definition import Run
    from etl.pipeline.context import RunContext

FIXED = "fixed"


@dataclass(frozen=True)
class Earlier:
    """A run to compare with, and its finding files."""

    run: str
    findings: tuple[Path, ...]


def finding_files(workspace: Workspace, run: str) -> tuple[Path, ...]:
    """The files of a run's findings."""
    return tuple(sorted((workspace.run_folder(run) / "findings").glob("*.parquet")))


def earlier_runs(workspace: Workspace, ledger: Ledger, run: Run, standard_frequency: str) -> tuple[Earlier | None, Earlier | None]:
    """(the run before of the same period, the last run of the period before) that were checked; None where there is none."""
    period = Period.parse(run.period)
    before = Period.ending(period.start - timedelta(days=1), standard_frequency).label
    found: list[Earlier | None] = []
    for label in (run.period, before):
        # The latest first: of most runs the ledger is never asked what they found.
        last = next((r for r in ledger.runs(run.standard, label) if r.id != run.id and r.started_at < run.started_at and ledger.findings(r.id)), None)
        found.append(Earlier(last.id, finding_files(workspace, last.id)) if last else None)
    return found[0], found[1]


def earlier_of(context: RunContext) -> tuple[Earlier | None, Earlier | None]:
    """`earlier_runs` of the run at hand."""
    return earlier_runs(context.workspace, context.ledger, context.ledger.run(context.run), context.standard.frequency)


def prepare(context: RunContext, engine: Engine, earlier: tuple[Earlier | None, Earlier | None]) -> Setting:
    """What the check of a run knows of its surroundings; makes `_before` in the engine. `earlier`: see `earlier_of`."""
    same, month = earlier
    load_history(engine, same.findings if same else None, month.findings if month else None,
                 period_run=same.run if same else "", month_run=month.run if month else "")
    departments = {(system.name, table.name): department for system in context.systems.values() for table in system.tables.values()
                   if (department := table.department or system.department)}
    owners = {code: context.systems[mapping.system].department for code, mapping in context.mappings.tables.items() if mapping.system in context.systems}
    absent = {code: mapping.absent.get("en") or mapping.absent["zh"] for code, mapping in context.mappings.tables.items() if mapping.absent}
    return Setting(absent=absent, departments=departments, table_departments={t: d for t, d in owners.items() if d}, run=context.run, history=True)


def write_fixed(context: RunContext, engine: Engine, earlier: tuple[Earlier | None, Earlier | None]) -> None:
    """The findings of the earlier runs that this run has no more: `fixed/period.parquet`, `fixed/month.parquet`."""
    now = finding_files(context.workspace, context.run)
    for name, before in zip(("period", "month"), earlier, strict=True):
        target = context.folder / FIXED / f"{name}.parquet"
        if before is None or not before.findings:
            target.unlink(missing_ok=True)
        else:
            engine.write_parquet(fixed_sql(now, before.findings) + ' ORDER BY "table", rule, key, source_key', target)
