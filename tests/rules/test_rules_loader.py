"""Rules are held against the standard when they are loaded: what is wrong, where, and how to mend it."""

from __future__ import annotations

import copy
from datetime import date

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from pack_fuzz import spoilt

from etl.errors import EastboundError, Problems
from etl.packs.roots import PackRoots
from etl.rules.loader import load_rules

ROW = yaml.safe_load("""
id: SM24-BD-ZZRQ-CR-01
family: conditional_required
when: BDZT = '终止'
expect: ZZRQ IS NOT NULL
severity: error
message: {zh: 终止日期必填, en: The end date is missing}
basis: by hand (G)
effective: {from: 2024-01-01}
examples:
  pass: [{BDZT: 终止, ZZRQ: 2024-05-01}]
  fail: [{BDZT: 终止}]
""")
COMMON = {"severity": "error", "message": {"zh": "错", "en": "wrong"}, "examples": {"pass": [{"BD": []}], "fail": [{"BD": [{}]}]}}
EXISTS = {"id": "SM24-BD-JGDM-RL-01", "family": "relation", "relation": {"to": "JG", "on": {"JGDM": "JGDM"}}, **COMMON}
PARTNER = {**EXISTS, "expect": "JG.JGMC IS NOT NULL"}
SUMS = {**EXISTS, "id": "SM24-BD-BF-RL-02", "relation": {"to": "SF", "on": {"BDH": "BDH"}, "aggregate": {"total": "sum(JE)", "n": "count(*)"}},
        "expect": "total = BF AND n > 0"}
UNIQUE = {"id": "SM24-BD-KHMC-UQ-01", "family": "uniqueness", "unique": {"items": ["KHMC", "SXRQ"]}, "when": "BF > 0", **COMMON}
BALANCE = {"id": "SM24-SF-JE-RC-01", "family": "reconciliation", **COMMON, "reconcile": {
    "left": {"table": "SF", "value": "sum(JE)", "by": ["JGDM"], "where": "JE > 0"}, "right": {"table": "ZZ", "value": "sum(JE)", "by": ["JGDM"]}, "tolerance": 0.01}}


def changed(rule: dict, **changes) -> dict:
    """`rule` with keys replaced; `a__b` reaches inside, `...` removes."""
    made = copy.deepcopy(rule)
    for name, value in changes.items():
        *above, last = name.split("__")
        inside = made
        for key in above:
            inside = inside[key]
        if value is ...:
            del inside[last]
        else:
            inside[last] = value
    return made


def faults(read_rules, *rules, **options) -> list[EastboundError]:
    with pytest.raises(EastboundError) as caught:
        read_rules(*rules, **options)
    return caught.value.errors if isinstance(caught.value, Problems) else [caught.value]


def test_the_shapes_of_rules_load(read_rules):
    rules = {rule.id: rule for rule in read_rules(ROW, PARTNER, SUMS, UNIQUE)}
    assert [rule.kind for rule in rules.values()] == ["row", "relation", "relation", "unique"]
    row = rules["SM24-BD-ZZRQ-CR-01"]
    assert (row.item, row.origin, row.severity, row.effective_from) == ("ZZRQ", "authored", "error", date(2024, 1, 1))
    assert row.in_force(date(2024, 1, 1)) and not row.in_force(date(2023, 12, 31))
    assert row.items_read() == {("BD", "BDZT"), ("BD", "ZZRQ")} and row.tables() == {"BD"}
    assert (row.line, row.path.endswith("BD.yaml")) == (3, True)
    sums = rules["SM24-BD-BF-RL-02"]
    assert sums.tables() == {"BD", "SF"} and sums.items_read() >= {("SF", "JE"), ("BD", "BDH"), ("SF", "BDH"), ("BD", "BF")}
    assert rules["SM24-BD-KHMC-UQ-01"].expectation() == "unique KHMC + SXRQ"
    assert row.expectation() == "ZZRQ IS NOT NULL"


