"""`eastbound rules test --mutate` on a sealed run of a standard from outside the repository."""

from __future__ import annotations

import json
import shutil
from datetime import date

import pytest

from etl.pipeline import RunRequest, start_run
from etl.submission.definition import Period
from tests.command import call_english as call
from tests.pipeline.small_insurer import RULES, make_workspace

RULE_IDS = ["TN-BD-ZZRQ-CR-01", "TN-BD-BF-VR-01"]
NEVER = """
  - id: TN-BD-LJBF-VR-01
    family: value_range
    expect: LJBF >= 0 OR LJBF < 0
    severity: error
    message: {zh: 永不触发, en: It never fires}
    basis: test
    examples:
      pass: [{LJBF: 1}]
      fail: [{LJBF: -1}]
"""


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """A workspace whose tiny insurer has sealed October; tests must not change it."""
    workspace = make_workspace(tmp_path_factory.mktemp("tiny"))
    assert start_run(workspace, RunRequest("tiny", Period.parse("2026-10"), date(2026, 11, 15))).status == "sealed"
    return workspace


def test_every_rule_of_a_standard_from_outside_fires(capsys, sealed):
    code, out, _ = call(capsys, "rules", "test", "-s", "tiny", "--mutate", "-w", sealed.root, "--format", "json")
    told = json.loads(out)
    mutation = told["mutation"]
    assert code == 0 and (told["rules"], told["examples"], told["faults"]) == (2, 4, [])
    assert {name: mutation[name] for name in ("rules", "mutated", "fired", "silent", "immutable", "unrelated_findings")} == {
        "rules": 2, "mutated": 2, "fired": 2, "silent": 0, "immutable": 0, "unrelated_findings": 0}
    # One policy of three has ended; all three have a premium.
    assert [(m["rule"], m["outcome"], m["judged"], m["changed"]) for m in mutation["details"]] == [
        (RULE_IDS[0], "fired", 1, ["BD.ZZRQ"]), (RULE_IDS[1], "fired", 3, ["BD.BF"])]
    assert mutation["period"] == "2026-10" and mutation["not_applicable"] == [] and mutation["seeded"] == []


def test_derived_rules_are_tried_on_demand_and_the_run_may_be_named(capsys, sealed):
    run = next(path.name for path in (sealed.root / "runs").iterdir())
    code, out, _ = call(capsys, "rules", "test", "-s", "tiny", "--mutate", run, "--derived", "-w", sealed.root)
    # BD: 8 items, JF: 4. Required 5 + 4, text length and characters 2 x 4 + 2 x 1, code table 1, reference 1, keys 2, authored 2.
    assert code == 0 and f"mutation check on run {run} (2026-10): 25 rules, 25 mutated, 25 fired, 0 silent, 0 not mutable, 0 unrelated findings" in out


def test_nothing_of_a_run_is_touched_and_no_clear_file_is_left(capsys, sealed):
    before = {path: path.read_bytes() for path in sorted(sealed.vault_folder.rglob("*")) if path.is_file()}
    assert call(capsys, "rules", "test", "-s", "tiny", "--mutate", "-w", sealed.root)[0] == 0
    assert {path: path.read_bytes() for path in sorted(sealed.vault_folder.rglob("*")) if path.is_file()} == before
    assert before and all(path.name.endswith(".sealed") for path in before)


def test_a_rule_that_cannot_fire_fails(capsys, sealed, tmp_path):
    shutil.copytree(sealed.root.parent / "packs" / "validation_rules", tmp_path / "validation_rules")
    (tmp_path / "validation_rules/tiny/BD.yaml").write_text(RULES + NEVER, encoding="utf-8")
    code, out, _ = call(capsys, "rules", "test", "-s", "tiny", "--mutate", "-w", sealed.root, "--packs", tmp_path)
    assert code == 2
    assert "fail example 1 does not fire the rule" in out and "TN-BD-LJBF-VR-01" in out and "no fault found" in out and "3 rules, 2 mutated, 2 fired" in out


def test_without_a_sealed_run_it_says_how_to_make_one(capsys, tmp_path):
    workspace = make_workspace(tmp_path)
    code, _, err = call(capsys, "rules", "test", "-s", "tiny", "--mutate", "-w", workspace.root)
    assert code == 2 and "no sealed run of tiny" in err and "eastbound demo init" in err and "eastbound run -s tiny" in err


def test_the_run_must_be_one_of_the_standard(capsys, sealed):
    run = next(path.name for path in (sealed.root / "runs").iterdir())
    code, _, err = call(capsys, "rules", "test", "-s", "registry_life_2", "--mutate", run, "-w", sealed.root)
    assert code == 2 and f"run {run} is one of tiny, not of registry_life_2" in err
