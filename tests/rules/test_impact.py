"""Changed rules over stored periods of a small insurer. What appears and vanishes is known by looking at its few rows."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from etl.cli import main
from etl.language import set_language
from etl.ledger import open_ledger
from etl.packs.roots import PackRoots
from etl.pipeline import RunRequest, start_run
from etl.pipeline.impact import NothingToCompare, rules_impact
from etl.rules.derived import all_rules
from etl.standard import load_standard
from etl.submission.definition import Period
from tests.pipeline.small_insurer import POLICIES, RULES, make_workspace, write_core

BEFORE = RULES + """
  - id: TN-BD-BZ-CD-01
    family: code_range
    expect: BZ <> '首单'
    severity: warning
    message: {zh: 备注, en: note}
    examples: {pass: [{BZ: x}], fail: [{BZ: 首单}]}
  - id: TN-BD-BF-RC-01
    family: reconciliation
    reconcile: {left: {table: JF, value: sum(JE), by: [BDH]}, right: {table: BD, value: sum(BF), by: [BDH]}, tolerance: 300}
    severity: warning
    message: {zh: 核对, en: reconcile}
    examples:
      pass: [{JF: [{BDH: A, JE: 1}], BD: [{BDH: A, BF: 1}]}]
      fail: [{JF: [{BDH: A, JE: 1000}], BD: [{BDH: A, BF: 1}]}]
"""
REMOVED = BEFORE[BEFORE.index("  - id: TN-BD-BZ-CD-01"):BEFORE.index("  - id: TN-BD-BF-RC-01")]
ADDED = """
  - id: TN-BD-ZT-UQ-01
    family: uniqueness
    unique: {items: [ZT]}
    severity: error
    message: {zh: 唯一, en: unique}
    examples: {pass: [{BD: [{BDH: A, ZT: x}]}], fail: [{BD: [{BDH: A, ZT: x}, {BDH: B, ZT: x}]}]}
"""
RELATION = """
table: JF
rules:
  - id: TN-JF-BDH-RL-01
    family: relation
    relation: {to: BD, 'on': {BDH: BDH}}
    expect: BD.ZT = '有效'
    severity: warning
    message: {zh: 关联, en: relation}
    examples: {pass: [{JF: [{BDH: A}], BD: [{BDH: A, ZT: 有效}]}], fail: [{JF: [{BDH: A}], BD: [{BDH: A, ZT: 终止}]}]}
"""


@pytest.fixture(scope="module")
def insurer(tmp_path_factory):
    """Two periods under the old rules: in September a fourth policy has ended on no day, for a premium of 5.00."""
    folder = tmp_path_factory.mktemp("insurer")
    workspace = make_workspace(folder, policies=[*POLICIES, ("P004", "王五", "4", "2026-01-01", None, "5.00", None)])
    (folder / "packs/validation_rules/tiny/BD.yaml").write_text(BEFORE, encoding="utf-8")
    runs = [start_run(workspace, RunRequest("tiny", Period.parse("2026-09"), date(2026, 10, 15)))]
    write_core(folder / "core.db")
    runs.append(start_run(workspace, RunRequest("tiny", Period.parse("2026-10"), date(2026, 11, 15))))
    assert [run.status for run in runs] == ["blocked", "sealed"]
    return workspace, [run.run for run in runs]


@pytest.fixture
def changed(insurer, tmp_path) -> Path:
    """The packs with one rule tightened, one added, one removed, one reworded, one tolerance lowered, and a table's first rule."""
    packs = tmp_path / "new"
    shutil.copytree(insurer[0].packs[0], packs)
    text = BEFORE.replace("BF >= 10", "BF >= 100").replace("{BF: 10}", "{BF: 100}").replace(REMOVED, "").replace("tolerance: 300", "tolerance: 0")
    text = text.replace("终止保单须有终止日期", "终止的保单须填写终止日期").replace("when: ZT = '终止'", "when:  (ZT  = '终止')")
    (packs / "validation_rules/tiny/BD.yaml").write_text(text + ADDED, encoding="utf-8")
    (packs / "validation_rules/tiny/JF.yaml").write_text(RELATION, encoding="utf-8")
    return packs


