"""What a run came to, as scripts get it and as people read it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import click

from etl.commands.common import echo_table
from etl.language import say


def describe(ledger: Any, run_id: str) -> dict[str, Any]:
    """A run as scripts get it (see the design's JSON) and more: stages, findings by family, package."""
    run = ledger.run(run_id)
    stages = ledger.stages(run_id)
    outcomes = ledger.findings(run_id)
    totals = {"error": 0, "warning": 0}
    families: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for outcome in outcomes:
        count = outcome.failed or (1 if outcome.outcome == "errored" else 0)
        totals[outcome.severity] += count
        if count:
            families[(outcome.family, outcome.severity)][0] += 1
            families[(outcome.family, outcome.severity)][1] += count
    return {
        "run": run.id, "standard": run.standard, "period": run.period, "report_date": run.report_date.isoformat(), "status": run.status,
        "package": run.package, "package_sha256": run.package_sha256, "started_at": run.started_at, "finished_at": run.finished_at,
        "pack_fingerprint": run.pack_fingerprint,
        "tables": [{"table": s.table, "rows_in": s.rows_in, "rows_out": s.rows_out, "rows_aside": s.rows_aside} for s in stages if s.stage in ("standardise", "split")],
        "findings": totals,
        "families": [{"family": f, "severity": s, "rules": n[0], "findings": n[1]} for (f, s), n in sorted(families.items(), key=lambda e: (e[0][1], -e[1][1], e[0][0]))],
        "rules": {name: sum(1 for o in outcomes if o.outcome == name) for name in ("passed", "failed", "skipped", "errored")},
        "stages": [{"stage": s.stage, "table": s.table, "rows_in": s.rows_in, "rows_out": s.rows_out, "rows_aside": s.rows_aside,
                    "seconds": round(s.seconds, 3)} for s in stages],
        "message": run.message,
    }


def held_back(workspace: Any, run_id: str) -> dict[str, Any]:
    """What a run kept back: {hold_key, transactions, tables: {table: rows}}; empty for a standard that blocks instead."""
    path = workspace.run_folder(run_id) / "held.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def show_run(workspace: Any, about: dict[str, Any]) -> None:
    """Rows per table, findings by family and severity, where things lie, what to type next."""
    from etl.rules.definition import FAMILY_NAMES

    echo_table([say("表", "table"), say("取入行", "rows in"), say("产出行", "rows out"), say("搁置行", "set aside")],
               [(t["table"], t["rows_in"], t["rows_out"], t["rows_aside"]) for t in about["tables"]], right=(1, 2, 3),
               title=say(f"运行 {about['run']}　{about['standard']}　{about['period']}", f"run {about['run']}  {about['standard']}  {about['period']}"))
    if about["families"]:
        echo_table([say("类别", "family"), say("级别", "severity"), say("规则数", "rules"), say("发现", "findings")],
                   [(say(FAMILY_NAMES[f["family"]]["zh"], FAMILY_NAMES[f["family"]]["en"]) if f["family"] in FAMILY_NAMES else f["family"],
                     say({"error": "错误", "warning": "警告"}[f["severity"]], f["severity"]), f["rules"], f["findings"]) for f in about["families"]], right=(2, 3),
                   title=say("检核发现", "Findings"))
    held = (about.get("held") or {}).get("transactions", [])
    if held:
        echo_table([say("留下未报的交易", "transaction held back")], [(number,) for number in held])
    status = about["status"]
    option = "" if str(workspace.root) == str(Path("var").absolute()) else f" -w {_shown_path(workspace.root)}"
    if status == "sealed":
        package = _shown_path(workspace.root / about["package"])
        click.echo(say(f"已封包：{package}", f"Sealed: {package}"))
        click.echo(say(f"接下来：eastbound verify {package}", f"Next: eastbound verify {package}"))
    elif status == "blocked":
        found = about["findings"]
        click.echo(say(f"已阻断：{found['error']:,} 个错误、{found['warning']:,} 个警告，没有生成报送包。",
                       f"Blocked: {found['error']:,} error(s) and {found['warning']:,} warning(s); no package was made."))
        click.echo(say(f"发现位于：{_shown_path(workspace.run_folder(about['run']) / 'findings')}", f"The findings lie in {_shown_path(workspace.run_folder(about['run']) / 'findings')}"))
        click.echo(say(f"接下来：eastbound findings --run {about['run']}{option} --severity error；更正来源后再次 eastbound run",
                       f"Next: eastbound findings --run {about['run']}{option} --severity error; mend the sources, then eastbound run again"))
    else:
        click.echo(say(f"运行状态：{status}。继续：eastbound resume {about['run']}{option}", f"Run is {status}. Go on: eastbound resume {about['run']}{option}"))


def _shown_path(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
