"""What `eastbound rules test --mutate` says: which rules fired at the one fault made for them, and which did not."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

import click

from etl.commands.common import echo_table
from etl.language import say

_OUTCOMES = {"silent": ("未触发", "silent"), "unrelated": ("触发了无关规则", "unrelated findings"), "immutable": ("造不出错误", "no fault found")}


def as_json(mutated: Any) -> dict[str, Any]:
    """The mutation check as scripts get it."""
    report = mutated.report
    return {"run": mutated.run, "period": mutated.period, **counts(report), "not_applicable": not_applicable(report), "seeded": list(report.seeded),
            "checks": report.checks, "seconds": round(report.seconds, 1), "details": [asdict(mutant) for mutant in report.mutants]}


def counts(report: Any) -> dict[str, int]:
    """Rules tried, and how they came out; `related_findings` counts (fault, other rule) pairs."""
    outcomes = Counter(mutant.outcome for mutant in report.mutants)
    return {"rules": len(report.mutants), "mutated": len(report.mutants) - outcomes["immutable"], "fired": outcomes["fired"], "silent": outcomes["silent"],
            "immutable": outcomes["immutable"], "unrelated_findings": sum(len(mutant.unrelated) for mutant in report.mutants),
            "related_findings": sum(len(mutant.related) for mutant in report.mutants)}


def not_applicable(report: Any) -> list[str]:
    """Authored rules that no clean row met: shown to fire with values of their examples only."""
    from etl.rules.definition import FAMILIES

    return [mutant.rule for mutant in report.mutants if not mutant.judged and mutant.family in FAMILIES]


def show(mutated: Any) -> None:
    """The same for people: what is wrong row by row, then the sums."""
    report = mutated.report
    wrong = [mutant for mutant in report.mutants if mutant.outcome != "fired"]
    if wrong:
        echo_table([say("规则", "rule"), say("结果", "outcome"), say("改动", "changed"), say("说明", "why")],
                   [(m.rule, say(*_OUTCOMES[m.outcome]), ", ".join(m.changed), ", ".join(m.unrelated) or say(m.reason.get("zh", ""), m.reason.get("en", ""))) for m in wrong])
    idle = not_applicable(report)
    if idle:
        click.echo(say(f"{len(idle)} 条规则在数据中没有适用的记录，其错误由样例取值造出：", f"{len(idle)} rule(s) apply to no row of the data; their faults are made with values of their examples:"))
        click.echo("  " + " ".join(idle))
    if report.seeded:
        click.echo(say(f"空表以虚构记录代替：{' '.join(report.seeded)}", f"tables without a row were given made-up ones: {' '.join(report.seeded)}"))
    n = counts(report)
    click.echo(say(f"变异测试：运行 {mutated.run}（{mutated.period}），{n['rules']} 条规则，造错 {n['mutated']}，触发 {n['fired']}，未触发 {n['silent']}，造不出错误 {n['immutable']}，"
                   f"无关触发 {n['unrelated_findings']}，相关触发 {n['related_findings']}，检核 {report.checks} 次，用时 {report.seconds:.1f} 秒",
                   f"mutation check on run {mutated.run} ({mutated.period}): {n['rules']} rules, {n['mutated']} mutated, {n['fired']} fired, {n['silent']} silent, "
                   f"{n['immutable']} not mutable, {n['unrelated_findings']} unrelated findings, {n['related_findings']} related, {report.checks} checks, {report.seconds:.1f} s"))
