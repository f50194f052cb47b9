"""What a checker is shown before deciding: the package, its rows, the findings, the figures, and what was decided before."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.ledger.approvals import APPROVED, Approval, ApprovalBook
from etl.ledger.definition import SEALED

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.ledger.definition import Run
    from etl.workspace import Workspace

WAITING, SUPERSEDED, DELIVERED = "waiting", "superseded", "delivered"


def as_record(approval: Approval) -> dict[str, Any]:
    """A decision as scripts get it."""
    return {**{name: value for name, value in vars(approval).items() if name != "kind"}, "at": approval.at.isoformat(timespec="seconds")}


def state_of(book: ApprovalBook, run: Run) -> str:
    """Where a sealed run stands: waiting, approved, rejected, withdrawn, superseded, delivered."""
    if run.status != SEALED:
        return run.status
    if book.delivered(run):
        return DELIVERED
    if book.latest_sealed(run) != run.id:
        return SUPERSEDED
    last = book.last(run.id)
    return last.decision if last and last.package_sha256 == run.package_sha256 else WAITING


def waiting(ledger: Ledger, company: str, standard: str | None = None, period: str | None = None) -> list[tuple[Run, str]]:
    """The run sealed last of every period whose package is neither approved nor delivered, with its state, the latest period first."""
    book = ApprovalBook(ledger)
    last: dict[tuple[str, str, str | None], Run] = {}
    for run in sorted(ledger.runs(standard, period, parts=True), key=lambda r: (r.finished_at or r.started_at, r.started_at, r.id)):
        if run.status == SEALED and run.company == company:
            last[(run.standard, run.period, run.jurisdiction if run.part_of else None)] = run
    found = [(run, state_of(book, run)) for run in last.values()]
    return sorted([(run, state) for run, state in found if state not in (APPROVED, DELIVERED)], key=lambda one: (one[0].period, one[0].standard), reverse=True)


def summary(workspace: Workspace, ledger: Ledger, run: Run) -> dict[str, Any]:
    """What a decision on a run is made on, as scripts get it. `after` is the number of the last decision."""
    book = ApprovalBook(ledger)
    aside = {count.table: count.rows_aside for count in ledger.stages(run.id) if count.stage == "standardise"}
    rows: dict[str, int] = defaultdict(int)
    for artefact in ledger.artefacts(run.id, "seal"):
        rows[artefact.table] += artefact.rows
    tables = [{"table": table, "rows": rows.get(table, 0), "rows_aside": aside.get(table, 0)} for table in dict.fromkeys([*aside, *rows])
              if table in rows]
    decisions = book.decisions(run.id)
    return {
        "run": run.id, "standard": run.standard, "period": run.period, "report_date": run.report_date.isoformat(), "jurisdiction": run.jurisdiction, "part_of": run.part_of,
        "started_at": run.started_at, "sealed_at": run.finished_at if run.status == SEALED else None, "state": state_of(book, run),
        "maker": next(iter(book.makers(run.id)), None), "makers": list(book.makers(run.id)), "package": run.package, "package_sha256": run.package_sha256,
        "tables": tables, "rows": sum(t["rows"] for t in tables), "rows_aside": sum(t["rows_aside"] for t in tables),
        "findings": _findings(workspace, ledger, run), "held_back": _held_back(workspace.run_folder(run.id)), "figures": _figures(workspace, run),
        "later_runs": [{"run": r.id, "status": r.status} for r in ledger.runs(run.standard, run.period, parts=True)
                       if (r.part_of and r.jurisdiction) == (run.part_of and run.jurisdiction) and r.company == run.company and r.started_at > run.started_at and r.status != SEALED],
        "after": decisions[0].number if decisions else 0, "decisions": [as_record(one) for one in decisions],
    }


def _findings(workspace: Workspace, ledger: Ledger, run: Run) -> dict[str, dict[str, int]]:
    """{error: {all, new, open}, warning: ...}: all by the ledger, new and open (against the run before) by the rows."""
    from etl.engines import open_engine
    from etl.rules.findings import group_findings, register_findings

    found = {severity: {"all": 0, "new": 0, "open": 0} for severity in ("error", "warning")}
    for outcome in ledger.findings(run.id):
        found[outcome.severity]["all"] += outcome.failed or (1 if outcome.outcome == "errored" else 0)
    files = sorted((workspace.run_folder(run.id) / "findings").glob("*.parquet"))
    if files and any(numbers["all"] for numbers in found.values()):
        with open_engine() as engine:
            register_findings(engine, files, {})
            for row in group_findings(engine, ["severity", "state"]):
                if row["severity"] in found and row["state"] in ("new", "open"):
                    found[row["severity"]][row["state"]] += row["findings"]
    return found


def _held_back(folder: Path) -> int:
    path = folder / "held.json"
    return len(json.loads(path.read_text(encoding="utf-8")).get("transactions", [])) if path.is_file() else 0


def _figures(workspace: Workspace, run: Run) -> int:
    """How many named figures the packs of the run define."""
    from etl.figures.loader import FILE
    from etl.packs.roots import PackRoots
    from etl.packs.yamlfile import read_yaml

    folder = PackRoots((workspace.run_folder(run.id) / "packs",)).rules(run.standard)
    path = folder / FILE if folder else None
    return len((read_yaml(path).data or {}).get("figures") or ()) if path and path.is_file() else 0
