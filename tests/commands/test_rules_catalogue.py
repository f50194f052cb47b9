"""`eastbound rules list`: counts, choices, and the catalogue as JSON, page and workbook."""

from __future__ import annotations

import json

import pytest
from openpyxl import load_workbook

from etl.cli import main
from etl.language import set_language
from tests.pipeline.small_insurer import write_packs

# Of table BD: 5 items required; XM, ZT, BZ and BDH are texts, each with a length and its characters; a code table; the key.
# Of table JF: 4 required; one text; a reference; the key.
DERIVED = {"BD": 5 + 2 * 4 + 1 + 1, "JF": 4 + 2 * 1 + 1 + 1}


@pytest.fixture
def call(tmp_path, capsys):
    packs = write_packs(tmp_path / "packs")

    def called(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            main(["--lang", "en", "rules", "list", "--standard", "tiny", "--packs", str(packs), *arguments])
        return left.value.code, capsys.readouterr().out

    yield called
    set_language(None)


def test_counts_come_first_and_rules_when_something_is_chosen(call):
    code, shown = call()
    assert code == 0 and "conditional required" in shown and "TN-BD" not in shown and shown.rstrip().endswith(f"{2 + sum(DERIVED.values())} rules: 2 authored, {sum(DERIVED.values())} derived")
    told = json.loads(call("--counts", "--format", "json")[1])
    assert told["origin"]["all"] == {"authored": 2, "derived": sum(DERIVED.values())}
    assert told["table"] == {"BD": {"authored": 2, "derived": DERIVED["BD"]}, "JF": {"authored": 0, "derived": DERIVED["JF"]}}
    assert told["family"]["value_range"] == {"authored": 1, "derived": 0}
    shown = call("--severity", "warning")[1]
    assert "TN-BD-BF-VR-01" in shown and "TN-BD-ZZRQ-CR-01" not in shown


def test_json_keeps_the_keys_that_scripts_rely_on(call):
    told = json.loads(call("--format", "json")[1])
    assert len(told) == 2 + sum(DERIVED.values())
    [rule] = [one for one in told if one["id"] == "TN-BD-ZZRQ-CR-01"]
    assert {key: rule[key] for key in ("id", "standard", "table", "item", "family", "origin", "severity", "examples_pass", "examples_fail")} == {
        "id": "TN-BD-ZZRQ-CR-01", "standard": "tiny", "table": "BD", "item": "ZZRQ", "family": "conditional_required", "origin": "authored", "severity": "error",
        "examples_pass": 1, "examples_fail": 1}
    assert (rule["when"], rule["expect"], rule["basis"], rule["examples"]["fail"]) == ("ZT = '终止'", "ZZRQ IS NOT NULL", "test", [{"ZT": "终止"}])


def test_files_hold_what_was_chosen(call, tmp_path):
    for form, name in (("html", "r.html"), ("xlsx", "r.xlsx"), ("json", "r.json")):
        code, _ = call("--origin", "authored", "--format", form, "--output", str(tmp_path / name))
        assert code == 0
    assert (tmp_path / "r.html").read_text(encoding="utf-8").count("<details ") == 2
    assert load_workbook(tmp_path / "r.xlsx")["rules"].max_row == 3
    assert [one["id"] for one in json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))] == ["TN-BD-ZZRQ-CR-01", "TN-BD-BF-VR-01"]
    assert call("--output", str(tmp_path / "r.txt"))[0] == 2 and call("--counts", "--format", "html")[0] == 2