# Per rule: change, then appears, vanishes, stays in September and in October.
EXPECTED = {
    "TN-BD-BF-VR-01": ("changed", (1, 0, 1), (1, 0, 0)),        # below 10: P004; below 100: P003 (99.90) and P004
    "TN-BD-BZ-CD-01": ("removed", (0, 1, 0), (0, 1, 0)),        # P001's note is 首单
    "TN-BD-ZT-UQ-01": ("added", (4, 0, 0), (2, 0, 0)),          # two of each state; two in force and one ended
    "TN-BD-BF-RC-01": ("changed", (2, 0, 0), (1, 0, 0)),        # P002 paid 501.00 for 250.50; P004 paid nothing for 5.00
    "TN-JF-BDH-RL-01": ("added", (2, 0, 0), (2, 0, 0)),         # both payments of P002, which has ended
}
FINDINGS = {
    ("appears", "2026-09", "TN-BD-BF-VR-01", "P003"), ("appears", "2026-10", "TN-BD-BF-VR-01", "P003"),
    ("vanishes", "2026-09", "TN-BD-BZ-CD-01", "P001"), ("vanishes", "2026-10", "TN-BD-BZ-CD-01", "P001"),
    *(("appears", "2026-09", "TN-BD-ZT-UQ-01", key) for key in ("P001", "P002", "P003", "P004")),
    *(("appears", "2026-10", "TN-BD-ZT-UQ-01", key) for key in ("P001", "P003")),
    ("appears", "2026-09", "TN-BD-BF-RC-01", "P002"), ("appears", "2026-09", "TN-BD-BF-RC-01", "P004"), ("appears", "2026-10", "TN-BD-BF-RC-01", "P002"),
    *(("appears", period, "TN-JF-BDH-RL-01", f"P002|{number}") for period in ("2026-09", "2026-10") for number in (1, 2)),
}