def test_the_day_of_the_last_change_is_the_rules_own_or_its_files(read_rules):
    rules = read_rules(document={"table": "BD", "changed": date(2026, 11, 21), "rules": [{**ROW, "changed": date(2026, 10, 1)}, UNIQUE]})
    assert [(rule.changed, rule.jurisdiction, rule.silenced) for rule in rules] == [(date(2026, 10, 1), None, None), (date(2026, 11, 21), None, None)]
    assert [rule.changed for rule in read_rules(ROW)] == [None]
    [error] = faults(read_rules, changed(ROW, changed="today"))
    assert "changed 应为日期" in error.sentence("zh") and "should be a date" in error.sentence("en")


def test_a_reconciliation_loads(read_rules):
    [rule] = read_rules(BALANCE, table="SF")
    assert rule.kind == "reconcile" and rule.reconcile.tolerance == 0.01 and rule.tables() == {"SF", "ZZ"}
    assert rule.items_read() == {("SF", "JE"), ("SF", "JGDM"), ("ZZ", "JE"), ("ZZ", "JGDM")}


@pytest.mark.parametrize(("rule", "key", "zh", "en"), [
    (changed(ROW, expect="ZZRRQ IS NOT NULL"), "expect", "没有数据项或列 ZZRRQ，是否指 ZZRQ？", "no item or column ZZRRQ; did you mean ZZRQ?"),
    (changed(ROW, when="BDZT = 1"), "when", "不能比较文本", "cannot compare text"),
    (changed(ROW, when="LSH = '1'"), "when", "没有数据项或列 LSH", "no item or column LSH"),
    (changed(ROW, expect="ZZRQ"), "expect", "结果应为真假值，实为日期", "should give bool, gives date"),
    (changed(ROW, expect=...), "id", "应有 expect、relation、unique、reconcile 之一", "give expect, or one of"),
    (changed(ROW, expect=None), "id", "应有 expect、relation、unique、reconcile 之一", "give expect, or one of"),
    (changed(ROW, expect=["ZZRQ"]), "expect", "应是表达式", "an expression is wanted here"),
    (changed(ROW, expected="ZZRQQ"), "expected", "是否指 ZZRQ？", "did you mean ZZRQ?"),
    (changed(ROW, whn="BDZT = 'x'"), "whn", "未知键 whn，是否指 when？", "unknown key whn; did you mean when?"),
    (changed(ROW, family="conditional_require"), "family", "未知规则类别 conditional_require，应为", "did you mean conditional_required?"),
    (changed(ROW, family="value_range"), "id", "规则编号应形如 SM24-BD-<item>-VR-<nn>", "the rule's id should read SM24-BD-<item>-VR-<nn>"),
    (changed(ROW, family="relation", id="SM24-BD-ZZRQ-RL-01"), "family", "类别 relation 需有 relation", "family relation needs relation"),
    (changed(EXISTS, family="cross_item", id="SM24-BD-JGDM-CI-01"), "family", "类别 cross_item 需有 expect", "family cross_item needs expect"),
    (changed(ROW, id="SM24-BD-ZZRQ-CR-1"), "id", "规则编号应形如", "should read"),
    (changed(ROW, id="EL20-BD-ZZRQ-CR-01"), "id", "规则编号应形如", "should read"),
    (changed(ROW, id="SM24-SF-ZZRQ-CR-01"), "id", "规则编号应形如", "should read"),
    (changed(ROW, id="SM24-BD-ZZRRQ-CR-01"), "id", "表 BD 没有数据项 ZZRRQ，是否指 ZZRQ？", "table BD has no item ZZRRQ; did you mean ZZRQ?"),
    (changed(ROW, id=...), None, "规则缺少 id", "a rule without id"),
    (changed(ROW, severity="fatal"), "severity", "severity 应为 error 或 warning", "severity must be error or warning"),
    (changed(ROW, severity=...), "id", "severity 应为 error 或 warning", "severity must be error or warning"),
    (changed(ROW, message__en=...), "message", "message 需有 zh 与 en", "message needs zh and en"),
    (changed(ROW, effective__from="2024"), "effective", "effective.from 应为日期", "effective.from should be a date"),
    (changed(ROW, effective={"form": date(2024, 1, 1)}), "effective", "未知键 form，是否指 from？", "did you mean from?"),
    (changed(ROW, examples=...), "id", "examples 缺少 pass 样例", "examples has no pass case"),
    (changed(ROW, examples__fail=[]), "examples", "examples 缺少 fail 样例", "examples has no fail case"),
    (changed(ROW, examples__fail=["x"]), "examples", "样例应写作 一行数据", "an example should be a row"),
    (changed(EXISTS, examples__fail=[{"BD": {}}]), "examples", "样例应写作 {表: [行, ...]}", "an example should be {TABLE: [row, ...]}"),
    (changed(EXISTS, relation__to="JGG"), "relation", "relation 应含 to（已有的表）", "relation takes to (an existing table)"),
    (changed(EXISTS, relation__on={}), "relation", "relation 应含 to", "relation takes to"),
    (changed(EXISTS, relation__on={"JGDMM": "JGDM"}), "relation", "BD 没有数据项 JGDMM，是否指 JGDM？", "BD has no item JGDMM; did you mean JGDM?"),
    (changed(EXISTS, relation__on={"JGDM": "JGDMM"}), "relation", "JG 没有数据项 JGDMM", "JG has no item JGDMM"),
    (changed(EXISTS, relation__on={"BF": "JGDM"}), "relation", "BF 与 JGDM 类型不同", "BF and JGDM differ in type"),
    (changed(EXISTS, relation__on={"LSH": "JGDM"}), "relation", "BD 没有数据项 LSH", "BD has no item LSH"),
    (changed(EXISTS, relation__were="x"), "relation", "可含 to_where、aggregate", "may take to_where and aggregate"),
    (changed(EXISTS, relation__to_where="JGMCC = 'x'"), "relation", "是否指 JGMC？", "did you mean JGMC?"),
    (changed(PARTNER, expect="JGMC IS NOT NULL"), "expect", "没有数据项或列 JGMC", "no item or column JGMC"),
    (changed(PARTNER, expected="JG.JGMC"), "expected", "relation 规则不能有 expected", "a relation rule takes no expected"),
    (changed(SUMS, expect=...), "id", "有 aggregate 时需有 expect", "an aggregate relation needs expect"),
    (changed(SUMS, relation__aggregate__total="JE"), "relation", "JE 应放在 sum", "JE should be inside sum"),
    (changed(SUMS, relation__aggregate={"BF": "sum(JE)"}), "relation", "BF 与本表数据项同名", "BF is the name of an item of this table"),
    (changed(UNIQUE, unique__items=["KHMCC"]), "unique", "没有数据项 KHMCC，是否指 KHMC？", "no item KHMCC; did you mean KHMC?"),
    (changed(UNIQUE, unique__items=[]), "unique", "unique.items 为空", "unique.items is empty"),
    (changed(UNIQUE, unique__item=["KHMC"]), "unique", "未知键 item，是否指 items？", "did you mean items?"),
    (changed(UNIQUE, expect="BF > 0"), "expect", "unique 规则不能有 expect", "a unique rule takes no expect"),
    (changed(UNIQUE, relation={"to": "JG", "on": {"JGDM": "JGDM"}}), "id", "之一", "one of relation, unique, reconcile"),
])
def test_a_wrong_rule_is_explained(read_rules, rule, key, zh, en):
    found = [e for e in faults(read_rules, rule) if zh in e.sentence("zh")]
    assert found, [e.sentence("zh") for e in faults(read_rules, rule)]
    assert en in found[0].sentence("en")
    path, line = found[0].values["path"], found[0].values["line"]
    if key:
        assert rule["id"] in found[0].sentence("zh") or "应为" in found[0].sentence("zh") or "未知键" in found[0].sentence("zh")
        with open(path, encoding="utf-8") as stream:
            text = stream.read().splitlines()
        first = next(n for n, written in enumerate(text, 1) if written.strip(" -").startswith(f"{key}:"))
        assert line >= first and (line == first or text[line - 1].startswith("    "))


