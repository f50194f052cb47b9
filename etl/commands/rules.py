"""`eastbound rules`: what is checked, and the proof that each rule can fire."""

from __future__ import annotations

import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import click

from etl.commands import impact, mutation
from etl.commands.common import command, console, echo_json, echo_table, format_option, group, jurisdiction_option, packs_option, workspace_option
from etl.language import say

rules = group("rules", zh="检核规则：目录、明细、样例测试、变更影响、版本。", en="Check rules: catalogue, details, examples, impact of changes, versions.")
_standard = click.option("--standard", "-s", default="east_life_2020", show_default=True, help=say("标准名称", "name of the standard"))


def _load(name: str, packs: tuple[str, ...], jurisdiction: str | None = None):
    from etl.packs.roots import PackRoots
    from etl.rules.derived import all_rules
    from etl.rules.loader import load_rules
    from etl.standard.loader import load_standard

    roots = PackRoots.of(*packs)
    standard = load_standard(name, roots)
    return standard, all_rules(standard, load_rules(standard, roots, jurisdiction=jurisdiction))


@command("list", zh="规则目录。不加筛选时给出各类条数；json、html、xlsx 含全部内容：说明、依据、表达式、样例、有效期、最近修改。",
         en="The catalogue of rules. Counts where nothing is chosen; json, html and xlsx hold all there is: text, basis, expression, examples, dates, last change.",
         examples=["eastbound rules list", "eastbound rules list --table GRBDB", "eastbound rules list --origin authored --format json",
                   "eastbound rules list --format html -o rules.html", "eastbound rules list --jurisdiction 440300 --format xlsx -o rules.xlsx"])
@_standard
@click.option("--table", default=None, help=say("表代码", "table code"))
@click.option("--family", default=None, help=say("规则类别", "family"))
@click.option("--origin", type=click.Choice(["authored", "derived"]), default=None, help=say("人工编写或由标准推出", "authored, or derived from the standard"))
@click.option("--severity", type=click.Choice(["error", "warning"]), default=None, help=say("级别", "severity"))
@click.option("--counts", is_flag=True, help=say("只看条数：按来源、类别、表", "only counts: by origin, family, table"))
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), default=None,
              help=say("写入文件；html 与 xlsx 默认 rules-<标准>.html、.xlsx", "write to this file; html and xlsx go to rules-<standard>.html and .xlsx by default"))
@jurisdiction_option
@format_option("html", "xlsx")
@packs_option
def list_rules(packs: tuple[str, ...], form: str, jurisdiction: str | None, standard: str, table: str | None, family: str | None, origin: str | None, severity: str | None,
               counts: bool, output: Path | None) -> None:
    from etl.rules import catalogue

    loaded, every = _load(standard, packs, jurisdiction)
    chosen = [r for r in every if (not table or r.table == table) and (not family or r.family == family) and (not origin or r.origin == origin)
              and (not severity or r.severity == severity)]
    if counts and form in ("html", "xlsx"):
        raise click.UsageError(say("--counts 只用于 table 与 json", "--counts goes with table and json only"))
    if form in ("html", "xlsx"):
        path = output or Path(f"rules-{standard}.{form}")
        written = (catalogue.write_page if form == "html" else catalogue.write_workbook)(chosen, loaded, path)
        click.echo(say(f"{path}：{written:,} 条规则", f"{path}: {written:,} rules"))
        return
    if form == "json":
        about = catalogue.counts(chosen) if counts else [catalogue.entry(rule, loaded) for rule in chosen]
        if output:
            _write_json(output, about)
        else:
            echo_json(about)
        return
    if output:
        raise click.UsageError(say("--output 需配合 --format json、html 或 xlsx", "--output needs --format json, html or xlsx"))
    if counts or not (table or family or origin or severity or jurisdiction):
        _show_counts(catalogue.counts(chosen))
    else:
        echo_table([say("规则", "rule"), say("级别", "severity"), say("类别", "family"), say("说明", "text")],
                   [(r.id, say("停用", "silenced") if r.silenced else r.severity, r.family, _text(r)) for r in chosen])
    totals = Counter(r.origin for r in chosen)
    click.echo(say(f"{len(chosen)} 条：人工编写 {totals['authored']}，由标准推出 {totals['derived']}", f"{len(chosen)} rules: {totals['authored']} authored, {totals['derived']} derived"))


def _show_counts(found: dict[str, dict[str, dict[str, int]]]) -> None:
    from etl.rules.definition import FAMILY_NAMES

    for kind, title in (("family", say("类别", "family")), ("table", say("表", "table"))):
        rows = [(name, say(FAMILY_NAMES[name]["zh"], FAMILY_NAMES[name]["en"]) if kind == "family" else "", numbers["authored"], numbers["derived"]) for name, numbers in found[kind].items()]
        echo_table([title, "", say("人工编写", "authored"), say("字典推出", "derived")], rows, right=(2, 3))


