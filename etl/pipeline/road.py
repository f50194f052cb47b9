"""Walking the road: start a run, stop where the standard says so, take an interrupted run up again."""

from __future__ import annotations

import getpass
import shutil
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from etl.errors import EastboundError
from etl.lineage.emit import emit_end, emit_stage, emit_start
from etl.packs.roots import PackRoots
from etl.packs.snapshot import fingerprint, pack_files, take_snapshot
from etl.pipeline import stages
from etl.pipeline.context import Progress, RunContext, RunRequest, silent
from etl.pipeline.units import STAGES, finished
from etl.workspace import Workspace

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.ledger.definition import Run

SHANGHAI = ZoneInfo("Asia/Shanghai")


class RunSealedAlready(EastboundError):
    zh = "运行 {run} 已封包，无需继续；如需重报请再次执行 eastbound run"
    en = "run {run} is sealed, there is nothing to resume; to submit again, start a new eastbound run"


class ResumePacksChanged(EastboundError):
    zh = "运行 {run} 的规范包副本缺失或被改动，不能继续；请重新执行 eastbound run"
    en = "run {run}: its copy of the packs is gone or was changed, so it cannot go on; start a new eastbound run"


class PartNotResumed(EastboundError):
    zh = "运行 {run} 是 {whole} 按监管辖区拆出的一部分；再次拆分即可继续：eastbound split {whole} --jurisdiction {jurisdiction}"
    en = "run {run} is a part that {whole} was split into; splitting again goes on with it: eastbound split {whole} --jurisdiction {jurisdiction}"


class PeriodNotADay(EastboundError):
    zh = "标准 {standard} 按日报送，报送期应为一天（如 2026-10-15），而不是 {period}"
    en = "{standard} is reported day by day: the period should be one day (such as 2026-10-15), not {period}"


class PeriodHeld(EastboundError):
    zh = ("{standard} {period} 的运行 {run} 由调度 {owner} 进行中，不能同时再跑。请等它结束，或在调度中终止它；"
          "若调度中已没有它，用 eastbound runs release {run} 释放后再执行")
    en = ("{standard} {period}: run {run} is under way in the scheduler ({owner}), and there is one run at a time. Wait for it to end, or stop it "
          "there; where the scheduler no longer knows it, let go of it with: eastbound runs release {run}")
    exit_code = 3


@dataclass(frozen=True)
class RunResult:
    """How a run ended: its status (sealed, blocked, or running where it was told to stop early), findings, package."""

    run: str
    status: str
    findings: dict[str, int]
    package: Path | None


def today() -> date:
    """Today where the regulator is."""
    return datetime.now(SHANGHAI).date()


def start_run(workspace: Workspace, request: RunRequest, *, packs: Sequence[str] = (), progress: Progress = silent, until: str = "seal") -> RunResult:
    """Run the stages up to `until` for one standard and period. Raises PeriodLocked while another run of it is at work, PeriodHeld while a scheduler has it."""
    from etl.ledger import open_ledger, period_lock

    with open_ledger(workspace.ledger_place) as ledger, period_lock(workspace.root, request.standard, request.period.label) as lock:
        refuse_held(ledger, request)
        _lay_down_dead_runs(workspace, ledger, request)
        context = begin_run(workspace, request, ledger, packs=packs, progress=progress, named=lock.name_run)
        emit_start(context)
        return _walk(context, until)