def tree(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def call(insurer, capsys):
    """(exit code, output) of a sub-command of `eastbound rules` in English."""
    def called(name: str, *arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            main(["--lang", "en", "rules", name, "--standard", "tiny", "--workspace", str(insurer[0].root), *arguments])
        return left.value.code, capsys.readouterr().out

    yield called
    set_language(None)


def test_what_appears_vanishes_and_stays_in_both_periods_and_no_run_is_touched(insurer, changed):
    workspace, ids = insurer
    standard = load_standard("tiny", PackRoots.of(str(changed)))
    derived = all_rules(standard, [])
    places = [workspace.root / "vault", *(workspace.run_folder(one) for one in ids)]
    before = [tree(place) for place in places]
    with open_ledger(workspace.ledger_place) as ledger:
        noted = ledger.runs(), ledger.chain_head()
        found = rules_impact(workspace, ledger, "tiny", packs=[str(changed)])
        assert (ledger.runs(), ledger.chain_head()) == noted
    assert [(one.run, one.period) for one in found.runs] == list(zip(ids, ("2026-09", "2026-10"), strict=True))
    for place, one in enumerate(found.runs, 1):
        assert {r.rule: (r.change, (r.appears, r.vanishes, r.stays)) for r in one.rules} == {rule: (told[0], told[place]) for rule, told in EXPECTED.items()}
        # The derived rules, and CR-01, which was only reworded.
        assert one.unchanged == len(derived) + 1
        versions = {r.rule: (bool(r.version_before), bool(r.version_after)) for r in one.rules}
        assert versions["TN-BD-ZT-UQ-01"] == (False, True) and versions["TN-BD-BZ-CD-01"] == (True, False) and versions["TN-BD-BF-VR-01"] == (True, True)
    assert found.blocking() == 6
    lines = [json.loads(line) for line in (found.folder / "changes.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {(line["change"], line["period"], line["rule"], line["key"]) for line in lines} == FINDINGS and len(lines) == len(FINDINGS) == 17
    assert {line["run"] for line in lines} == set(ids)
    [group] = [line for line in lines if (line["period"], line["rule"]) == ("2026-10", "TN-BD-BF-RC-01")]
    assert (group["value"], group["expected"], group["difference"]) == ("501.00", "250.50", "250.50")
    assert {path.name for path in found.folder.iterdir()} == {"changes.parquet", "changes.jsonl", "rules.json"}
    assert [tree(place) for place in places] == before


def test_the_command_lists_pages_and_chooses(call, changed):
    code, lines = call("impact", "--packs", str(changed), "--format", "jsonl")
    assert code == 1 and len(lines.splitlines()) == 17
    told = json.loads(call("impact", "--packs", str(changed), "--format", "json", "--last", "1", "--rule", "TN-BD-BF-%")[1])
    assert [(one["period"], [rule["rule"] for rule in one["rules"]]) for one in told["runs"]] == [("2026-10", ["TN-BD-BF-RC-01", "TN-BD-BF-VR-01"])]
    assert {(f["rule"], f["key"]) for f in told["findings"]} == {("TN-BD-BF-VR-01", "P003"), ("TN-BD-BF-RC-01", "P002")}
    code, shown = call("impact", "--packs", str(changed), "--periods", "2026-09..2026-09")
    assert code == 1 and "1 to 10 of 10" in shown and "2026-10" not in shown
    assert call("impact", "--packs", str(changed), "--periods", "2026-10..2026-09")[0] == 2
    assert call("impact", "--periods", "2026-10", "--last", "2")[0] == 2
    code, shown = call("impact")
    assert code == 0 and "0 rules differ" in shown


def test_a_changed_code_table_affects_the_rules_that_read_it(insurer, tmp_path):
    workspace, _ = insurer
    packs = tmp_path / "new"
    shutil.copytree(workspace.packs[0], packs)
    codes = packs / "mappings/standards/tiny/codes/STATE.csv"
    codes.write_text(codes.read_text(encoding="utf-8").replace("2,终止,,,,E", "2,中止,,,,E"), encoding="utf-8")
    with open_ledger(workspace.ledger_place) as ledger:
        found = rules_impact(workspace, ledger, "tiny", packs=[str(packs)])
    # 终止 is no code's name any more: P002 and P004 in September, P002 in October.
    assert [[(r.rule, r.change, r.appears, r.vanishes, r.stays) for r in one.rules] for one in found.runs] == [
        [("TN-BD-ZT-CODE", "affected", 2, 0, 0)], [("TN-BD-ZT-CODE", "affected", 1, 0, 0)]]


def test_what_the_stored_tables_do_not_hold_is_not_compared(insurer, tmp_path):
    workspace, _ = insurer
    packs = tmp_path / "new"
    shutil.copytree(workspace.packs[0], packs)
    table = packs / "mappings/standards/tiny/tables/JF.yaml"
    table.write_text(table.read_text(encoding="utf-8").rstrip() + "\n  - {code: FS, name: {zh: 方式}, type: text, length: 4, required: true, provenance: E}\n", encoding="utf-8")
    with open_ledger(workspace.ledger_place) as ledger:
        found = rules_impact(workspace, ledger, "tiny", packs=[str(packs)], last=1)
    [one] = found.runs
    assert [(r.rule, r.change, r.outcome_after, r.appears) for r in one.rules] == [(f"TN-JF-FS-{kind}", "added", "absent", None) for kind in ("FMT", "LEN", "REQ")]


def test_no_run_to_compare_with_is_said(insurer):
    workspace, _ = insurer
    with open_ledger(workspace.ledger_place) as ledger:
        with pytest.raises(NothingToCompare, match=r"no run of tiny 2026-01\.\.2026-02 to compare"):
            rules_impact(workspace, ledger, "tiny", periods=("2026-01", "2026-02"))
    assert not list((workspace.root / "impact").glob("*.partial"))


def test_the_versions_of_a_rule_by_run(insurer, call, changed):
    _, ids = insurer

    told = json.loads(call("versions", "TN-BD-BF-VR-01", "--format", "json")[1])
    [used] = told["versions"]
    assert used["version"] == told["current"] and used["text"]["expect"] == "BF >= 10"
    assert [(one["run"], one["period"], one["outcome"], one["failed"]) for one in used["runs"]] == [(ids[1], "2026-10", "passed", 0), (ids[0], "2026-09", "failed", 1)]
    assert "No run has used the present version" in call("versions", "TN-BD-BF-VR-01", "--packs", str(changed))[1]
    assert "no longer" in call("versions", "TN-BD-BZ-CD-01", "--packs", str(changed))[1]
    assert call("versions", "TN-BD-BF-VR-99")[0] == 2