@pytest.mark.parametrize(("rule", "zh", "en"), [
    (changed(BALANCE, reconcile__left__table="SFF"), "left 应含 table、value、by", "left takes table, value and by"),
    (changed(BALANCE, reconcile__right=...), "right 应含 table、value、by", "right takes table, value and by"),
    (changed(BALANCE, reconcile__left__value=...), "left 缺少 value", "left has no value"),
    (changed(BALANCE, reconcile__left__value="JE"), "JE 应放在 sum", "JE should be inside sum"),
    (changed(BALANCE, reconcile__left__value="max(JGDM)"), "结果应为数值，实为文本", "should give number, gives text"),
    (changed(BALANCE, reconcile__left__by=["JGDMM"]), "SF 没有数据项 JGDMM，是否指 JGDM？", "SF has no item JGDMM; did you mean JGDM?"),
    (changed(BALANCE, reconcile__left__by=["JGDM", "RQ"]), "两侧分组项的个数或类型不同", "different numbers or types of items"),
    (changed(BALANCE, reconcile__left__by=["RQ"]), "两侧分组项的个数或类型不同", "different numbers or types of items"),
    (changed(BALANCE, reconcile__left__where="JEE > 0"), "是否指 JE？", "did you mean JE?"),
    (changed(BALANCE, reconcile__tolerance=-1), "tolerance 应为非负数", "tolerance should be a number from 0 on"),
    (changed(BALANCE, reconcile__tolerance="0.01"), "tolerance 应为非负数", "tolerance should be a number from 0 on"),
    (changed(BALANCE, when="JE > 0"), "reconcile 规则不能有 when", "a reconcile rule takes no when"),
])
def test_a_wrong_reconciliation_is_explained(read_rules, rule, zh, en):
    found = [e for e in faults(read_rules, rule, table="SF") if zh in e.sentence("zh")]
    assert found and en in found[0].sentence("en") and found[0].values["line"] > 1


