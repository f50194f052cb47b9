"""`eastbound rules`: what is checked, and the proof that each rule can fire."""

from __future__ import annotations

import time
from collections import Counter
from datetime import date
from typing import Any

import click

from etl.commands.common import command, echo_json, echo_table, format_option, group, packs_option
from etl.language import say

rules = group("rules", zh="检核规则：列表、明细、样例测试。", en="Check rules: list, show, test.")
_standard = click.option("--standard", "-s", default="east_life_2020", show_default=True, help=say("标准名称", "name of the standard"))


def _load(name: str, packs: tuple[str, ...]):
    from etl.packs.roots import PackRoots
    from etl.rules.derived import all_rules
    from etl.rules.loader import load_rules
    from etl.standard.loader import load_standard

    roots = PackRoots.of(*packs)
    standard = load_standard(name, roots)
    return standard, all_rules(standard, load_rules(standard, roots))


@command("list", zh="列出规则；json 可供脚本使用。", en="List rules; json for scripts.", examples=["eastbound rules list --table GRBDB", "eastbound rules list --origin authored --format json"])
@_standard
@click.option("--table", default=None, help=say("表代码", "table code"))
@click.option("--family", default=None, help=say("规则类别", "family"))
@click.option("--origin", type=click.Choice(["authored", "derived"]), default=None, help=say("人工编写或由标准推出", "authored, or derived from the standard"))
@format_option()
@packs_option
def list_rules(packs: tuple[str, ...], form: str, standard: str, table: str | None, family: str | None, origin: str | None) -> None:
    _, loaded = _load(standard, packs)
    chosen = [r for r in loaded if (not table or r.table == table) and (not family or r.family == family) and (not origin or r.origin == origin)]
    if form == "json":
        echo_json([as_json(rule, standard) for rule in chosen])
        return
    echo_table([say("规则", "rule"), say("级别", "severity"), say("类别", "family"), say("说明", "text")],
               [(r.id, r.severity, r.family, say(r.message.get("zh", ""), r.message.get("en", ""))) for r in chosen])
    counts = Counter(r.origin for r in chosen)
    click.echo(say(f"{len(chosen)} 条：人工编写 {counts['authored']}，由标准推出 {counts['derived']}", f"{len(chosen)} rules: {counts['authored']} authored, {counts['derived']} derived"))


def as_json(rule: Any, standard: str) -> dict[str, Any]:
    """A rule as scripts get it."""
    return {"id": rule.id, "official_id": rule.official_id, "standard": standard, "table": rule.table, "item": rule.item, "family": rule.family, "origin": rule.origin,
            "severity": rule.severity, "message": rule.message, "when": rule.when.text if rule.when else None, "expect": rule.expectation(), "basis": rule.basis,
            "effective_from": rule.effective_from, "effective_to": rule.effective_to,
            "examples_pass": len(rule.examples_pass), "examples_fail": len(rule.examples_fail)}


@command("show", zh="一条规则的全部内容。", en="All there is of one rule.", examples=["eastbound rules show EL20-GRBDB-BDZZRQ1-CR-01"])
@click.argument("rule_id")
@_standard
@format_option()
@packs_option
def show(packs: tuple[str, ...], form: str, rule_id: str, standard: str) -> None:
    from difflib import get_close_matches

    _, loaded = _load(standard, packs)
    found = next((r for r in loaded if r.id == rule_id), None)
    if found is None:
        near = get_close_matches(rule_id, [r.id for r in loaded], 3)
        raise click.UsageError(say(f"没有规则 {rule_id}；相近的：{', '.join(near)}", f"there is no rule {rule_id}; near: {', '.join(near)}"))
    about = {**as_json(found, standard), "file": found.path, "line": found.line, "pass": list(found.examples_pass), "fail": list(found.examples_fail)}
    if form == "json":
        echo_json(about)
    else:
        echo_table([say("键", "key"), say("值", "value")], [(k, v) for k, v in about.items() if v not in (None, "", [])])


@command("test", zh="运行每条规则的正反样例；不能触发的规则视为失败。", en="Run every rule's passing and failing examples; a rule that cannot fire is a failure.",
         examples=["eastbound rules test", "eastbound rules test --standard ours --packs ../our-packs"])
@_standard
@format_option()
@packs_option
def test(packs: tuple[str, ...], form: str, standard: str) -> int:
    from etl.engines import open_engine
    from etl.rules.examples import run_examples

    started = time.monotonic()
    loaded, every = _load(standard, packs)
    authored = [r for r in every if r.origin == "authored"]
    with open_engine() as engine:
        engine.load_codes(loaded.codes.values(), date.today())
        engine.set_parameters(period_start=date(2026, 10, 1), period_end=date(2026, 10, 31), report_date=date(2026, 11, 15))
        run, faults = run_examples(engine, loaded, authored)
    failing = {fault.rule for fault in faults}
    about = {"standard": standard, "rules": len(authored), "examples": run, "fired": len([r for r in authored if r.examples_fail and r.id not in failing]),
             "faults": [{"rule": f.rule, "file": f.path, "line": f.line, "message": say(f.zh, f.en)} for f in faults], "seconds": round(time.monotonic() - started, 1)}
    if form == "json":
        echo_json(about)
    else:
        for fault in faults:
            click.echo(f"{fault.path}:{fault.line} {fault.rule} {say(fault.zh, fault.en)}")
        click.echo(say(f"{about['rules']} 条规则，{run} 个样例，{about['fired']} 条能触发，{len(faults)} 处不符，用时 {about['seconds']} 秒",
                       f"{about['rules']} rules, {run} examples, {about['fired']} fired, {len(faults)} fault(s), {about['seconds']} s"))
    return 2 if faults else 0


rules.add_command(list_rules)
rules.add_command(show)
rules.add_command(test)
