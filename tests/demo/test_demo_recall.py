"""Planted faults against findings: nothing but an exact place explains a finding."""

from __future__ import annotations

import csv

import pytest

from etl.demo.consequences import Spoilt, groups, here, of, original, there
from etl.demo.errors import DemoTruthUnread
from etl.demo.recall import compare, read_truth
from tests.command import call

FAULT = {"fault": "fee_negative", "system": "life", "table": "LCCont", "key": "P1", "item": "GRBDB.JBGLF", "rule": "R1"}
LEDGER = {"fault": "ledger_differs", "system": "finance", "table": "Balance", "key": "8631|6031", "item": "BFMXB.SJJE", "rule": "RC1"}


def finding(rule: str, source: tuple[str, str, str] | None, table: str = "GRBDB", key: str | None = "K") -> dict:
    system, source_table, source_key = source or (None, None, None)
    return {"rule": rule, "table": table, "key": key, "source_system": system, "source_table": source_table, "source_key": source_key}


def told(fault: dict, rule: str, system: str, table: str, key: str) -> dict[str, str]:
    return {"fault": fault["fault"], "rule": rule, "system": system, "table": table, "key": key, "of": fault["key"]}


def test_a_fault_is_found_on_its_own_row_under_its_own_rule():
    outcome = compare([FAULT], [], [finding("R1", ("life", "LCCont", "P1"))], run="run 1")
    assert (outcome.run, outcome.planted, outcome.kinds, outcome.found, outcome.findings, outcome.direct, outcome.consequences) == ("run 1", 1, 1, 1, 1, 1, 0)
    assert outcome.missed == outcome.unexplained == [] and outcome.complete


@pytest.mark.parametrize("source, rule", [(("life", "LCCont", "P2"), "R1"), (("life", "LCPol", "P1"), "R1"), (("claims", "LCCont", "P1"), "R1"), (("life", "LCCont", "P1"), "R2")])
def test_another_row_or_rule_is_no_proof(source, rule):
    outcome = compare([FAULT], [], [finding(rule, source)])
    assert outcome.missed == [FAULT] and outcome.found == 0
    assert [(f["rule"], f["source_key"]) for f in outcome.unexplained] == [(rule, source[2])]
    assert not outcome.complete


def test_stated_consequences_explain_their_rows_only():
    consequences = [told(FAULT, "R2", "life", "LCCont", "P1"), told(FAULT, "R3", "life", "LCPol", "P1-1")]
    findings = [finding("R1", ("life", "LCCont", "P1")), finding("R2", ("life", "LCCont", "P1")), finding("R3", ("life", "LCPol", "P1-2"))]
    outcome = compare([FAULT], consequences, findings)
    assert (outcome.direct, outcome.consequences) == (1, 1)
    assert [f["source_key"] for f in outcome.unexplained] == ["P1-2"]
    assert outcome.unseen == [consequences[1]]


def test_a_reconciliation_is_found_in_the_group_that_the_fault_names():
    named = told(LEDGER, "RC1", "", "BFMXB", "8631")
    other = told({**LEDGER, "key": "8632|6031"}, "RC1", "", "BFMXB", "8632")
    assert compare([LEDGER], [named], [finding("RC1", None, "BFMXB", "8631")]).complete
    # The group of another fault of the kind is not this one's.
    outcome = compare([LEDGER], [named, other], [finding("RC1", None, "BFMXB", "8632")])
    assert outcome.missed == [LEDGER] and outcome.unexplained == [] and not outcome.complete
    # A rule without groups has one, of no name.
    assert compare([LEDGER], [told(LEDGER, "RC1", "", "BFMXB", "")], [finding("RC1", None, "BFMXB", None)]).complete


def test_a_consequence_does_not_stand_for_the_fault_itself():
    outcome = compare([FAULT], [told(FAULT, "R1", "life", "LCCont", "P9")], [finding("R1", ("life", "LCCont", "P9"))])
    assert outcome.missed == [FAULT] and outcome.unexplained == []


def spoilt(before: dict, after: dict, others: dict[str, list[dict]] | None = None) -> Spoilt:
    from datetime import date

    def look(source: str, **values) -> list[dict]:
        return [row for row in (others or {}).get(source, []) if all(row[name] == value for name, value in values.items())]

    return Spoilt("life.LCCont", ("ContNo",), before, {**before, **after}, date(2026, 10, 31), look)


def test_what_causes_name():
    row = {"ContNo": "P1", "Branch": "8631", "Risk": "EL1"}
    changed = spoilt(row, {"ContNo": "P9 ", "Branch": "8699"}, {"life.LCPol": [{"ContNo": "P1", "Main": "M", "_key": "P1-1"}, {"ContNo": "P1", "Main": "S", "_key": "P1-2"},
                                                                               {"ContNo": "P2", "Main": "M", "_key": "P2-1"}]})
    assert list(here("GRBDB-X-CI-01")(changed)) == [("EL20-GRBDB-X-CI-01", "life", "LCCont", "P9")]
    assert list(original("GRBDB-UNQ")(changed)) == [("EL20-GRBDB-UNQ", "life", "LCCont", "P1")]
    assert list(here("GRBDB-X-CI-01", when=lambda s: s.before["Risk"] == "EL2")(changed)) == []
    assert list(there("life.LCPol", "GRXZB-Y-RL-01", by={"ContNo": "ContNo"}, only=lambda s, r: r["Main"] == "M")(changed)) == [("EL20-GRXZB-Y-RL-01", "life", "LCPol", "P1-1")]
    assert list(groups("BFMXB-SJJE-RC-01", of("=B01", "Branch", "Risk"), of("Branch", changed=True), of())(changed)) == [
        ("EL20-BFMXB-SJJE-RC-01", "", "BFMXB", "B01|8631|EL1"), ("EL20-BFMXB-SJJE-RC-01", "", "BFMXB", "8699"), ("EL20-BFMXB-SJJE-RC-01", "", "BFMXB", "")]


def write(path, rows: list[dict]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_truth_is_read_from_the_folder(tmp_path):
    with pytest.raises(DemoTruthUnread):
        read_truth(tmp_path)
    write(tmp_path / "faults.csv", [FAULT])
    assert read_truth(tmp_path) == ([FAULT], [], True)
    write(tmp_path / "consequences.csv", [told(FAULT, "R2", "life", "LCCont", "P1")])
    (tmp_path / "faults.undo.jsonl").write_text("{}\n")
    assert read_truth(tmp_path) == ([FAULT], [told(FAULT, "R2", "life", "LCCont", "P1")], False)


def test_the_command_wants_planted_faults(capsys, tmp_path):
    assert call(capsys, "demo", "init", "-w", str(tmp_path), "--policies", "50", "--format", "json")[0] == 0
    code, _, said = call(capsys, "--lang", "en", "demo", "recall", "-w", str(tmp_path))
    assert code == 2 and "faults.csv" in said and str(tmp_path) not in said


def test_the_command_has_help_with_examples(capsys):
    # Help texts are in the language in which the command was first loaded.
    code, said, _ = call(capsys, "demo", "recall", "--help")
    assert code == 0 and ("示例" in said or "Examples" in said) and "--run" in said