def test_two_rules_of_one_id_and_a_file_of_an_unknown_table(read_rules):
    [error] = faults(read_rules, ROW, ROW)
    assert "规则编号 SM24-BD-ZZRQ-CR-01 重复" in error.sentence("zh") and "appears twice" in error.sentence("en") and error.values["line"] > 3
    [error] = faults(read_rules, document={"table": "BDD", "rules": []})
    assert "没有表 BDD，是否指 BD？" in error.sentence("zh") and "has no table BDD; did you mean BD?" in error.sentence("en")


def test_every_fault_of_every_rule_is_told_at_once(read_rules):
    found = faults(read_rules, changed(ROW, when="X = 1", severity="no"), changed(UNIQUE, unique__items=["Y"]))
    assert len(found) == 3


def test_only_the_wanted_tables_are_read(read_rules, small, tmp_path):
    read_rules(BALANCE, table="SF")
    read_rules(ROW)
    roots = PackRoots((tmp_path,))
    assert [r.id for r in load_rules(small, roots, tables={"SF"})] == ["SM24-SF-JE-RC-01"]
    assert len(load_rules(small, roots)) == 2
    assert load_rules(small, PackRoots(())) == []


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spoilt({"table": "BD", "note": "x", "rules": [ROW, PARTNER, SUMS, UNIQUE, changed(BALANCE, id="SM24-BD-BF-RC-01")]}))
def test_no_shape_of_a_file_brings_the_loader_down(read_rules, document):
    try:
        read_rules(document=document if document else {})
    except EastboundError as error:
        assert error.sentence("zh") and error.sentence("en")