def begin_run(workspace: Workspace, request: RunRequest, ledger: Ledger, *, packs: Sequence[str] = (), progress: Progress = silent,
              named: Callable[[str], None] = lambda run: None, owner: str | None = None, by: str | None = None) -> RunContext:
    """Note a new run with its own copy of the packs. `owner`: the scheduler's name for it, `by`: who asked for it (default: this account).

    Everything is loaded before anything is noted: a broken pack is the caller's to mend, not a failed run. The caller holds the period's lock.
    """
    from etl.privacy.transforms import validate_masking

    roots = PackRoots.of(*workspace.packs, *packs)
    files = pack_files(roots, request.standard)
    probe = _context(workspace, request, "", ledger, roots, progress, vault=False)
    _ = (probe.standard, probe.mappings, probe.rules, probe.expectations, probe.company)
    validate_masking(probe.standard)
    # Over several days the events of a policy would run into one transaction.
    if probe.standard.frequency == "daily" and request.period.start != request.period.end:
        raise PeriodNotADay(standard=request.standard, period=request.period.label)
    options = {**request.options(), **({"owner": owner} if owner else {})}
    run = ledger.start_run(request.standard, request.period.label, request.report_date, company=workspace.company,
                           pack_fingerprint=fingerprint(files), options=options)
    named(run.id)
    snapshot = workspace.run_folder(run.id) / "packs"
    snapshot.parent.mkdir(parents=True, exist_ok=True)
    take_snapshot(files, snapshot)
    context = _context(workspace, request, run.id, ledger, PackRoots((snapshot,)), progress)
    # The snapshot holds the same bytes that were just loaded.
    context.take_packs(probe)
    ledger.append_event(by or actor(), "run.start", run.id, {"standard": request.standard, "period": request.period.label, "report_date": request.report_date.isoformat()})
    return context


def held_run(ledger: Ledger, standard: str, period: str, jurisdiction: str | None = None) -> Run | None:
    """The run of a period that a scheduler has under way."""
    return next((run for run in ledger.runs(standard, period) if run.status == "running" and run.options.get("owner")
                 and run.options.get("jurisdiction") == jurisdiction), None)


def refuse_held(ledger: Ledger, request: RunRequest, owner: str | None = None) -> None:
    """Raise PeriodHeld where another owner's run of the period is under way."""
    held = held_run(ledger, request.standard, request.period.label, request.jurisdiction)
    if held is not None and held.options["owner"] != owner:
        raise PeriodHeld(standard=request.standard, period=request.period.label, run=held.id, owner=held.options["owner"])


def resume_run(workspace: Workspace, run_id: str, *, progress: Progress = silent, until: str = "seal") -> RunResult:
    """Go on where a run stopped or was killed; finished tables of finished stages are not done again."""
    from etl.ledger import open_ledger, period_lock

    with open_ledger(workspace.ledger_place) as ledger:
        run = ledger.run(run_id)
        if run.status == "sealed":
            raise RunSealedAlready(run=run_id)
        if run.part_of:
            raise PartNotResumed(run=run_id, whole=run.part_of, jurisdiction=run.jurisdiction)
        if run.status == "running" and run.options.get("owner"):
            raise PeriodHeld(standard=run.standard, period=run.period, run=run_id, owner=run.options["owner"])
        with period_lock(workspace.root, run.standard, run.period, run_id):
            roots = PackRoots((workspace.run_folder(run_id) / "packs",))
            if fingerprint(pack_files(roots, run.standard)) != run.pack_fingerprint:
                raise ResumePacksChanged(run=run_id)
            ledger.resume_run(run_id)
            request = RunRequest.of(run)
            context = _context(workspace, request, run_id, ledger, roots, progress)
            context.vault.open_run(run_id)
            ledger.append_event(actor(), "run.resume", run_id, {})
            emit_start(context, resumed=True)
            return _walk(context, until)


def _lay_down_dead_runs(workspace: Workspace, ledger: Any, request: RunRequest) -> None:
    """Runs whose process died are noted as interrupted, and the clear files they left are encrypted."""
    from etl.privacy.keys import Keyring
    from etl.privacy.vault import Vault

    dead = ledger.mark_interrupted(locked=(request.standard, request.period.label))
    if dead:
        vault = Vault(workspace.vault_folder, Keyring.open(workspace.keys_folder).vault)
        for run in dead:
            shutil.rmtree(vault.root / run / "spill", ignore_errors=True)
            vault.close_run(run)


