"""`eastbound rules impact` and `rules versions`: what a change of rules would do, and which runs used which version."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etl.commands.common import ProgressPrinter, command, echo_json, echo_jsonl, echo_table, format_option, packs_option, workspace_option
from etl.language import say

if TYPE_CHECKING:
    from etl.engines import Engine
    from etl.pipeline.impact import Impact

SCREEN_ROWS = 50
CHANGES = {"added": ("新增", "added"), "removed": ("删除", "removed"), "changed": ("改动", "changed"), "affected": ("受影响", "affected"),
           "appears": ("新出现", "appears"), "vanishes": ("消失", "vanishes")}
_standard = click.option("--standard", "-s", default="east_life_2020", show_default=True, help=say("标准名称", "name of the standard"))


def _periods(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, str] | None:
    if value is None:
        return None
    first, mark, last = value.partition("..")
    if not first or (mark and (not last or last < first)):
        raise click.BadParameter(say("应写作 2026-08..2026-10 或 2026-10", "write it as 2026-08..2026-10 or 2026-10"))
    return first, last or first


@command("impact", zh="规则变更影响：用改动后的规则检核以往各期的数据，列出新出现与消失的发现。不改动任何运行。",
         en="What changed rules would do: run them on the data of earlier periods and list the findings that appear and vanish. No run is touched.",
         examples=["eastbound rules impact --packs ../our-packs --last 3", "eastbound rules impact --packs ../our-packs --periods 2026-08..2026-10 --rule 'EL20-GRBDB-%'",
                   "eastbound rules impact --format jsonl > changes.jsonl"])
@_standard
@click.option("--periods", callback=_periods, default=None, metavar="A..B", help=say("报送期范围，如 2026-08..2026-10", "periods, e.g. 2026-08..2026-10"))
@click.option("--last", type=click.IntRange(1), default=None, help=say("最近 N 期；默认最近 3 期", "the last N periods; 3 by default"))
@click.option("--rule", "pattern", default=None, help=say("规则编号，可用 % 通配", "rule id; % matches anything"))
@click.option("--page", default=1, show_default=True, type=click.IntRange(1), help=say("屏幕页码", "page on the screen"))
@format_option("jsonl")
@workspace_option
@packs_option
def impact(packs: tuple[str, ...], workspace: Path, form: str, page: int, standard: str, periods: tuple[str, str] | None, last: int | None, pattern: str | None) -> int:
    from etl.engines import open_engine
    from etl.ledger import open_ledger
    from etl.pipeline.impact import rules_impact
    from etl.workspace import Workspace

    if periods and last:
        raise click.UsageError(say("--periods 与 --last 只能给一个", "give --periods or --last, not both"))
    opened = Workspace.open(workspace)
    with open_ledger(opened.ledger_place) as ledger, ProgressPrinter(quiet=form != "table") as progress:
        found = rules_impact(opened, ledger, standard, packs=packs, periods=periods, last=last or (None if periods else 3), pattern=pattern, progress=progress)
    with open_engine() as engine:
        if form == "jsonl":
            echo_jsonl(_changes(engine, found))
        elif form == "json":
            echo_json({"id": found.id, "standard": standard, "folder": str(found.folder), "runs": [asdict(run) for run in found.runs], "findings": list(_changes(engine, found))})
        else:
            _show(engine, found, page)
    return 1 if found.blocking() else 0


def _changes(engine: Engine, found: Impact, limit: int | None = None, offset: int = 0) -> Any:
    from etl.engines.local import literal

    page = f" LIMIT {limit} OFFSET {offset}" if limit is not None else ""
    cursor = engine.execute(f"SELECT * FROM read_parquet({literal(str(found.changes))}) ORDER BY period, change, rule, key, \"row\"{page}")
    names = [column[0] for column in cursor.description]
    while batch := cursor.fetchmany(5000):
        for row in batch:
            yield dict(zip(names, row, strict=True))


def _show(engine: Engine, found: Impact, page: int) -> None:
    rows, silent, unjudged = [], set(), 0
    for run in found.runs:
        for rule in run.rules:
            if rule.appears is None:
                unjudged += 1
                rows.append((rule.rule, say(*CHANGES[rule.change]), run.period, rule.severity, "-", "-", "-", f"{rule.outcome_before or '-'} -> {rule.outcome_after or '-'}"))
            elif rule.appears or rule.vanishes or rule.stays:
                rows.append((rule.rule, say(*CHANGES[rule.change]), run.period, rule.severity, rule.appears, rule.vanishes, rule.stays, ""))
            else:
                silent.add(rule.rule)
    echo_table([say("规则", "rule"), say("变更", "change"), say("报送期", "period"), say("级别", "severity"), say("新出现", "appear"), say("消失", "vanish"), say("仍在", "stay"),
                say("无法比较", "not compared")], rows, right=(4, 5, 6))
    changed = {rule.rule for run in found.runs for rule in run.rules}
    quiet = len(silent - {row[0] for row in rows})
    click.echo(say(f"{len(found.runs)} 期（{'、'.join(run.period for run in found.runs)}）；变更规则 {len(changed)} 条，其中 {quiet} 条在这些期中前后都没有发现。",
                   f"{len(found.runs)} period(s) ({', '.join(run.period for run in found.runs)}); {len(changed)} rules differ, {quiet} of them find nothing in any, before or after."))
    total = sum((rule.appears or 0) + (rule.vanishes or 0) for run in found.runs for rule in run.rules)
    if total:
        shown = list(_changes(engine, found, SCREEN_ROWS, (page - 1) * SCREEN_ROWS))
        echo_table([say("变化", "change"), say("报送期", "period"), say("级别", "severity"), say("规则", "rule"), say("主键", "key"), say("值", "value"), say("应为", "expected")],
                   [(say(*CHANGES[row["change"]]), row["period"], row["severity"], row["rule"], row["key"], row["value"], row["expected"]) for row in shown])
        last = min(page * SCREEN_ROWS, total)
        click.echo(say(f"第 {min((page - 1) * SCREEN_ROWS + 1, total):,}–{last:,} 条，共 {total:,} 条；全部见 {found.folder}",
                       f"{min((page - 1) * SCREEN_ROWS + 1, total):,} to {last:,} of {total:,}; all of them in {found.folder}"))


@command("versions", zh="一条规则的版本：哪些运行用了哪个版本，当时怎么写。", en="The versions of one rule: which runs used which, and what it said then.",
         examples=["eastbound rules versions EL20-GRBDB-BDZZRQ1-CR-01"])
@click.argument("rule_id")
@_standard
@format_option()
@workspace_option
@packs_option
def versions(packs: tuple[str, ...], workspace: Path, form: str, rule_id: str, standard: str) -> None:
    from etl.errors import EastboundError
    from etl.ledger import open_ledger
    from etl.packs.roots import PackRoots
    from etl.pipeline.road import open_context
    from etl.rules.derived import all_rules
    from etl.rules.loader import load_rules
    from etl.rules.versions import fingerprint, version_history
    from etl.standard.loader import load_standard
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    roots = PackRoots.of(*opened.packs, *packs)
    loaded = load_standard(standard, roots)
    now = next((rule for rule in all_rules(loaded, load_rules(loaded, roots)) if rule.id == rule_id), None)

    with open_ledger(opened.ledger_place) as ledger:
        def said(run: Any) -> Any:
            try:
                context = open_context(opened, run.id, ledger)
                return next((rule for rule in (*context.rules, *context.silenced) if rule.id == rule_id), None)
            except (EastboundError, OSError):
                # A copy that is gone, or that this program no longer reads: the ledger's word on the version stands.
                return None

        history = version_history(ledger, rule_id, standard, said)
    if not history and now is None:
        raise click.UsageError(say(f"没有规则 {rule_id}，也没有运行用过它", f"there is no rule {rule_id}, and no run has used it"))
    current = fingerprint(now) if now else None
    if form == "json":
        echo_json({"rule": rule_id, "current": current, "versions": history})
        return
    rows = [(entry["version"] + (" *" if entry["version"] == current else ""), run["period"], run["run"], run["report_date"], run["status"], run["outcome"], run["failed"])
            for entry in history for run in entry["runs"]]
    echo_table([say("版本", "version"), say("报送期", "period"), say("运行", "run"), say("报告日", "report date"), say("状态", "status"), say("结果", "outcome"), say("发现", "findings")],
               rows, right=(6,))
    for entry in history:
        text = entry["text"]
        click.echo(f"{entry['version'] or '-'}  " + ("; ".join(f"{key}: {value}" for key, value in text.items() if value and key not in ("message", "family", "official_id"))
                                                     if text else say("（当时的规则包已不在）", "(its copy of the packs is gone)")))
    if now is None:
        click.echo(say("现行规则中已没有这条规则。", "The rules in force have it no longer."))
    elif all(entry["version"] != current for entry in history):
        click.echo(say(f"现行版本 {current} 尚无运行用过。", f"No run has used the present version {current} yet."))
    else:
        click.echo(say("* 现行版本", "* the present version"))
