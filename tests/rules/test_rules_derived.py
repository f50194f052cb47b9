"""The rules that a standard implies by itself: each fires where it should, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from etl.rules.derived import all_rules, derived_rules, stage_rule

SANE = {"BDH": "P1", "JGDM": "J1", "KHMC": "张三", "BDZT": "有效"}


def ids(standard, code: str) -> list[str]:
    return [rule.id for rule in derived_rules(standard, standard.tables[code])]


def one(standard, code: str, suffix: str):
    [rule] = [rule for rule in derived_rules(standard, standard.tables[code]) if rule.id == f"SM24-{code}-{suffix}"]
    return rule


def test_which_rules_a_table_gets(small):
    assert ids(small, "SF") == ["SM24-SF-BDH-LEN", "SM24-SF-BDH-FMT", "SM24-SF-BDH-REF", "SM24-SF-JGDM-LEN", "SM24-SF-JGDM-FMT", "SM24-SF-UNQ"]
    assert [i for i in ids(small, "BD") if "-BDZT-" in i] == ["SM24-BD-BDZT-REQ", "SM24-BD-BDZT-LEN", "SM24-BD-BDZT-FMT", "SM24-BD-BDZT-CODE"]
    assert not [i for i in ids(small, "BD") if "-LSH-" in i or "-BXJG-" in i], "the house fills these itself"
    every = all_rules(small, [])
    assert len({rule.id for rule in every}) == len(every)
    assert {rule.origin for rule in every} == {"derived"} and {rule.severity for rule in every} == {"error"}
    assert all(rule.message["zh"] and rule.message["en"] and rule.expectation() for rule in every)
    assert [rule.table for rule in every][0] == "JG" and [rule.table for rule in every][-1] == "ZZ", "in load order"


def test_required(checker, small):
    checker.put("BD", [SANE, {**SANE, "BDZT": None}, {**SANE, "BDZT": None, "_unmapped": ["BDZT"]}, {**SANE, "BDZT": None, "_unmapped": ["JGDM"]}])
    rule = one(small, "BD", "BDZT-REQ")
    # Row 3 is empty because its code has no entry: that is MAP's finding, once.
    assert checker.rows([rule]) == [(rule.id, 2), (rule.id, 4)]


@pytest.mark.parametrize(("name", "in_bytes", "in_characters"), [
    (None, False, False), ("a" * 12, False, False), ("a" * 13, True, True), ("张" * 4, False, False), ("张" * 5, True, False),
    ("张" * 12, True, False), ("张" * 13, True, True), ("𠮷" * 3, False, False), ("𠮷" * 4, True, False), ("Ａ" * 4, False, False), ("Ａ" * 5, True, False),
])
def test_length_counts_in_the_unit_of_the_standard(checker, small, name, in_bytes, in_characters):
    checker.put("BD", [{**SANE, "KHMC": name}])
    characters = replace(small, format=replace(small.format, length_unit="characters"))
    for standard, fires, unit in ((small, in_bytes, "bytes"), (characters, in_characters, "characters")):
        rule = one(standard, "BD", "KHMC-LEN")
        assert bool(checker.rows([rule])) == fires
        assert rule.expectation() == f"<= 12 {unit}"


def test_code_table_membership(checker, small):
    values = ["有效", "终止", "新名", "旧名", "作废", "未知", "01", "有 效", None]
    checker.put("BD", [{**SANE, "BDZT": value} for value in values])
    rule = one(small, "BD", "BDZT-CODE")
    # Sent as text; 旧名 ended in 2020, 作废 is allowed, 未知 is the default.
    assert [values[row - 1] for _, row in checker.rows([rule])] == ["旧名", "01", "有 效"]


def test_codes_are_compared_where_codes_are_sent(checker, small):
    bd = small.tables["BD"]
    items = tuple(replace(item, send="code", allow=(), default=None) if item.code == "BDZT" else item for item in bd.items)
    standard = replace(small, tables={**small.tables, "BD": replace(bd, items=items)})
    checker.put("BD", [{**SANE, "BDZT": value} for value in ("01", "03", "有效", "作废")])
    rule = one(standard, "BD", "BDZT-CODE")
    assert [row for _, row in checker.rows([rule])] == [3, 4]


@pytest.mark.parametrize(("text", "fires"), [
    ("张三", False), ("张　三", False), ("a b", False), ("张\x01三", True), ("张三\n", True), ("\n张三", True), ("张三\r", True), ("张\t三", True), ("\x00", True), ("\x7f", True),
    ("张三 ", True), (" 张三", True), ("张三\u3000", True), ("\u3000张三", True), ("张三\u00a0", True), (" ", True), ("\u3000", True), (None, False), ("𠮷", False),
])
def test_format(checker, small, text, fires):
    checker.put("BD", [{**SANE, "KHMC": text}])
    assert bool(checker.rows([one(small, "BD", "KHMC-FMT")])) == fires


def test_the_key_must_be_unique(checker, small):
    rows = [("P1", 1), ("P1", 2), ("P1", 1), ("P2", 1), (None, 1), (None, 1), ("P3", None), ("P3", None)]
    checker.put("SF", [{"BDH": policy, "XH": number} for policy, number in rows])
    rule = one(small, "SF", "UNQ")
    # Every row of the pair is told; a key with a hole is not the same as another with a hole.
    assert checker.rows([rule], "SF") == [(rule.id, 1), (rule.id, 3)]
    assert rule.message["zh"] == "主键 BDH+XH 重复" and rule.item == "BDH"


def test_reference_with_exceptions_and_condition(checker, small):
    checker.put("JG", [{"JGDM": "J1"}])
    checker.put("JG", [{"JGDM": "J2"}], schema="aside")
    cases = [("J1", "有效"), ("J9", "有效"), ("0", "有效"), ("无", "有效"), (None, "有效"), ("J9", "作废"), ("J9", None), ("J2", "有效")]
    checker.put("BD", [{**SANE, "JGDM": branch, "BDZT": state} for branch, state in cases])
    rule = one(small, "BD", "JGDM-REF")
    # J2 was set aside for another fault: it exists, so its policies are no orphans.
    assert checker.rows([rule]) == [(rule.id, 2)]


def test_reference_to_the_own_table(checker, small):
    checker.put("JG", [{"JGDM": "J1", "SJDM": "0"}, {"JGDM": "J2", "SJDM": "J1"}, {"JGDM": "J3", "SJDM": "J4"}])
    rule = one(small, "JG", "SJDM-REF")
    assert checker.rows([rule], "JG") == [(rule.id, 3)]


def test_a_sane_row_meets_no_derived_rule(checker, small):
    checker.put("JG", [{"JGDM": "J1", "JGMC": "总公司", "SJDM": "0"}])
    checker.put("BD", [{**SANE, "SXRQ": date(2024, 1, 1), "ZZRQ": date(9999, 12, 31)}])
    for code in ("JG", "BD"):
        findings, outcomes = checker.check(derived_rules(small, small.tables[code]), code)
        assert findings == [] and {o.outcome for o in outcomes.values()} == {"passed"} and len(outcomes) > 5


@pytest.mark.parametrize(("suffix", "family"), [("TYPE", "type"), ("MAP", "mapping"), ("JOIN", "join")])
def test_findings_of_standardising_have_their_rule(small, suffix, family):
    rule = stage_rule(small, "BD", "BDZT", suffix)
    assert (rule.id, rule.family, rule.severity) == (f"SM24-BD-BDZT-{suffix}", family, "error")
    assert "BDZT" in rule.message["zh"] and "BDZT" in rule.message["en"]


def test_an_empty_code_table_says_nothing_of_an_empty_item(checker, small):
    none = replace(small, codes={**small.codes, "ZT": replace(small.codes["ZT"], values=())})
    checker.engine.load_codes(none.codes.values(), date(2024, 6, 30))
    checker.put("BD", [{**SANE, "BDZT": None}, SANE])
    rule = one(none, "BD", "BDZT-CODE")
    assert checker.rows([rule]) == [(rule.id, 2)]
