"""Local overlays: they add, tighten and silence, never loosen unseen, and what is wrong with one is told with file and line."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_standard import NAME, line_of
from test_rules_loader import BALANCE, EXISTS, PARTNER, ROW, SUMS, UNIQUE, changed

from etl.engines import open_engine
from etl.errors import EastboundError, Problems
from etl.packs.roots import PackRoots, builtin_root
from etl.packs.snapshot import pack_files
from etl.rules.compile import compile_row_rules
from etl.rules.examples import load_rows, run_examples
from etl.rules.loader import load_rules
from etl.rules.overlays import OverlayUnknown, overlays, silenced_outcomes
from etl.standard import load_standard

ADDED = changed(ROW, id="SM24-BD-ZZRQ-CR-31000001")
WARNED = changed(ROW, id="SM24-BD-BF-VR-01", family="value_range", when=..., expect="BF >= 0", severity="warning",
                 examples={"pass": [{"BF": 0}], "fail": [{"BF": -1}]})
NARROW = {"id": "SM24-BD-BF-VR-01", "expect": "BF < 1000", "basis": "bureau (G)", "examples": {"pass": [{"BF": 999.99}], "fail": [{"BF": 1000}]}}
SILENT = {"id": "SM24-BD-ZZRQ-CR-01", "reason": {"zh": "不适用", "en": "does not apply"}, "basis": "bureau (G)"}


@pytest.fixture
def overlaid(tmp_path, small, read_rules):
    """Rules of the small standard with an overlay of 310000 for table BD (or another), given as its document."""
    def load(document: Any, *base: dict, table: str = "BD", jurisdiction: str | None = "310000") -> list:
        read_rules(*(base or (ROW, WARNED)), table=table)
        path = tmp_path / "validation_rules" / NAME / "local" / "310000" / f"{table}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return load_rules(small, PackRoots((tmp_path,)), jurisdiction=jurisdiction)

    return load


def file(table: str = "BD", **keys: Any) -> dict:
    return {"table": table, **keys}


def test_without_a_jurisdiction_nothing_of_an_overlay_counts(overlaid):
    rules = overlaid(file(rules=[ADDED], tighten=[NARROW], silence=[SILENT]), jurisdiction=None)
    assert [(r.id, r.severity, r.jurisdiction, r.silenced) for r in rules] == [
        ("SM24-BD-ZZRQ-CR-01", "error", None, None), ("SM24-BD-BF-VR-01", "warning", None, None)]
    assert rules[1].expect.text == "BF >= 0"


def test_an_overlay_adds_tightens_and_silences(overlaid):
    document = file(changed=date(2026, 11, 21), rules=[ADDED], tighten=[{**NARROW, "severity": "error", "changed": date(2026, 11, 20)}], silence=[SILENT])
    silent, narrow, added = overlaid(document)
    assert (silent.id, silent.jurisdiction, silent.changed) == ("SM24-BD-ZZRQ-CR-01", "310000", date(2026, 11, 21))
    assert silent.silenced == {"zh": "不适用", "en": "does not apply", "basis": "bureau (G)"}
    assert (narrow.severity, narrow.expect.text, narrow.changed) == ("error", "(BF >= 0) AND (BF < 1000)", date(2026, 11, 20))
    assert (narrow.basis, narrow.path.endswith("310000/BD.yaml")) == ("by hand (G); bureau (G)", True)
    assert (added.id, added.jurisdiction, added.changed, added.silenced) == ("SM24-BD-ZZRQ-CR-31000001", "310000", date(2026, 11, 21), None)
    [outcome] = silenced_outcomes([silent, narrow, added])
    assert (outcome.rule, outcome.outcome, outcome.judged, outcome.failed, outcome.reason) == (
        "SM24-BD-ZZRQ-CR-01", "skipped", 0, 0, "silenced 310000: bureau (G)")


def test_a_tightened_rule_keeps_what_failed_and_proves_what_it_adds(overlaid, small):
    _, narrow = overlaid(file(tighten=[NARROW]))
    assert (narrow.examples_pass, narrow.examples_fail) == (({"BF": 999.99},), ({"BF": -1}, {"BF": 1000}))
    with open_engine(threads=1) as engine:
        engine.load_codes(small.codes.values(), date(2024, 6, 30))
        assert run_examples(engine, small, [narrow]) == (3, [])
        load_rows(engine, small.tables["BD"], [{"BDH": n, "BF": value} for n, value in enumerate_texts(-0.01, 0, 999.99, 1000, None)])
        assert sorted(engine.rows(compile_row_rules("BD", [narrow]))) == [(1, 0), (4, 0)]


def enumerate_texts(*values: Any) -> list[tuple[str, Any]]:
    return [(str(number), value) for number, value in enumerate(values)]


def test_relations_and_reconciliations_are_tightened_too(overlaid):
    entry = {"id": PARTNER["id"], "expect": "JG.SJDM IS NOT NULL", "basis": "b", "examples": {"pass": [{"BD": []}], "fail": [{"BD": [{}]}]}}
    [rule] = overlaid(file(tighten=[entry]), PARTNER)
    assert rule.expect.text == "(JG.JGMC IS NOT NULL) AND (JG.SJDM IS NOT NULL)"
    [rule] = overlaid(file(tighten=[{**entry, "id": SUMS["id"], "expect": "n < 9"}]), SUMS)
    assert rule.expect.text == "(total = BF AND n > 0) AND (n < 9)"
    *_, rule = overlaid(file("SF", tighten=[{"id": BALANCE["id"], "tolerance": 0, "basis": "b", "examples": entry["examples"]}]), BALANCE, table="SF")
    assert (rule.id, rule.reconcile.tolerance, BALANCE["reconcile"]["tolerance"]) == (BALANCE["id"], 0.0, 0.01)


@pytest.mark.parametrize(("document", "at", "zh", "en"), [
    (file(tighten=[{**NARROW, "id": "SM24-BD-BF-VR-02"}]), "id: SM24-BD-BF-VR-02", "没有这条规则，是否指 SM24-BD-BF-VR-01？", "there is no such rule; did you mean SM24-BD-BF-VR-01?"),
    (file(tighten=[{**NARROW, "id": "SM24-BD-BF-REQ"}]), "id: SM24-BD-BF-REQ", "字典推出的规则不能在地方规则中改动", "a rule derived from the dictionary"),
    (file(tighten=[{"id": "SM24-BD-ZZRQ-CR-01", "severity": "warning", "basis": "b"}]), "severity: warning", "不得把 error 放宽为 warning", "may not loosen an error"),
    (file(tighten=[{"id": "SM24-BD-ZZRQ-CR-01", "severity": "error", "basis": "b"}]), "id: SM24-BD-ZZRQ", "没有收紧任何内容", "nothing is tightened"),
    (file(tighten=[{**NARROW, "expect": "BFF > 1"}]), "expect:", "是否指 BF？", "did you mean BF?"),
    (file(tighten=[{**NARROW, "expect": "BF > 1) OR (BF < 0"}]), "expect:", "语法错误", "syntax error"),
    (file(tighten=[{**NARROW, "examples": ...}]), "id: SM24-BD-BF-VR-01", "examples 缺少 fail 样例", "examples has no fail case"),
    (file(tighten=[{**NARROW, "basis": ...}]), "id: SM24-BD-BF-VR-01", "缺少 basis", "no basis"),
    (file(tighten=[{**NARROW, "tolerance": 0}]), "tolerance:", "row 规则没有 tolerance", "a row rule has no tolerance"),
    (file(tighten=[{**NARROW, "when": "TRUE"}]), "when:", "未知键 when", "unknown key when"),
    (file(tighten=[NARROW, NARROW]), None, "同一规则只能改动一次", "a rule is changed once"),
    (file(silence=[{**SILENT, "reason": ...}]), "id: SM24-BD-ZZRQ", "停用规则须有 reason", "silenced for a reason"),
    (file(silence=[{**SILENT, "reason": {"zh": "不适用"}}]), "reason:", "含 zh 与 en", "give zh and en"),
    (file(silence=[{**SILENT, "id": ...}]), "- reason:", "缺少 id", "no id"),
    (file(silence=[{**SILENT, "expect": "TRUE"}]), "expect:", "未知键 expect", "unknown key expect"),
    (file(rules=[ROW]), "id: SM24-BD-ZZRQ-CR-01", "规则编号应形如 SM24-BD-<item>-CR-310000<nn>", "SM24-BD-<item>-CR-310000<nn>"),
    (file(rules=[changed(ROW, id="SM24-BD-ZZRQ-CR-44030001")]), "id: SM24-BD-ZZRQ-CR-44030001", "310000<nn>", "310000<nn>"),
    (file(rules=[ADDED, ADDED]), None, "规则编号 SM24-BD-ZZRQ-CR-31000001 重复", "appears twice"),
    (file(rules=[changed(ADDED, requires=["SM24-BD-BF-VR-09"])]), "requires:", "没有规则 SM24-BD-BF-VR-09，是否指 SM24-BD-BF-VR-01？", "has no rule SM24-BD-BF-VR-09; did you mean"),
    (file(changed="2026"), "changed:", "changed 应为日期", "changed should be a date"),
])
def test_a_wrong_overlay_is_explained_with_file_and_line(overlaid, document, at, zh, en):
    for entry in (*document.get("tighten", ()), *document.get("silence", ())):
        for key in [key for key, value in entry.items() if value is ...]:
            del entry[key]
    with pytest.raises(EastboundError) as caught:
        overlaid(document)
    errors = caught.value.errors if isinstance(caught.value, Problems) else [caught.value]
    found = [error for error in errors if zh in error.sentence("zh")]
    assert found and en in found[0].sentence("en"), [error.sentence("zh") for error in errors]
    path = Path(found[0].values["path"])
    assert path.as_posix().endswith(f"{NAME}/local/310000/BD.yaml")
    if at:
        assert found[0].values["line"] == line_of(path, at)


def test_a_rule_of_another_table_and_a_rule_without_expect_are_refused(overlaid):
    with pytest.raises(EastboundError, match="belongs in BD.yaml"):
        overlaid(file("SF", silence=[SILENT]))
    entry = {"id": "", "expect": "BF > 0", "basis": "b", "examples": {"pass": [{"BD": []}], "fail": [{"BD": []}]}}
    for rule, kind in ((EXISTS, "relation"), (UNIQUE, "unique")):
        with pytest.raises(EastboundError, match=f"a {kind} rule without expect takes none"):
            overlaid(file(tighten=[{**entry, "id": rule["id"]}]), rule)
    with pytest.raises(EastboundError, match="smaller than 0.01"):
        overlaid(file("SF", tighten=[{"id": BALANCE["id"], "tolerance": 0.01, "basis": "b", "examples": entry["examples"]}]), BALANCE, table="SF")


def test_changes_do_not_belong_in_the_standards_own_files(read_rules):
    with pytest.raises(EastboundError, match=r"line 3: silence belongs in a file below local/<jurisdiction>/"):
        read_rules(document={"table": "BD", "rules": [], "silence": [SILENT]})


def test_a_jurisdiction_without_local_rules_is_refused(overlaid, small, tmp_path):
    overlaid(file(rules=[ADDED]))
    with pytest.raises(OverlayUnknown) as caught:
        load_rules(small, PackRoots((tmp_path,)), jurisdiction="440300")
    assert "没有辖区 440300 的地方规则；已有：310000" in caught.value.sentence("zh")
    assert "there are: 310000" in caught.value.sentence("en")


def test_only_six_digits_name_a_jurisdiction(overlaid, tmp_path):
    overlaid(file(rules=[ADDED]))
    (tmp_path / "validation_rules" / NAME / "local" / "shanghai").mkdir()
    assert list(overlays(NAME, PackRoots((tmp_path,)))) == ["310000"]


def test_an_overlay_from_another_root_adds_to_the_rules_and_is_kept_with_a_run(overlaid, small, tmp_path):
    overlaid(file(rules=[ADDED]))
    other = tmp_path / "ours"
    shutil.copytree(tmp_path / "validation_rules" / NAME / "local" / "310000", other / "validation_rules" / NAME / "local" / "440300")
    path = other / "validation_rules" / NAME / "local" / "440300" / "BD.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("31000001", "44030001"), encoding="utf-8")
    roots = PackRoots((tmp_path, other))
    assert [r.id for r in load_rules(small, roots, jurisdiction="440300")] == ["SM24-BD-ZZRQ-CR-01", "SM24-BD-BF-VR-01", "SM24-BD-ZZRQ-CR-44030001"]
    assert len(load_rules(small, roots)) == 2
    kept = pack_files(roots, NAME)
    assert {name for name in kept if "/local/" in name} == {f"validation_rules/{NAME}/local/{code}/BD.yaml" for code in ("310000", "440300")}
    assert kept[f"validation_rules/{NAME}/local/440300/BD.yaml"] == path and f"validation_rules/{NAME}/BD.yaml" in kept


SHIPPED = [(standard.parent.name, folder.name) for standard in sorted((builtin_root() / "validation_rules").glob("*/local")) for folder in sorted(standard.iterdir())]


def test_two_overlays_are_shipped():
    assert {("east_life_2020", "310000"), ("east_life_2020", "440300")} <= set(SHIPPED)


@pytest.mark.parametrize(("name", "jurisdiction"), SHIPPED)
def test_shipped_overlays_prove_themselves(name, jurisdiction):
    standard = load_standard(name)
    base = {rule.id: rule for rule in load_rules(standard)}
    local = [rule for rule in load_rules(standard, jurisdiction=jurisdiction) if rule.jurisdiction]
    assert local and all(rule.basis and rule.changed for rule in local)
    with open_engine(threads=1) as engine:
        engine.load_codes(standard.codes.values(), date(2026, 10, 31))
        engine.set_parameters(period_start=date(2026, 10, 1), period_end=date(2026, 10, 31), report_date=date(2026, 11, 15))
        run, faults = run_examples(engine, standard, local)
        assert (faults, run >= 2 * len(local)) == ([], True)
        # A tightened rule finds something that its base lets pass, or finds it with more weight.
        for rule in local:
            before = base.get(rule.id)
            if before and not rule.silenced and rule.severity == before.severity:
                own = [example for example in rule.examples_fail if example not in before.examples_fail]
                assert own and rule.kind == "row"
                load_rows(engine, standard.tables[rule.table], own)
                assert engine.rows(compile_row_rules(rule.table, [before])) == []
