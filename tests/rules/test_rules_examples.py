"""Examples prove rules: those that do not do what they say are told, with file and line."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from test_rules_loader import BALANCE, EXISTS, ROW, SUMS, UNIQUE, changed

from etl.rules.examples import run_examples

GOOD, BAD = {"BDZT": "终止", "ZZRQ": date(2024, 5, 1)}, {"BDZT": "终止"}


def told(checker, rules) -> tuple[int, list[str]]:
    run, faults = run_examples(checker.engine, checker.standard, rules)
    assert all(fault.zh and fault.path and fault.line for fault in faults)
    return run, [fault.en for fault in faults]


def test_examples_that_do_what_they_say(checker, read_rules):
    rules = read_rules(
        changed(ROW, examples={"pass": [GOOD, {"BDZT": "有效"}, {}], "fail": [BAD, {"BDZT": " 终止\u3000"}]}),
        changed(EXISTS, examples={"pass": [{"BD": [{"JGDM": "1"}], "JG": [{"JGDM": "1"}]}, {"BD": []}], "fail": [{"BD": [{"JGDM": "1"}]}, {"BD": [{"JGDM": "1"}], "JG": [{"JGDM": "2"}]}]}),
        changed(SUMS, examples={"pass": [{"BD": [{"BDH": "1", "BF": 10}], "SF": [{"BDH": "1", "JE": 4.5}, {"BDH": "1", "JE": 5.50}]}], "fail": [{"BD": [{"BDH": "1", "BF": 10}]}]}),
        changed(UNIQUE, examples={"pass": [{"BD": [{"KHMC": "a", "SXRQ": date(2024, 1, 1), "BF": 1}]}],
                                  "fail": [{"BD": [{"KHMC": "a", "SXRQ": date(2024, 1, 1), "BF": 1}, {"KHMC": "a", "SXRQ": date(2024, 1, 1), "BF": 2}]}]}))
    assert told(checker, rules) == (5 + 4 + 2 + 2, [])


def test_examples_of_a_reconciliation(checker, read_rules):
    same = {"SF": [{"JGDM": "1", "JE": 5}], "ZZ": [{"JGDM": "1", "JE": 5.01}]}
    rules = read_rules(changed(BALANCE, examples={"pass": [same], "fail": [{"SF": [{"JGDM": "1", "JE": 5}]}, same]}), table="SF")
    assert told(checker, rules) == (3, ["fail example 2 does not fire the rule"])


@pytest.mark.parametrize(("examples", "faults"), [
    ({"pass": [BAD], "fail": [BAD]}, ["pass example 1 fires the rule"]),
    ({"pass": [GOOD], "fail": [GOOD]}, ["fail example 1 does not fire the rule"]),
    ({"pass": [GOOD, BAD], "fail": [BAD, {"BDZT": "有效"}]}, ["pass example 2 fires the rule", "fail example 2 does not fire the rule"]),
    ({"pass": [GOOD], "fail": [{"BDZTT": "终止"}]}, ["fail example 1: no item BDZTT in BD"]),
    ({"pass": [{"LSH": "1"}], "fail": [BAD]}, ["pass example 1: no item LSH in BD"]),
    ({"pass": [{"BDZT": 1}], "fail": [BAD]}, ["pass example 1: BDZT is text: put 1 in quotes"]),
    ({"pass": [{"ZZRQ": "2024-05-01"}], "fail": [BAD]}, ["pass example 1: ZZRQ is a date: write it as 2024-01-31 without quotes"]),
    ({"pass": [{"ZZRQ": datetime(2024, 5, 1, 1)}], "fail": [BAD]}, ["pass example 1: ZZRQ is a date: write it as 2024-01-31 without quotes"]),
    ({"pass": [{"BF": "1"}], "fail": [BAD]}, ["pass example 1: BF is a number, not '1'"]),
    ({"pass": [{"BF": True}], "fail": [BAD]}, ["pass example 1: BF is a number, not True"]),
    ({"pass": [{"BF": 1.005}], "fail": [BAD]}, ["pass example 1: BF has at most 2 decimals, unlike 1.005"]),
    ({"pass": [{"JFCS": 1.5}], "fail": [BAD]}, ["pass example 1: JFCS has at most 0 decimals, unlike 1.5"]),
    ({"pass": [{"BF": 10**10}], "fail": [BAD]}, ["pass example 1: BF: 10000000000 has more than 10 digits before the point"]),
])
def test_examples_that_do_not_are_told(checker, read_rules, examples, faults):
    assert told(checker, read_rules(changed(ROW, examples=examples)))[1] == faults


def test_an_example_of_another_table_must_name_one_that_exists(checker, read_rules):
    rules = read_rules(changed(EXISTS, examples={"pass": [{"BD": [], "JGG": []}], "fail": [{"BD": [{"JGDM": "1"}]}]}))
    assert told(checker, rules) == (2, ["pass example 1: no table JGG"])


def test_examples_do_not_see_each_other(checker, read_rules):
    # Were the rows of one example left for the next, the orphan would find a parent.
    found = {"BD": [{"JGDM": "1"}], "JG": [{"JGDM": "1"}]}
    rules = read_rules(changed(EXISTS, examples={"pass": [found], "fail": [{"BD": [{"JGDM": "1"}]}]}))
    assert told(checker, rules) == (2, [])
    assert told(checker, list(reversed(rules))) == (2, [])
