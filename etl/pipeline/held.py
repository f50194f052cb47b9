"""Runs that a scheduler holds: the same road, walked by many short processes, a unit of a stage each.

Such a run has an owner (the scheduler's own name for it) and stays `running` in the ledger between two processes. All state
is in the ledger and in the run's files, so a process that was killed is simply started again: what is done is not done again.
Asked twice for the run of one owner, `open_run` gives the same run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.errors import EastboundError
from etl.lineage.emit import emit_end, emit_stage, emit_start
from etl.pipeline import stages
from etl.pipeline.context import Progress, RunContext, RunRequest, silent
from etl.pipeline.road import PeriodHeld, begin_run, findings_totals, open_context, put_away, refuse_held, stopped_by_findings, tell_sealed
from etl.pipeline.units import STAGES, done_units, sources_of, units_of
from etl.workspace import Workspace

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.ledger.definition import Run

CONCLUDE = "conclude"
PATIENCE = 600.0


class PeriodAccepted(EastboundError):
    zh = "{standard} {period} 已由 {checker} 批准（运行 {run}），不再重跑；确需重报时，请在触发时设 resubmit: true，或执行 eastbound run"
    en = ("{standard} {period} was approved by {checker} (run {run}) and is not run again. To submit it anew, trigger it with resubmit: true, "
          "or use eastbound run")
    exit_code = 1


class BlockedByFindings(EastboundError):
    zh = "运行 {run} 有 {errors} 处错误、{warnings} 处警告，不能封包。查看：eastbound findings --run {run} --severity error；更正来源后重新执行"
    en = ("run {run} has {errors} error(s) and {warnings} warning(s): no package is sealed. See eastbound findings --run {run} --severity error; "
          "mend the sources and run again")
    exit_code = 1


class RunNotHeld(EastboundError):
    zh = "运行 {run} 不由调度持有（状态 {status}），无需释放；中断的运行用 eastbound resume {run} 继续"
    en = "run {run} is not held by a scheduler (it is {status}), so there is nothing to let go of; an interrupted run goes on with: eastbound resume {run}"


@dataclass(frozen=True)
class UnitReport:
    """What became of one unit of a stage: rows in = rows out + rows aside. `done_before`: nothing had to be done."""

    run: str
    stage: str
    unit: str
    rows_in: int
    rows_out: int
    rows_aside: int
    seconds: float
    done_before: bool = False


def open_run(workspace: Workspace, request: RunRequest, *, owner: str, by: str, packs: Sequence[str] = (), resubmit: bool = False) -> str:
    """Id of the run that `owner` has of this standard and period, begun now if need be. `by`: the person or account that asked for it.

    Raises PeriodLocked, PeriodHeld (another owner's run is under way) and, unless `resubmit`, PeriodAccepted.
    """
    from etl.ledger import open_ledger, period_lock

    with open_ledger(workspace.ledger_place) as ledger, period_lock(workspace.root, request.standard, request.period.label) as lock:
        own = next((run for run in ledger.runs(request.standard, request.period.label) if run.options.get("owner") == owner), None)
        if own is not None:
            return own.id
        refuse_held(ledger, request, owner)
        if not resubmit:
            _refuse_accepted(ledger, request)
        context = begin_run(workspace, request, ledger, packs=packs, named=lock.name_run, owner=owner, by=by)
        emit_start(context)
        return context.run


def plan(workspace: Workspace, run_id: str) -> dict[str, list[str]]:
    """The units of every stage of a run, in load order."""
    from etl.ledger import open_ledger

    with open_ledger(workspace.ledger_place) as ledger:
        context = open_context(workspace, run_id, ledger)
        return {stage: units_of(context, stage) for stage in STAGES}


def do_units(workspace: Workspace, run_id: str, stage: str, units: Sequence[str], *, by: str, progress: Progress = silent) -> list[UnitReport]:
    """Do units of a stage, those that are not done. One process at a time: raises PeriodLocked while another one is at one of them.

    `extract` of a run that findings blocked begins the run anew, from the sources as they are now.
    """
    from etl.ledger import open_ledger, period_lock

    started = time.monotonic()
    with open_ledger(workspace.ledger_place) as ledger, ExitStack() as locks:
        run = ledger.run(run_id)
        for unit in sorted(units):
            locks.enter_context(period_lock(workspace.root, f"{run.standard} {run.period}", f"{run_id} {stage} {unit}", run_id))
        if run.status == "sealed":
            context, done = open_context(workspace, run_id, ledger, progress), set(units)
        else:
            context = _take_up(workspace, run_id, ledger, progress, anew=stage == "extract", by=by)
            done = {unit for unit in units if _is_done(context, stage, unit)}
            left = [unit for unit in units if unit not in done]
            if left:
                getattr(stages, stage)(context, left)
                if stage == "seal":
                    tell_sealed(context, by)
                    for one in ("mask", "write", "seal"):
                        emit_stage(context, one)
                    emit_end(context)
                    put_away(context)
        seconds = (time.monotonic() - started) / max(len(units) - len(done), 1)
        return [_report(context, stage, unit, 0.0 if unit in done else seconds, unit in done) for unit in units]


def conclude(workspace: Workspace, run_id: str, *, by: str, progress: Progress = silent) -> dict[str, int]:
    """Bring the checks together; returns findings by severity. Raises BlockedByFindings where they stop the run, CheckIncomplete."""
    from etl.ledger import open_ledger, period_lock

    with open_ledger(workspace.ledger_place) as ledger:
        run = ledger.run(run_id)
        with period_lock(workspace.root, f"{run.standard} {run.period}", f"{run_id} {CONCLUDE}", run_id):
            if run.status == "sealed":
                return findings_totals(open_context(workspace, run_id, ledger))
            context = _take_up(workspace, run_id, ledger, progress, by=by)
            stages.conclude(context)
            totals = findings_totals(context)
            # Now only is it known that every table has gone through these stages.
            for one in ("extract", "standardise", "check"):
                emit_stage(context, one)
            if stopped_by_findings(context, by):
                emit_end(context)
                put_away(context)
                raise BlockedByFindings(run=run_id, errors=totals["error"], warnings=totals["warning"])
            return totals


def lay_down(workspace: Workspace, run_id: str, *, status: str = "failed", reason: str = "task_failed") -> str:
    """End a held run that will not go on by itself and encrypt its clear files; returns its status. What has ended stays as it is."""
    from etl.ledger import open_ledger

    with open_ledger(workspace.ledger_place) as ledger:
        run = ledger.run(run_id)
        context, ended = open_context(workspace, run_id, ledger), run.status != "running"
        if not ended:
            run = ledger.finish_run(run_id, status, message={"code": reason})
            emit_end(context)
        with _opening(workspace, run_id):
            put_away(context)
        return run.status


def release_run(workspace: Workspace, run_id: str, *, by: str) -> Run:
    """Let go of a run whose scheduler is gone: it counts as interrupted, and `eastbound resume` may take it up. Raises RunNotHeld."""
    from etl.ledger import open_ledger

    with open_ledger(workspace.ledger_place) as ledger:
        run = ledger.run(run_id)
        if run.status != "running" or not run.options.get("owner"):
            raise RunNotHeld(run=run_id, status=run.status)
        lay_down(workspace, run_id, status="interrupted", reason="released")
        ledger.append_event(by, "run.release", run_id, {"owner": run.options["owner"]})
        return ledger.run(run_id)


def _refuse_accepted(ledger: Ledger, request: RunRequest) -> None:
    from etl.approvals import approval_of

    for run in ledger.runs(request.standard, request.period.label):
        if run.status == "sealed" and RunRequest.of(run).jurisdiction == request.jurisdiction:
            found = approval_of(ledger, run)
            if found is not None:
                raise PeriodAccepted(standard=run.standard, period=run.period, run=run.id, checker=found.checker)


def _take_up(workspace: Workspace, run_id: str, ledger: Ledger, progress: Progress, *, by: str, anew: bool = False) -> RunContext:
    """The run, at work: one that failed, was interrupted or blocked is resumed first, by whichever process comes first."""
    with _opening(workspace, run_id):
        run = ledger.run(run_id)
        context = open_context(workspace, run_id, ledger, progress)
        if run.status != "running":
            other = next((r for r in ledger.runs(run.standard, run.period) if r.status == "running" and r.options.get("owner")
                          and r.options.get("jurisdiction") == run.options.get("jurisdiction")), None)
            if other is not None:
                raise PeriodHeld(standard=run.standard, period=run.period, run=other.id, owner=other.options["owner"])
            if run.status == "blocked" and anew:
                ledger.forget_stages(run_id)
            ledger.resume_run(run_id)
            ledger.append_event(by, "run.resume", run_id, {})
            emit_start(context, resumed=True)
        context.vault.open_run(run_id)
        return context


@contextmanager
def _opening(workspace: Workspace, run_id: str) -> Iterator[None]:
    """One process at a time opens or closes the files of a run; the others wait for it."""
    from filelock import FileLock

    folder = workspace.root / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"vault@{run_id}.lock", is_singleton=False).acquire(timeout=PATIENCE):
        yield


def _is_done(context: RunContext, stage: str, unit: str) -> bool:
    if stage not in ("extract", "standardise", "mask"):
        return False
    done = done_units(context, stage)
    return unit in done if unit != "all" else _tables_of(context, stage) <= done


def _tables_of(context: RunContext, stage: str) -> set[str]:
    return {table.code for table in (context.standard.submitted_tables if stage in ("mask", "write") else context.tables)}


def _report(context: RunContext, stage: str, unit: str, seconds: float, done_before: bool = False) -> UnitReport:
    """The numbers of a unit as the ledger has them."""
    named: Callable[[str], bool]
    if stage == "extract":
        tables = {f"{unit}.{table}" for table in sources_of(context).get(unit, ())}
        named = tables.__contains__
    else:
        named = lambda table: unit in ("all", table)  # noqa: E731 - one of two tests
    counts = [count for count in context.ledger.stages(context.run) if count.stage == stage and named(count.table)]
    return UnitReport(context.run, stage, unit, sum(c.rows_in for c in counts), sum(c.rows_out for c in counts), sum(c.rows_aside for c in counts),
                      seconds, done_before)
