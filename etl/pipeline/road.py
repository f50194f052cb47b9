"""Walking the road: start a run, stop where the standard says so, take an interrupted run up again."""

from __future__ import annotations

import getpass
import shutil
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from etl.errors import EastboundError
from etl.packs.roots import PackRoots
from etl.packs.snapshot import fingerprint, pack_files, take_snapshot
from etl.pipeline import stages
from etl.pipeline.context import Progress, RunContext, RunRequest, silent
from etl.submission.definition import Period
from etl.workspace import Workspace

STAGES: tuple[str, ...] = ("extract", "standardise", "check", "mask", "write", "seal")
SHANGHAI = ZoneInfo("Asia/Shanghai")


class RunSealedAlready(EastboundError):
    zh = "运行 {run} 已封包，无需继续；如需重报请再次执行 eastbound run"
    en = "run {run} is sealed, there is nothing to resume; to submit again, start a new eastbound run"


class ResumePacksChanged(EastboundError):
    zh = "运行 {run} 的规范包副本缺失或被改动，不能继续；请重新执行 eastbound run"
    en = "run {run}: its copy of the packs is gone or was changed, so it cannot go on; start a new eastbound run"


class PeriodNotADay(EastboundError):
    zh = "标准 {standard} 按日报送，报送期应为一天（如 2026-10-15），而不是 {period}"
    en = "{standard} is reported day by day: the period should be one day (such as 2026-10-15), not {period}"


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
    """Run the stages up to `until` for one standard and period. Raises PeriodLocked while another run of it is at work."""
    from etl.ledger import open_ledger, period_lock
    from etl.privacy.transforms import validate_masking

    roots = PackRoots.of(*workspace.packs, *packs)
    files = pack_files(roots, request.standard)
    with open_ledger(workspace.ledger_place) as ledger, period_lock(workspace.root, request.standard, request.period.label) as lock:
        _lay_down_dead_runs(workspace, ledger, request)
        # Load everything before anything is noted: a broken pack is the caller's to mend, not a failed run.
        probe = _context(workspace, request, "", ledger, roots, progress, vault=False)
        _ = (probe.standard, probe.mappings, probe.rules, probe.expectations, probe.company)
        validate_masking(probe.standard)
        # Over several days the events of a policy would run into one transaction.
        if probe.standard.frequency == "daily" and request.period.start != request.period.end:
            raise PeriodNotADay(standard=request.standard, period=request.period.label)
        run = ledger.start_run(request.standard, request.period.label, request.report_date, company=workspace.company,
                               pack_fingerprint=fingerprint(files), options=request.options())
        lock.name_run(run.id)
        snapshot = workspace.run_folder(run.id) / "packs"
        snapshot.parent.mkdir(parents=True, exist_ok=True)
        take_snapshot(files, snapshot)
        context = _context(workspace, request, run.id, ledger, PackRoots((snapshot,)), progress)
        # The snapshot holds the same bytes that were just loaded.
        context.take_packs(probe)
        ledger.append_event(actor(), "run.start", run.id, {"standard": request.standard, "period": request.period.label, "report_date": request.report_date.isoformat()})
        return _walk(context, until)


def resume_run(workspace: Workspace, run_id: str, *, progress: Progress = silent, until: str = "seal") -> RunResult:
    """Go on where a run stopped or was killed; finished tables of finished stages are not done again."""
    from etl.ledger import open_ledger, period_lock

    with open_ledger(workspace.ledger_place) as ledger:
        run = ledger.run(run_id)
        if run.status == "sealed":
            raise RunSealedAlready(run=run_id)
        with period_lock(workspace.root, run.standard, run.period, run_id):
            roots = PackRoots((workspace.run_folder(run_id) / "packs",))
            if fingerprint(pack_files(roots, run.standard)) != run.pack_fingerprint:
                raise ResumePacksChanged(run=run_id)
            ledger.resume_run(run_id)
            request = RunRequest(run.standard, Period.parse(run.period), run.report_date, **dict(run.options))
            context = _context(workspace, request, run_id, ledger, roots, progress)
            context.vault.open_run(run_id)
            ledger.append_event(actor(), "run.resume", run_id, {})
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
    request = RunRequest(run.standard, Period.parse(run.period), run.report_date, **dict(run.options))
    return _context(workspace, request, run_id, ledger, roots, progress)


def _context(workspace: Workspace, request: RunRequest, run: str, ledger: Any, roots: PackRoots, progress: Progress, vault: bool = True) -> RunContext:
    from etl.privacy.keys import Keyring
    from etl.privacy.vault import Vault

    keyring = Keyring.open(workspace.keys_folder)
    return RunContext(workspace, request, run, ledger, roots, keyring, Vault(workspace.vault_folder, keyring.vault) if vault else None, progress)  # type: ignore[arg-type]


def _walk(context: RunContext, until: str) -> RunResult:
    with _closing(context):
        for stage in STAGES[: STAGES.index(until) + 1]:
            if _finished(context, stage):
                continue
            getattr(stages, stage)(context)
            if stage == "check" and _blocks(context):
                totals = findings_totals(context)
                context.ledger.finish_run(context.run, "blocked", message={"code": "findings", **totals})
                context.ledger.append_event(actor(), "run.blocked", context.run, totals)
                return RunResult(context.run, "blocked", totals, None)
        if until != STAGES[-1]:
            context.ledger.finish_run(context.run, "interrupted", message={"code": "stopped", "after": until})
        run = context.ledger.run(context.run)
        if run.status == "sealed":
            context.ledger.append_event(actor(), "run.sealed", context.run, {"package": run.package, "package_sha256": run.package_sha256})
        return RunResult(context.run, run.status, findings_totals(context), context.workspace.root / run.package if run.package else None)


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
        _drop_spill(context)
        context.vault.close_run(context.run)


def _drop_spill(context: RunContext) -> None:
    shutil.rmtree(context.vault.root / context.run / "spill", ignore_errors=True)


def _finished(context: RunContext, stage: str) -> bool:
    """Whether a stage is done for all its tables. A check is never taken over: it decides whether the package may leave."""
    if stage in ("check", "write", "seal"):
        return False
    done = {count.table for count in context.ledger.stages(context.run) if count.stage == stage}
    if stage == "extract":
        return {f"{system}.{table}" for system, table in context.mappings.sources} <= done
    if stage == "standardise":
        return {table.code for table in context.tables} <= done and bool(context.ledger.mapping(context.run))
    return {table.code for table in context.standard.submitted_tables} <= done


def _blocks(context: RunContext) -> bool:
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