def open_context(workspace: Workspace, run_id: str, ledger: Any, progress: Progress = silent) -> RunContext:
    """The context of an earlier run, with the packs as they were then; for tracing and showing."""
    run = ledger.run(run_id)
    roots = PackRoots((workspace.run_folder(run_id) / "packs",))
    request = RunRequest.of(run)
    return _context(workspace, request, run_id, ledger, roots, progress)


def _context(workspace: Workspace, request: RunRequest, run: str, ledger: Any, roots: PackRoots, progress: Progress, vault: bool = True) -> RunContext:
    from etl.privacy.keys import Keyring
    from etl.privacy.vault import Vault

    keyring = Keyring.open(workspace.keys_folder)
    return RunContext(workspace, request, run, ledger, roots, keyring, Vault(workspace.vault_folder, keyring.vault) if vault else None, progress)  # type: ignore[arg-type]


def _walk(context: RunContext, until: str) -> RunResult:
    with _closing(context):
        for stage in STAGES[: STAGES.index(until) + 1]:
            if finished(context, stage):
                continue
            getattr(stages, stage)(context)
            emit_stage(context, stage)
            if stage == "check" and stopped_by_findings(context):
                return RunResult(context.run, "blocked", findings_totals(context), None)
        if until != STAGES[-1]:
            context.ledger.finish_run(context.run, "interrupted", message={"code": "stopped", "after": until})
        run = context.ledger.run(context.run)
        if run.status == "sealed":
            tell_sealed(context)
        return RunResult(context.run, run.status, findings_totals(context), stages.package_path(context))


def stopped_by_findings(context: RunContext, by: str | None = None) -> bool:
    """Whether the findings of a concluded check stop the run; the ledger then says so."""
    if not blocks(context):
        return False
    totals = findings_totals(context)
    context.ledger.finish_run(context.run, "blocked", message={"code": "findings", **totals})
    context.ledger.append_event(by or actor(), "run.blocked", context.run, totals)
    return True


def tell_sealed(context: RunContext, by: str | None = None) -> None:
    """The audit chain's link about a sealed package."""
    run = context.ledger.run(context.run)
    context.ledger.append_event(by or actor(), "run.sealed", context.run, {"package": run.package, "package_sha256": run.package_sha256})


@contextmanager
def _closing(context: RunContext):
    """However the run ends, its clear files end up encrypted and the ledger knows how it ended."""
    try:
        yield
    except BaseException as error:
        if context.ledger.run(context.run).status == "running":
            status = "failed" if isinstance(error, Exception) else "interrupted"
            context.ledger.finish_run(context.run, status, message={"code": type(error).__name__})
        raise
    finally:
        put_away(context)
        emit_end(context)


def put_away(context: RunContext) -> None:
    """Encrypt the clear files of a run and drop what its engine spilled."""
    shutil.rmtree(context.vault.root / context.run / "spill", ignore_errors=True)
    context.vault.close_run(context.run)


def blocks(context: RunContext) -> bool:
    """Whether error findings stop the package: all of them where the standard blocks, only those without a row where it holds back."""
    failing = [o for o in context.ledger.findings(context.run) if o.severity == "error" and o.outcome in ("failed", "errored")]
    if context.standard.on_error == "block_package":
        return bool(failing)
    return any(o.outcome == "errored" or o.family == "reconciliation" or o.table not in context.standard.tables for o in failing)


def findings_totals(context: RunContext) -> dict[str, int]:
    """Findings by severity: {error: n, warning: n}; a rule that broke counts as one error of its severity."""
    totals = {"error": 0, "warning": 0}
    for outcome in context.ledger.findings(context.run):
        totals[outcome.severity] += outcome.failed or (1 if outcome.outcome == "errored" else 0)
    return totals


def actor() -> str:
    """Who is at work, for the audit chain."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
