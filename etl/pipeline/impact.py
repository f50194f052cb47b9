"""A changed rule set over earlier runs: their standardised tables come out of the vault, nothing of the runs is touched."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engines import Engine, open_engine
from etl.engines.local import literal, parquet_sql
from etl.errors import EastboundError
from etl.files import whole_file
from etl.packs.roots import PackRoots
from etl.pipeline.context import Progress, RunContext, silent
from etl.pipeline.earlier import finding_files
from etl.pipeline.road import open_context
from etl.rules.impact import RuleChange, RuleImpact, changed_rules, compare_findings, recoded_tables, run_changes
from etl.workspace import Workspace

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.ledger.definition import Run


class NothingToCompare(EastboundError):
    zh = "工作区中没有标准 {standard}{periods} 可供比较的运行：需有已检核、且标准化数据仍在保险库中的运行（eastbound runs 可查看）"
    en = "no run of {standard}{periods} to compare with: it takes one that was checked and whose standardised tables are still in the vault (see eastbound runs)"


@dataclass(frozen=True)
class RunImpact:
    """One run under the changed rules. `unchanged` rules say the same in both sets and did not run."""

    run: str
    period: str
    unchanged: int
    rules: tuple[RuleImpact, ...]


@dataclass(frozen=True)
class Impact:
    """`folder` holds rules.json, and changes.parquet and changes.jsonl with every finding that appears or vanishes."""

    id: str
    standard: str
    folder: Path
    runs: tuple[RunImpact, ...]

    @property
    def changes(self) -> Path:
        return self.folder / "changes.parquet"

    def blocking(self) -> int:
        """Error findings that appear."""
        return sum(rule.appears or 0 for run in self.runs for rule in run.rules if rule.severity == "error")


def comparable_runs(ledger: Ledger, vault: Any, standard: str, first: str | None = None, last: str | None = None) -> list[Run]:
    """Of every period from `first` to `last` the latest run that was checked and whose tables are in the vault, by period."""
    found: dict[str, Run] = {}
    for run in ledger.runs(standard):
        within = (first is None or run.period >= first) and (last is None or run.period <= last)
        if within and run.period not in found and run.status in ("sealed", "blocked", "interrupted", "failed"):
            checked = any(count.stage == "check" for count in ledger.stages(run.id)) and ledger.findings(run.id)
            if checked and any(name.startswith("standard/") for name in vault.files(run.id)):
                found[run.period] = run
    return [found[period] for period in sorted(found)]


def rules_impact(workspace: Workspace, ledger: Ledger, standard: str, *, packs: Sequence[str] = (), periods: tuple[str, str] | None = None,
                 last: int | None = None, pattern: str | None = None, progress: Progress = silent) -> Impact:
    """Run the rules of `packs` (over the workspace's and the built-in ones) against earlier runs of `standard`.

    Raises NothingToCompare, and whatever loading the packs raises.
    """
    from etl.privacy.keys import Keyring
    from etl.privacy.vault import Vault

    roots = PackRoots.of(*workspace.packs, *packs)
    vault = Vault(workspace.vault_folder, Keyring.open(workspace.keys_folder).vault)
    runs = comparable_runs(ledger, vault, standard, *(periods or (None, None)))
    runs = runs[-last:] if last else runs
    if not runs:
        raise NothingToCompare(standard=standard, periods=f" {periods[0]}..{periods[1]}" if periods else "")
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    folder = workspace.root / "impact" / name
    partial = folder.with_name(f"{name}.partial")
    partial.mkdir(parents=True)
    try:
        with vault.scratch() as spill, open_engine(spill) as engine:
            done = []
            for run in runs:
                progress("impact", run.period, "start", {})
                done.append(_one_run(engine, open_context(workspace, run.id, ledger), roots, partial / run.id, pattern))
                progress("impact", run.period, "done", {})
            _gather(engine, partial, name, standard, done)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Impact(name, standard, folder, tuple(done))


def _one_run(engine: Engine, context: RunContext, roots: PackRoots, folder: Path, pattern: str | None) -> RunImpact:
    from etl.privacy.display import item_sql
    from etl.rules.loader import rules_within
    from etl.rules.report import Setting

    after = RunContext(context.workspace, context.request, context.run, context.ledger, roots, context.keyring, context.vault)
    changes = changed_rules(context.rules, after.rules, recoded=recoded_tables(context.standard, after.standard), pattern=pattern)
    shared = len({rule.id for rule in context.rules} & {rule.id for rule in after.rules})
    unchanged = shared - len([change for change in changes if change.before and change.after])
    # What the run's tables do not hold cannot be judged on them.
    judged = rules_within(context.standard, after.rules)
    known = {rule.id for rule in judged}
    runnable = [change for change in changes if change.after is None or change.after.id in known]
    absent = {code: mapping.absent.get("en") or mapping.absent["zh"] for code, mapping in context.mappings.tables.items() if mapping.absent}
    outcomes: dict[str, str] = {}
    with ExitStack() as stack:
        here = _open_tables(engine, context, runnable, stack)
        runnable = [change for change in runnable if change.after is None or change.after.tables() <= here]
        period = context.request.period
        engine.set_parameters(period_start=period.start, period_end=period.end, report_date=context.request.report_date)
        engine.load_codes(after.standard.codes.values(), period.end)
        outcomes = run_changes(engine, context.standard, runnable, judged, folder / "after", show=item_sql, setting=Setting(absent=absent))
    stored = finding_files(context.workspace, context.run)
    before = {outcome.rule: outcome.outcome for outcome in context.ledger.findings(context.run)}
    rules = compare_findings(engine, changes, stored, sorted((folder / "after").glob("*.parquet")), folder / "changes.parquet",
                             outcomes_before=before, outcomes_after=outcomes, labels={"period": context.request.period.label, "run": context.run})
    shutil.rmtree(folder / "after", ignore_errors=True)
    return RunImpact(context.run, context.request.period.label, unchanged, tuple(rules))


def _open_tables(engine: Engine, context: RunContext, changes: Sequence[RuleChange], stack: ExitStack) -> set[str]:
    """Make the tables that the rules read known to the engine, clear for the `with` block only; returns those that are there."""
    files = set(context.vault.files(context.run))
    wanted = {code for change in changes if change.after for code in change.after.tables()}
    here = {code for code in wanted if {f"standard/{code}.parquet", f"standard/{code}.aside.parquet"} <= files}
    for code in sorted(here):
        for schema, ending in (("data", ""), ("aside", ".aside")):
            engine.view_parquet(schema, code, stack.enter_context(context.vault.read(context.run, f"standard/{code}{ending}.parquet")))
    return here


def _gather(engine: Engine, folder: Path, name: str, standard: str, runs: Sequence[RunImpact]) -> None:
    """One file of all changes of all runs; the parts go."""
    parts = [folder / run.run / "changes.parquet" for run in runs]
    sql = f"SELECT * FROM {parquet_sql(parts)} ORDER BY period, change, rule, key, \"row\""
    engine.write_parquet(sql, folder / "changes.parquet")
    engine.execute(f"COPY (SELECT * FROM read_parquet({literal(str(folder / 'changes.parquet'))})) TO {literal(str(folder / 'changes.jsonl'))} (FORMAT json)")
    about = {"id": name, "standard": standard, "runs": [asdict(run) for run in runs]}
    with whole_file(folder / "rules.json") as partial:
        partial.write_text(json.dumps(about, ensure_ascii=False, indent=2), encoding="utf-8")
    for run in runs:
        shutil.rmtree(folder / run.run, ignore_errors=True)