def _write_json(path: Path, value: Any) -> None:
    import json

    from etl.files import whole_file

    with whole_file(path) as partial:
        partial.write_text(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n", encoding="utf-8")


def _text(rule: Any) -> str:
    """The rule's message; of a silenced rule the reason and its basis as well."""
    message = say(rule.message.get("zh", ""), rule.message.get("en", ""))
    if not rule.silenced:
        return message
    reason, basis = say(rule.silenced["zh"], rule.silenced["en"]), rule.silenced["basis"]
    return say(f"{message}（{rule.jurisdiction} 停用：{reason}；依据 {basis}）", f"{message} (silenced by {rule.jurisdiction}: {reason}; basis {basis})")


@command("show", zh="一条规则的全部内容。", en="All there is of one rule.", examples=["eastbound rules show EL20-GRBDB-BDZZRQ1-CR-01"])
@click.argument("rule_id")
@_standard
@jurisdiction_option
@format_option()
@packs_option
def show(packs: tuple[str, ...], form: str, jurisdiction: str | None, rule_id: str, standard: str) -> None:
    from difflib import get_close_matches

    from etl.rules.catalogue import entry

    known, loaded = _load(standard, packs, jurisdiction)
    found = next((r for r in loaded if r.id == rule_id), None)
    if found is None:
        near = get_close_matches(rule_id, [r.id for r in loaded], 3)
        raise click.UsageError(say(f"没有规则 {rule_id}；相近的：{', '.join(near)}", f"there is no rule {rule_id}; near: {', '.join(near)}"))
    about = {**entry(found, known), "file": found.path, "line": found.line, "pass": list(found.examples_pass), "fail": list(found.examples_fail)}
    if form == "json":
        echo_json(about)
    else:
        echo_table([say("键", "key"), say("值", "value")],
                   [(k, v) for k, v in about.items() if v not in (None, "", []) and k not in ("message", "examples")])


@command("test", zh="运行每条规则的正反样例；不能触发的规则视为失败。--mutate 另在一次干净运行的数据中为每条规则造一处错误：该规则须触发，无关规则不得触发。",
         en="Run every rule's passing and failing examples; a rule that cannot fire is a failure. --mutate also makes one fault per rule in the data of a clean run: "
            "that rule must fire, and no unrelated one.",
         examples=["eastbound rules test", "eastbound rules test --standard ours --packs ../our-packs", "eastbound rules test --mutate last --workspace var"])
@_standard
@click.option("--mutate", default=None, is_flag=False, flag_value="last", metavar="[RUN]",
              help=say("变异测试：以该运行的数据作底，默认 last（最近一次已封包的运行）", "mutation check on the data of this run; by default last, the latest sealed one"))
@click.option("--derived", is_flag=True, help=say("变异测试包括由标准推出的规则", "let the mutation check try the rules derived from the standard as well"))
@jurisdiction_option
@format_option()
@workspace_option
@packs_option
def test(packs: tuple[str, ...], workspace: Path, form: str, jurisdiction: str | None, standard: str, mutate: str | None, derived: bool) -> int:
    from etl.engines import open_engine
    from etl.rules.examples import run_examples

    started = time.monotonic()
    opened = _opened(workspace) if mutate else None
    loaded, every = _load(standard, (*opened.packs, *packs) if opened else packs, jurisdiction)
    authored = [r for r in every if r.origin == "authored"]
    with open_engine() as engine:
        engine.load_codes(loaded.codes.values(), date.today())
        engine.set_parameters(period_start=date(2026, 10, 1), period_end=date(2026, 10, 31), report_date=date(2026, 11, 15))
        run, faults = run_examples(engine, loaded, authored)
    failing = {fault.rule for fault in faults}
    about = {"standard": standard, "rules": len(authored), "examples": run, "fired": len([r for r in authored if r.examples_fail and r.id not in failing]),
             "faults": [{"rule": f.rule, "file": f.path, "line": f.line, "message": say(f.zh, f.en)} for f in faults], "seconds": round(time.monotonic() - started, 1)}
    mutated = _mutated(opened, standard, mutate, packs, jurisdiction, derived) if opened and mutate else None
    if form == "json":
        echo_json({**about, "mutation": mutation.as_json(mutated)} if mutated else about)
    else:
        for fault in faults:
            click.echo(f"{fault.path}:{fault.line} {fault.rule} {say(fault.zh, fault.en)}")
        click.echo(say(f"{about['rules']} 条规则，{run} 个样例，{about['fired']} 条能触发，{len(faults)} 处不符，用时 {about['seconds']} 秒",
                       f"{about['rules']} rules, {run} examples, {about['fired']} fired, {len(faults)} fault(s), {about['seconds']} s"))
        if mutated:
            mutation.show(mutated)
    return 2 if faults or (mutated and not mutated.report.sound) else 0


def _opened(folder: Path) -> Any:
    from etl.workspace import Workspace

    return Workspace.open(folder)


def _mutated(opened: Any, standard: str, run: str, packs: tuple[str, ...], jurisdiction: str | None, derived: bool) -> Any:
    from etl.pipeline.mutation import mutation_check

    with console(stderr=True).status("") as status:
        def tell(stage: str, done: int, total: int) -> None:
            label = say("造错", "making faults") if stage == "fault" else say("检核", "checking")
            status.update(f"{label} {done:,} / {total:,}")

        return mutation_check(opened, standard, run, packs=packs, jurisdiction=jurisdiction, derived=derived, progress=tell)


rules.add_command(list_rules)
rules.add_command(show)
rules.add_command(test)
rules.add_command(impact.impact)
rules.add_command(impact.versions)
