"""What the pages show, read from the ledger and the runs' files. Findings hold masked values only: they were masked before they were written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from eastbound_dags.settings import open_workspace, workspace_folder
from etl.errors import EastboundError
from etl.language import say

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.workspace import Workspace

PAGE = 100
# Deadlines that are told on the first page: what is late, and the next of each standard.
LATE_SHOWN, NEXT_SHOWN = 20, 3


class NoSuchRun(EastboundError):
    zh = "工作区中没有运行 {run}"
    en = "there is no run {run} in the workspace"


def runs_about(standard: str | None, page: int) -> dict[str, Any]:
    """Runs, the latest first, and the deadlines that matter now."""
    from etl.commands.runs import STATUS_NAMES

    with _opened() as (workspace, ledger):
        every = ledger.runs(parts=True)
        found = [run for run in every if standard is None or run.standard == standard]
        shown = found[(page - 1) * PAGE:page * PAGE]
        counts = {run.id: _totals(ledger, run.id) for run in shown}
        deadlines, problem = _deadlines(workspace, every)
    rows = [{"run": run.id, "standard": run.standard, "period": run.period, "jurisdiction": run.jurisdiction or "", "status": run.status,
             "status_name": say(STATUS_NAMES.get(run.status, run.status), run.status), "started": shanghai(run.started_at), "finished": shanghai(run.finished_at),
             "package": run.package or "", "by": str(run.options.get("owner") or ""), **counts[run.id]} for run in shown]
    return {"rows": rows, "standards": sorted({run.standard for run in every}), "deadlines": deadlines, "problem": problem, **_pages(page, len(found))}


def run_about(run_id: str) -> dict[str, Any]:
    """One run: its stages, its findings by rule, its package. Raises NoSuchRun."""
    from etl.commands.report import describe
    from etl.commands.runs import STATUS_NAMES
    from etl.rules.findings import FindingFilter, group_findings

    with _opened() as (workspace, ledger):
        run = _run(ledger, run_id)
        about = describe(ledger, run.id)
        parts = [part for part in ledger.runs(run.standard, run.period, parts=True) if part.part_of == run.id]
    with _findings(workspace, run.id) as engine:
        by_rule = group_findings(engine, ["severity", "rule", "table", "item", "message_zh", "message_en"], FindingFilter())
    sums: dict[str, list[Any]] = {}
    for stage in about["stages"]:
        total = sums.setdefault(stage["stage"], [0, 0, 0, 0, 0.0])
        for place, value in enumerate((1, stage["rows_in"], stage["rows_out"], stage["rows_aside"], stage["seconds"])):
            total[place] += value
    return {"about": about | {"started_at": shanghai(about["started_at"]), "finished_at": shanghai(about["finished_at"])},
            "status_name": say(STATUS_NAMES.get(run.status, run.status), run.status), "by": str(run.options.get("owner") or ""),
            "jurisdiction": run.jurisdiction or "", "part_of": run.part_of or "", "by_rule": by_rule,
            "parts": [{"run": part.id, "jurisdiction": part.jurisdiction or "", "status": part.status, "package": part.package or "",
                       "status_name": say(STATUS_NAMES.get(part.status, part.status), part.status)} for part in sorted(parts, key=lambda part: part.jurisdiction or "")],
            "sums": [{"stage": name, "tables": n[0], "rows_in": n[1], "rows_out": n[2], "rows_aside": n[3], "seconds": n[4]} for name, n in sums.items()]}


def findings_of(run_id: str, chosen: dict[str, str], page: int) -> dict[str, Any]:
    """One page of the findings of a run, of as many as there are. Raises NoSuchRun."""
    from etl.rules.findings import FindingFilter, count_findings, query_findings

    with _opened() as (workspace, ledger):
        run = _run(ledger, run_id)
    wanted = FindingFilter(**chosen)
    with _findings(workspace, run.id) as engine:
        total = count_findings(engine, wanted)
        rows = list(query_findings(engine, wanted, limit=PAGE, offset=(page - 1) * PAGE))
    return {"run": run, "rows": rows, **_pages(page, total)}


def shanghai(moment: datetime | None) -> str:
    """A moment as people in Shanghai read it."""
    from etl.deadlines.definition import SHANGHAI

    if moment is None:
        return ""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


@contextmanager
def _opened() -> Iterator[tuple[Workspace, Ledger]]:
    from etl.ledger import open_ledger

    workspace = open_workspace()
    with open_ledger(workspace.ledger_place) as ledger:
        yield workspace, ledger


@contextmanager
def _findings(workspace: Workspace, run_id: str) -> Iterator[Any]:
    """An engine that knows the findings of a run."""
    from etl.engines import open_engine
    from etl.rules.findings import register_findings

    folder = workspace.run_folder(run_id)
    with open_engine() as engine:
        register_findings(engine, sorted((folder / "findings").glob("*.parquet")), {path.stem: path for path in (folder / "serials").glob("*.parquet")})
        yield engine


def _run(ledger: Ledger, run_id: str) -> Any:
    from etl.ledger.errors import RunUnknown

    # Only the ledger's own id becomes part of a path, never what an address says.
    try:
        return ledger.run(run_id)
    except RunUnknown:
        raise NoSuchRun(run=run_id) from None


def _totals(ledger: Ledger, run_id: str) -> dict[str, int]:
    told = {"error": 0, "warning": 0}
    for outcome in ledger.findings(run_id):
        told[outcome.severity] += outcome.failed or (1 if outcome.outcome == "errored" else 0)
    return told


def _pages(page: int, total: int) -> dict[str, int]:
    return {"page": page, "total": total, "pages": max(-(-total // PAGE), 1), "first": (page - 1) * PAGE + 1, "last": min(page * PAGE, total)}


def _deadlines(workspace: Workspace, runs: list[Any]) -> tuple[list[dict[str, Any]], str]:
    """What is late and what comes next, by standard and jurisdiction; and what is wrong with the calendar."""
    from etl.deadlines.definition import DONE, DUE, LATE, today_in_shanghai
    from etl.deadlines.status import survey
    from etl.packs.roots import PackRoots

    today = today_in_shanghai()
    try:
        found = survey(PackRoots.of(*workspace.packs), runs, today, workspace=workspace_folder())
    except EastboundError as error:
        return [], str(error)
    names = {DUE: say("待报", "due"), LATE: say("逾期", "late"), DONE: say("已完成", "done")}
    late = [one for one in found.judged if one.state == LATE and one.sealed_at is None]
    kept, told = {id(one) for one in late[-LATE_SHOWN:]}, {}
    for one in found.judged:
        key = (one.obligation.standard, one.obligation.jurisdiction)
        if one.obligation.due >= today and told.setdefault(key, 0) < NEXT_SHOWN:
            told[key] += 1
            kept.add(id(one))
    rows = [{"standard": one.obligation.standard, "jurisdiction": one.obligation.jurisdiction or "", "period": one.obligation.period, "due": one.obligation.due,
             "nominal": one.obligation.nominal, "state": one.state, "state_name": names[one.state], "left": one.working_days_left, "days_late": one.days_late,
             "run": one.run or ""} for one in found.judged if id(one) in kept]
    more = len(late) - LATE_SHOWN
    problems = [str(year) for year in found.unknown_years]
    if more > 0:
        problems.append(say(f"另有 {more} 项逾期，见 eastbound calendar", f"{more} more are late: see eastbound calendar"))
    return rows, "\n".join(problems)
