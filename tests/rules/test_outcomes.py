"""Honest outcomes: how many rows a rule could judge, what was skipped and why, and the same answer whichever way it is judged."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from test_rules_check import SANE, value_rule
from test_rules_loader import BALANCE, EXISTS, PARTNER, SUMS, UNIQUE, changed, faults

from etl.rules.derived import derived_rules
from etl.rules.report import Setting
from etl.rules.run import check_table


def row(number: int, **changes):
    return {**SANE, "BDH": f"P{number}", **changes}


@pytest.mark.parametrize("by_value_rows", [0, 10**9])
@pytest.mark.parametrize(("when", "expect", "judged", "failed"), [
    # The six rows below: BF 100, NULL, 0, 5, NULL, 7; JFCS 1, 2, NULL, 0, NULL, 3.
    (None, "BF > 0", 4, 1),
    ("BDZT = '有效'", "BF > 0", 3, 1),
    (None, "BF IS NOT NULL", 6, 2),
    (None, "BF > 0 OR JFCS > 1", 4, 0),
    (None, "BF > 0 AND JFCS > 0", 4, 2),
    (None, "coalesce(BF, JFCS, -1) >= 0", 6, 1),
    (None, "BF / JFCS < 50", 2, 1),
    (None, "id_sex(KHMC) = '男性'", 1, 1),
    ("JFCS IS NULL", "KHMC = '张三'", 2, 0),
])
def test_rows_judged(checker, read_rules, by_value_rows, when, expect, judged, failed):
    checker.put("BD", [
        row(1), row(2, BF=None, JFCS=2), row(3, BF=Decimal(0), JFCS=None), row(4, BF=Decimal(5), JFCS=0, BDZT="终止"),
        row(5, BF=None, JFCS=None, BDZT="终止"), row(6, BF=Decimal(7), JFCS=3, KHMC="11010519491231002X")])
    _, outcomes = checker.check(read_rules(value_rule(1, when=when, expect=expect)), by_value_rows=by_value_rows)
    [outcome] = outcomes.values()
    assert (outcome.judged, outcome.failed) == (judged, failed)


def test_rows_judged_by_rules_that_look_further(checker, read_rules):
    checker.put("JG", [{"JGDM": "J1", "JGMC": "甲"}, {"JGDM": "J2"}])
    checker.put("BD", [row(1), row(2, JGDM="J2"), row(3, JGDM=None), row(4, JGDM="J9", BF=Decimal(0)), row(5, BF=None)])
    checker.put("SF", [{"BDH": "P1", "JE": Decimal(100)}, {"BDH": "P1", "JE": None}, {"BDH": "P2", "JE": Decimal(3)}])
    exists, sums, unique = read_rules(EXISTS, SUMS, UNIQUE)
    [partner] = read_rules(changed(PARTNER, expect="JG.JGMC > '一'"))
    _, outcomes = checker.check([exists, sums, unique])
    # P3 has no branch to look up. Only P1's payments add up; a policy without payments has no total, but its count is known: 0.
    assert {r: (o.judged, o.failed) for r, o in outcomes.items()} == {exists.id: (4, 1), sums.id: (5, 4), unique.id: (3, 3)}
    _, outcomes = checker.check([partner])
    # P1 and P5 meet J1; J2 has no name to compare, J9 does not exist.
    assert (outcomes[partner.id].judged, outcomes[partner.id].failed) == (2, 0)


def test_a_reconciliation_judges_its_groups(checker, read_rules):
    checker.put("SF", [{"JGDM": "J1", "JE": Decimal(1)}, {"JGDM": "J2", "JE": Decimal(2)}])
    checker.put("ZZ", [{"JGDM": "J2", "JE": Decimal(2)}, {"JGDM": "J3", "JE": Decimal(4)}])
    [balance] = read_rules(BALANCE, table="SF")
    findings, outcomes = checker.check([balance], table="SF")
    assert (outcomes[balance.id].judged, outcomes[balance.id].failed) == (3, 2)
    assert [(f["key"], f["value"], f["expected"], f["difference"]) for f in findings] == [("J1", "1.00", "0.00", "1.00"), ("J3", "0.00", "4.00", "-4.00")]


@pytest.mark.parametrize("by_value_rows", [0, 10**9])
def test_by_value_and_by_row_find_the_same(checker, small, read_rules, by_value_rows):
    rules = [rule for rule in derived_rules(small, small.tables["BD"]) if rule.kind == "row"]
    rules += read_rules(value_rule(1), value_rule(2, expect="BF <> 7"), value_rule(3, when="BF IS NULL", expect="BF > 0"))
    checker.put("BD", [
        row(1, BDZT="没有"), row(2, BDZT=None), row(3, BDZT=None, _unmapped=["BDZT"]), row(4, KHMC="很长很长很长"), row(5, KHMC=" x"),
        row(6, BDZT="作废", KHMC="a\x00b"), row(7, BF=Decimal(7)), row(8, BF=Decimal(-7)), row(9, BF=None), row(10)])
    findings, outcomes = checker.check(rules, by_value_rows=by_value_rows)
    # By hand: the status must be there (unless it could not be mapped) and known; names have at most 12 bytes and no odd characters.
    assert sorted((f["rule"].removeprefix("SM24-BD-"), f["key"]) for f in findings) == [
        ("BDZT-CODE", "P1"), ("BDZT-REQ", "P2"), ("BF-VR-01", "P8"), ("BF-VR-02", "P7"), ("KHMC-FMT", "P5"), ("KHMC-FMT", "P6"), ("KHMC-LEN", "P4")]
    assert {o.outcome for o in outcomes.values()} == {"passed", "failed"}
    assert outcomes["SM24-BD-BDZT-CODE"].judged == 8 and outcomes["SM24-BD-BDZT-REQ"].judged == 10 and outcomes["SM24-BD-BF-VR-03"].judged == 0


def test_a_rule_is_skipped_where_what_it_requires_did_not_pass(checker, read_rules):
    rules = read_rules(value_rule(1), value_rule(2, expect="BF < 1000", requires=["SM24-BD-BF-VR-01"]), value_rule(3, expect="BF < 2000", requires=["SM24-BD-BF-VR-02"]))
    checker.put("BD", [row(1), row(2, BF=Decimal(5000))])
    findings, outcomes = checker.check(rules)
    assert [(o.outcome, o.judged, o.reason) for o in outcomes.values()] == [
        ("passed", 2, ""), ("failed", 2, ""), ("skipped", 0, "requires SM24-BD-BF-VR-02")]
    checker.put("BD", [row(1, BF=Decimal(-1)), row(2, BF=Decimal(5000))])
    findings, outcomes = checker.check(rules)
    assert [o.outcome for o in outcomes.values()] == ["failed", "skipped", "skipped"] and len(findings) == 1


def test_a_derived_rule_can_be_required(checker, small, read_rules):
    rules = [*derived_rules(small, small.tables["BD"]), *read_rules(value_rule(1, requires=["SM24-BD-UNQ"]))]
    checker.put("JG", [{"JGDM": "J1"}])
    checker.put("BD", [SANE, SANE])
    _, outcomes = checker.check(rules)
    assert (outcomes["SM24-BD-UNQ"].failed, outcomes["SM24-BD-BF-VR-01"].outcome) == (2, "skipped")


def test_requirements_are_checked_when_loaded(read_rules):
    [unknown] = faults(read_rules, value_rule(1, requires=["SM24-BD-BF-VR-99"]))
    assert "SM24-BD-BF-VR-99" in unknown.sentence("en") and "requires" in unknown.sentence("en") or "no rule" in unknown.sentence("en")
    circle = faults(read_rules, value_rule(1, requires=["SM24-BD-BF-VR-02"]), value_rule(2, requires=["SM24-BD-BF-VR-01"]))
    assert len(circle) == 2 and all("circle" in fault.sentence("en") for fault in circle)


def test_rules_over_a_table_that_is_not_delivered_are_skipped(checker, read_rules):
    checker.put("BD", [SANE])
    exists, value = read_rules(EXISTS, value_rule(1))
    _, outcomes = checker.check([exists, value], setting=Setting(absent={"JG": "kept by another company"}))
    assert (outcomes[exists.id].outcome, outcomes[exists.id].reason) == ("skipped", "JG is not delivered: kept by another company")
    assert outcomes[value.id].outcome == "passed"


@pytest.mark.parametrize(("expect", "changes", "expected", "difference"), [
    ("BF <= 50", {}, "<= 50", "50.00"),
    ("BF BETWEEN 200 AND 300", {}, ">= 200", "-100.00"),
    ("BF IS NULL OR BF = JFCS * 10", {}, "10", "90.00"),
    ("0 > BF", {}, "< 0", "100.00"),
    ("BF > 0 AND BF < JFCS", {}, "< 1", "99.00"),
    ("BF + 1 < 5", {}, "BF + 1 < 5", None),
    ("BF <> 100", {}, "<> 100", "0.00"),
])
def test_what_was_expected_and_how_far_off(checker, read_rules, expect, changes, expected, difference):
    checker.put("BD", [{**SANE, **changes}])
    [finding], _ = checker.check(read_rules(value_rule(1, expect=expect)))
    assert (finding["expected"], finding["difference"]) == (expected, difference)


def test_dates_differ_in_days_and_private_items_in_nothing(checker, read_rules):
    checker.put("BD", [row(1, SXRQ=date(2024, 3, 1), ZZRQ=date(2024, 2, 28))])
    [finding], _ = checker.check(read_rules({**value_rule(1, expect="ZZRQ >= SXRQ"), "id": "SM24-BD-ZZRQ-VR-01"}))
    assert (finding["value"], finding["expected"], finding["difference"]) == ("2024-02-28", ">= 2024-03-01", "-2")
    [finding], _ = checker.check(read_rules({**value_rule(1, expect="BDH = KHMC"), "id": "SM24-BD-BDH-VR-01"}))
    assert "张三" not in str(finding), "what is compared with a private item is not shown"


def test_who_answers_for_a_finding(checker, small, read_rules, tmp_path):
    checker.put("BD", [row(1, BF=Decimal(-1))])
    checker.put("SF", [{"BDH": "P1", "JGDM": "J1", "JE": Decimal(1)}])
    plain, named = read_rules(value_rule(1), value_rule(2, department="精算部"))
    balance = next(rule for rule in read_rules(BALANCE, table="SF") if rule.table == "SF")
    setting = Setting(departments={("core", "T_BD"): "运营部"}, table_departments={"SF": "财务部", "BD": "无"})
    findings, _ = checker.check([plain, named], setting=setting)
    assert [(f["rule"], f["department"]) for f in findings] == [(plain.id, "运营部"), (named.id, "精算部")]
    target = tmp_path / "f.parquet"
    check_table(checker.engine, small, small.tables["SF"], [balance], target, setting=setting)
    assert checker.engine.rows(f"SELECT department FROM read_parquet('{target}')") == [("财务部",)]
