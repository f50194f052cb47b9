"""Running rules over tables: nothing capped, one scan, one broken rule alone, and private values covered."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from test_rules_loader import BALANCE, EXISTS, PARTNER, ROW, SUMS, UNIQUE, changed

from etl.expressions import Expression
from etl.rules.compile import compile_row_rules
from etl.rules.derived import derived_rules
from etl.rules.run import FINDING_COLUMNS, summarise

SANE = {"BDH": "P1", "JGDM": "J1", "KHMC": "张三", "BDZT": "有效", "SXRQ": date(2024, 1, 1), "BF": Decimal("100.00"), "JFCS": 1}


def value_rule(number: int, **changes):
    return changed(ROW, id=f"SM24-BD-BF-VR-{number:02}", family="value_range", **{"when": None, "expect": "BF > 0", **changes})


def broken(rule):
    """The rule with an expectation that fails while running, on a row with a BF of 13."""
    text = "error('secret ' || t.\"KHMC\")"

    class Failing(Expression):
        def sql(self, column=None, call=None):
            return f"(CASE WHEN t.\"BF\" = 13 THEN {text} IS NULL ELSE TRUE END)"

    return replace(rule, expect=Failing("x", rule.expect.tree))


def test_every_failing_row_is_a_finding(checker, read_rules):
    count = 10_000
    rows = pa.table({"BDH": [f"P{n:05}" for n in range(count)], "BF": pa.array([Decimal("-1.00")] * count, pa.decimal128(12, 2))})
    checker.put("BD", [SANE])
    checker.engine.connection.register("many", rows)
    checker.engine.execute('INSERT INTO data."BD" BY NAME SELECT row_number() OVER () + 1 AS _row, BDH, BF, [] AS _unmapped FROM many')
    findings, outcomes = checker.check(read_rules(value_rule(1), value_rule(2, expect="BF > -2"), value_rule(3, expect="BF >= 0")))
    assert {o.rule: (o.outcome, o.failed, o.judged) for o in outcomes.values()} == {
        "SM24-BD-BF-VR-01": ("failed", count, count + 1), "SM24-BD-BF-VR-02": ("passed", 0, count + 1), "SM24-BD-BF-VR-03": ("failed", count, count + 1)}
    assert len(findings) == 2 * count and len({(f["rule"], f["key"]) for f in findings}) == 2 * count


def test_a_finding_tells_what_a_person_needs(checker, read_rules):
    checker.put("BD", [SANE, {**SANE, "BDH": "P2", "BF": Decimal("-0.50"), "JFCS": 3}])
    [finding], outcomes = checker.check(read_rules(value_rule(1, expected="JFCS * 10", severity="warning")))
    assert finding == {
        "rule": "SM24-BD-BF-VR-01", "severity": "warning", "family": "value_range", "table": "BD", "key": "P2", "item": "BF", "value": "-0.50", "expected": "30",
        "difference": "-30.50", "branch": None, "department": None, "source_system": "core", "source_table": "T_BD", "source_key": "K2", "row": 2,
        "message_zh": "终止日期必填", "message_en": "The end date is missing", "first_seen": "", "state": "new", "month_state": None}
    assert tuple(finding) == FINDING_COLUMNS
    assert summarise(outcomes.values()) == {"error": 0, "warning": 1}


def test_without_a_rule_there_is_an_empty_file(checker):
    findings, outcomes = checker.check([])
    assert findings == [] and outcomes == {}


def test_unknown_is_not_failed(checker, read_rules):
    checker.put("BD", [{**SANE, "BF": None}, {**SANE, "BF": Decimal(0)}, {**SANE, "BDZT": None, "BF": Decimal(0)}])
    rule = value_rule(1, when="BDZT = '有效'")
    assert [row for _, row in checker.rows(read_rules(rule))] == [2]
    assert [row for _, row in checker.rows(read_rules(value_rule(1, expect="BF IS NOT NULL")))] == [1]


def test_the_row_rules_of_a_table_are_one_scan(checker, small, read_rules):
    rules = [rule for rule in derived_rules(small, small.tables["BD"]) if rule.kind == "row"] + read_rules(*(value_rule(n) for n in range(1, 40)))
    assert len(rules) > 45
    plan = json.loads(checker.engine.rows(f"EXPLAIN (FORMAT json) {compile_row_rules('BD', rules)}")[0][1])

    def scans(node):
        here = [node["extra_info"].get("Table", "")] if "SCAN" in node["name"].upper() else []
        return here + [s for child in node.get("children", []) for s in scans(child)]

    found = [name for node in plan for name in scans(node)]
    assert len([name for name in found if name.split(".")[-1].strip('"') == "BD"]) == 1, found


@pytest.mark.parametrize("position", [0, 3, 8])
def test_a_rule_that_breaks_is_errored_and_takes_no_other_with_it(checker, read_rules, position):
    checker.put("BD", [SANE, {**SANE, "BDH": "P2", "BF": Decimal(13)}, {**SANE, "BDH": "P3", "BF": Decimal(-1)}])
    rules = read_rules(*(value_rule(n) for n in range(1, 10)))
    rules[position] = broken(rules[position])
    findings, outcomes = checker.check(rules)
    assert [o.rule for o in outcomes.values() if o.outcome == "errored"] == [rules[position].id]
    errored = outcomes[rules[position].id]
    assert (errored.judged, errored.failed, errored.reason) == (0, 0, "InvalidInputException")
    assert len(findings) == 8 and {f["key"] for f in findings} == {"P3"}
    assert "张三" not in str(outcomes), "the engine's own sentence could quote a value"


def test_relations_that_break_are_errored_alone_as_well(checker, read_rules):
    checker.put("BD", [{**SANE, "BF": Decimal(13)}, {**SANE, "BDH": "P2", "JGDM": "J9"}])
    checker.put("JG", [{"JGDM": "J1"}])
    partner, exists = read_rules(PARTNER, changed(EXISTS, id="SM24-BD-JGDM-RL-09"))
    findings, outcomes = checker.check([broken(partner), exists])
    assert {r: o.outcome for r, o in outcomes.items()} == {partner.id: "errored", exists.id: "failed"}
    assert [(f["rule"], f["row"]) for f in findings] == [(exists.id, 2)]


def test_an_expected_value_that_cannot_be_computed_costs_no_finding(checker, read_rules):
    checker.put("BD", [{**SANE, "BF": Decimal(-1), "JFCS": 2**62}])
    findings, outcomes = checker.check(read_rules(value_rule(1, expected="JFCS * JFCS * JFCS"), value_rule(2)))
    assert {o.outcome for o in outcomes.values()} == {"failed"}
    assert [f["expected"] for f in findings] == ["BF > 0", "> 0"]


def test_relation_existence(checker, read_rules):
    checker.put("JG", [{"JGDM": "J1", "JGMC": "甲"}, {"JGDM": "J2", "JGMC": "乙"}, {"JGDM": "J2", "JGMC": "丙"}])
    checker.put("BD", [{**SANE, "JGDM": code} for code in ("J1", "J2", "J3", None)])
    [rule] = read_rules(EXISTS)
    assert checker.rows([rule]) == [(rule.id, 3)]
    [rule] = read_rules(changed(EXISTS, relation__to_where="JGMC <> '甲'"))
    assert checker.rows([rule]) == [(rule.id, 1), (rule.id, 3)]
    [rule] = read_rules(changed(EXISTS, when="BF > 100"))
    assert checker.rows([rule]) == []


def test_a_parent_set_aside_is_not_missing(checker, read_rules):
    checker.put("JG", [{"JGDM": "J1"}], schema="aside")
    checker.put("BD", [SANE, {**SANE, "JGDM": "J9"}])
    [rule] = read_rules(EXISTS)
    assert checker.rows([rule]) == [(rule.id, 2)]


def test_relation_with_an_expectation_on_the_partner(checker, read_rules):
    checker.put("JG", [{"JGDM": "J1", "JGMC": "甲"}, {"JGDM": "J2"}, {"JGDM": "J3", "JGMC": "乙"}, {"JGDM": "J3"}, {"JGDM": "J3"}])
    checker.put("BD", [{**SANE, "JGDM": code} for code in ("J1", "J2", "J3", "J9", None)])
    [rule] = read_rules(PARTNER)
    # J9 has no partner and is not judged; J3 has two that break the expectation and is one finding.
    assert checker.rows([rule]) == [(rule.id, 2), (rule.id, 3)]
    [rule] = read_rules(changed(PARTNER, expect="JG.JGMC = '甲' OR KHMC = '张三'"))
    assert checker.rows([rule]) == []


def test_relation_with_totals_over_the_partners(checker, read_rules):
    checker.put("SF", [{"BDH": "P1", "XH": 1, "JE": Decimal("60.00")}, {"BDH": "P1", "XH": 2, "JE": Decimal("40.00")}, {"BDH": "P2", "XH": 1, "JE": Decimal("99.99")}])
    checker.put("BD", [{**SANE, "BDH": key} for key in ("P1", "P2", "P3")])
    [rule] = read_rules(SUMS)
    # P3 has no payments: their number is 0, which breaks n > 0; their sum is NULL.
    assert checker.rows([rule]) == [(rule.id, 2), (rule.id, 3)]
    [rule] = read_rules(changed(SUMS, expect="total = BF"))
    assert checker.rows([rule]) == [(rule.id, 2)]
    [rule] = read_rules(changed(SUMS, expect="coalesce(total, 0) = BF"))
    assert checker.rows([rule]) == [(rule.id, 2), (rule.id, 3)]
    [rule] = read_rules(changed(SUMS, relation__to_where="JE > 50", expect="n = 1"))
    assert checker.rows([rule]) == [(rule.id, 3)]
    [rule] = read_rules(changed(SUMS, relation__aggregate={"smallest": "any_of(XH)", "most": "max(JE)"}, expect="smallest = 1 AND most < 99"))
    assert checker.rows([rule]) == [(rule.id, 2)]


def test_uniqueness_with_a_condition(checker, read_rules):
    checker.put("BD", [{**SANE, "BDH": "P1"}, {**SANE, "BDH": "P2"}, {**SANE, "BDH": "P3", "BF": Decimal(0)}, {**SANE, "BDH": "P4", "KHMC": None}, {**SANE, "BDH": "P5", "KHMC": None}])
    [rule] = read_rules(UNIQUE)
    assert checker.rows([rule]) == [(rule.id, 1), (rule.id, 2)]
    [rule] = read_rules(changed(UNIQUE, when="BDH <> 'P2'"))
    assert checker.rows([rule]) == [(rule.id, 1), (rule.id, 3)]


def books(checker, left: list[tuple], right: list[tuple]) -> None:
    checker.put("SF", [{"BDH": "P", "XH": n, "JGDM": branch, "JE": Decimal(amount)} for n, (branch, amount) in enumerate(left)])
    checker.put("ZZ", [{"KM": "1", "JGDM": branch, "JE": Decimal(amount)} for branch, amount in right])


def test_reconciliation_per_group_with_tolerance(checker, read_rules):
    [rule] = read_rules(BALANCE, table="SF")
    books(checker, [("J1", "10.00"), ("J1", "5.00"), ("J2", "7.00"), ("J3", "1.00"), ("J5", "3.00"), ("J5", "-3.00"), (None, "2.00"), ("J7", "1.00")],
          [("J1", "15.00"), ("J2", "7.01"), ("J3", "1.02"), ("J4", "9.00"), ("J5", "0.00"), (None, "2.00"), ("J7", "1.01")])
    findings, outcomes = checker.check([rule], "SF")
    told = {f["key"]: (f["value"], f["expected"], f["difference"]) for f in findings}
    # J1 agrees, J2 and J7 are within a cent, J4 is in the ledger only, J5 counts its positive payment only.
    assert told == {"J3": ("1.00", "1.02", "-0.02"), "J4": ("0.00", "9.00", "-9.00"), "J5": ("3.00", "0.00", "3.00")}
    assert outcomes[rule.id].failed == 3 and {f["item"] for f in findings} == {"JE"} and {f["row"] for f in findings} == {None}


def test_reconciliation_of_totals_without_groups(checker, read_rules):
    whole = changed(BALANCE, reconcile__left__by=..., reconcile__right__by=..., reconcile__tolerance=0)
    [rule] = read_rules(whole, table="SF")
    books(checker, [("J1", "10.00"), ("J2", "5.00")], [("J9", "15.00")])
    assert checker.check([rule], "SF")[0] == []
    books(checker, [("J1", "10.00"), ("J2", "5.00")], [("J9", "15.01")])
    assert [(f["key"], f["difference"]) for f in checker.check([rule], "SF")[0]] == [("", "-0.01")]
    books(checker, [], [("J9", "1.00")])
    assert [f["difference"] for f in checker.check([rule], "SF")[0]] == ["-1.00"]
    books(checker, [], [])
    assert checker.check([rule], "SF")[0] == []


def test_reconciliation_by_several_items(checker, read_rules):
    several = changed(BALANCE, reconcile__left={"table": "SF", "value": "count(*)", "by": ["JGDM", "RQ"]}, reconcile__right={"table": "SF", "value": "count(JE)", "by": ["JGDM", "RQ"]})
    [rule] = read_rules(several, table="SF")
    checker.put("SF", [{"JGDM": "J1", "RQ": date(2024, 6, 1), "JE": None}, {"JGDM": "J1", "RQ": date(2024, 6, 2), "JE": Decimal(1)}, {"JGDM": None, "RQ": None, "JE": None}])
    assert sorted(f["key"] for f in checker.check([rule], "SF")[0]) == ["J1|2024-06-01", "|"]


def test_private_values_are_shown_as_told_and_nowhere_clear(checker, small, read_rules):
    def show(item, sql: str) -> str:
        return f"'<{item.privacy}>' || CAST(length({sql}) AS VARCHAR)"

    bd = small.tables["BD"]
    items = tuple(replace(item, privacy="id_number") if item.code == "BDH" else item for item in bd.items)
    checker.standard = replace(small, tables={**small.tables, "BD": replace(bd, items=items)})
    rules = read_rules(changed(ROW, id="SM24-BD-KHMC-VR-01", family="value_range", when=None, expect="length(KHMC) > 5", expected="KHMC || '先生'"),
                       changed(UNIQUE, unique__items=["KHMC"], when=None), changed(EXISTS, id="SM24-BD-KHMC-RL-03"))
    checker.put("BD", [{**SANE, "BDH": "310101198503123012", "KHMC": "欧阳娜娜"}, {**SANE, "BDH": "P2", "KHMC": "欧阳娜娜"}])
    findings, _ = checker.check(rules, show=show)
    assert len(findings) == 6
    assert {f["key"] for f in findings} == {"<id_number>18", "<id_number>2"} and {f["value"] for f in findings} == {"<name>4"}
    assert {f["expected"] for f in findings if f["family"] == "value_range"} == {"<name>6"}
    assert "欧阳" not in str(findings) and "310101198503123012" not in str(findings)


def test_the_same_rows_give_the_same_bytes_in_any_order(checker, read_rules, small):
    rows = [{**SANE, "BDH": f"P{n % 7}", "BF": Decimal(n % 3 - 1)} for n in range(60)]
    rules = [*derived_rules(small, small.tables["BD"]), *read_rules(value_rule(1), UNIQUE, EXISTS)]
    checker.put("BD", rows)
    checker.check(rules)
    first = (checker.folder / "findings.parquet").read_bytes()
    checker.engine.execute('CREATE OR REPLACE TABLE data."BD" AS SELECT * FROM data."BD" ORDER BY hash(_row)')
    checker.check(rules)
    assert (checker.folder / "findings.parquet").read_bytes() == first
