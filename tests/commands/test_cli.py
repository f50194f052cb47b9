"""The command as people and scripts use it: help, exit codes, messages in both languages, exports."""

from __future__ import annotations

import csv
import json
import sqlite3
from datetime import date

import pytest

from etl.cli import COMMANDS
from etl.language import set_language
from tests.command import call
from tests.pipeline.small_insurer import POLICIES, make_workspace

BAD = [*POLICIES, ("P004", "王五", "4", "2026-01-01", None, "5.00", "=1+1")]


@pytest.fixture(autouse=True)
def _english():
    set_language("en")
    yield
    set_language(None)


def run(capsys, workspace, *more):
    return call(capsys, "--lang", "en", "run", "-s", "tiny", "-p", "2026-10", "--report-date", "2026-11-15", "-w", workspace.root, *more)


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help_in_both_languages(capsys, command):
    code, english, _ = call(capsys, "--lang", "en", command, "--help")
    assert code == 0 and "Usage: eastbound" in english
    code, listed, _ = call(capsys, "--lang", "zh", "--help")
    assert code == 0 and COMMANDS[command][2] in listed


def test_unknown_command_is_suggested(capsys):
    code, _, err = call(capsys, "--lang", "en", "finding")
    assert code == 2 and "did you mean findings?" in err


def test_exit_codes_and_json(capsys, tmp_path):
    code, out, _ = run(capsys, make_workspace(tmp_path / "good"), "--format", "json")
    about = json.loads(out)
    assert code == 0 and about["status"] == "sealed" and about["findings"] == {"error": 0, "warning": 0}
    assert about["tables"] == [{"table": "BD", "rows_in": 3, "rows_out": 3, "rows_aside": 0}, {"table": "JF", "rows_in": 4, "rows_out": 4, "rows_aside": 0}]
    code, out, _ = run(capsys, make_workspace(tmp_path / "bad", policies=BAD), "--format", "json")
    assert code == 1 and json.loads(out)["findings"] == {"error": 1, "warning": 1}


def test_bad_input_is_told_in_both_languages(capsys, tmp_path):
    code, _, err = call(capsys, "--lang", "en", "run", "-s", "tiny", "-p", "2026-10", "-w", tmp_path / "nowhere")
    assert code == 2 and "is not a workspace" in err
    workspace = make_workspace(tmp_path)
    code, _, err = call(capsys, "--lang", "zh", "run", "-s", "tiny", "-p", "2026-13", "-w", workspace.root)
    assert code == 2 and "报送期 '2026-13' 无效" in err
    code, _, err = call(capsys, "--lang", "en", "run", "-s", "tyni", "-p", "2026-10", "-w", workspace.root)
    assert code == 2 and "there is no standard named tyni" in err


def test_source_column_gone_stops_before_anything_is_read(capsys, tmp_path):
    workspace = make_workspace(tmp_path)
    with sqlite3.connect(tmp_path / "core.db") as core:
        core.execute("ALTER TABLE Policy RENAME COLUMN Prem TO Premium")
    code, _, err = run(capsys, workspace)
    assert code == 2 and "Prem" in err and "Premium" in err


def test_database_gone_is_told_without_a_stack(capsys, tmp_path):
    workspace = make_workspace(tmp_path)
    (tmp_path / "core.db").unlink()
    code, _, err = run(capsys, workspace)
    assert code in (2, 3) and "core" in err and "Traceback" not in err


def test_findings_export_every_row_and_keep_texts(capsys, tmp_path):
    many = [(f"Q{n:05d}", "王五", "4", "2026-01-01", None, "50.00", None) for n in range(1200)]
    workspace = make_workspace(tmp_path, policies=[*BAD, *many])
    run(capsys, workspace)
    code, out, _ = call(capsys, "--lang", "en", "findings", "-w", workspace.root, "--format", "jsonl")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 1 and len(rows) == 1202
    assert {r["rule"] for r in rows} == {"TN-BD-ZZRQ-CR-01", "TN-BD-BF-VR-01"}
    assert list(rows[0])[:11] == ["rule", "severity", "table", "key", "item", "value", "expected", "source_system", "source_table", "source_key", "serial"]
    code, out, _ = call(capsys, "findings", "-w", workspace.root, "--severity", "warning", "--format", "csv")
    listed = list(csv.DictReader(out.splitlines()))
    assert code == 0 and [(r["key"], r["value"]) for r in listed] == [("P004", "5.00")]
    code, out, _ = call(capsys, "--lang", "en", "findings", "-w", workspace.root)
    assert "1 to 50 of 1,202; next: --page 2" in out


def test_findings_in_excel_are_texts(capsys, tmp_path):
    import openpyxl

    workspace = make_workspace(tmp_path, policies=[*POLICIES, ("00012345678901234567", "王五", "4", "2026-01-01", None, "50.00", None)])
    run(capsys, workspace)
    target = tmp_path / "f.xlsx"
    call(capsys, "findings", "-w", workspace.root, "-o", target)
    sheet = openpyxl.load_workbook(target).worksheets[0]
    head = [cell.value for cell in sheet[1]]
    cell = sheet.cell(2, head.index("key") + 1)
    assert sheet.max_row == 2 and cell.value == "00012345678901234567" and cell.data_type == "s"


def test_csv_never_begins_a_formula():
    from etl.cells import unformulated

    assert [unformulated(v) for v in ("=1+1", "+1", "-1", "@x", "abc", None, 3)] == ["'=1+1", "'+1", "'-1", "'@x", "abc", None, 3]


def test_verify_names_the_changed_file(capsys, tmp_path):
    workspace = make_workspace(tmp_path)
    _, out, _ = run(capsys, workspace, "--format", "json")
    package = workspace.root / json.loads(out)["package"]
    packs = ("--packs", workspace.packs[0])
    assert call(capsys, "--lang", "en", "verify", package, *packs)[0] == 0
    file = package / "000123-JF-20261031.txt"
    file.write_bytes(file.read_bytes().replace(b"99.90", b"99.91"))
    code, out, _ = call(capsys, "--lang", "en", "verify", package, *packs)
    assert code == 1 and "000123-JF-20261031.txt" in out and "000123-BD-20261031.txt" not in out


def test_trace_in_json_has_the_promised_keys(capsys, tmp_path):
    workspace = make_workspace(tmp_path)
    run(capsys, workspace)
    code, out, _ = call(capsys, "trace", "000123202611150000000005", "-w", workspace.root, "--format", "json")
    found = json.loads(out)
    assert code == 0 and found["table"] == "JF" and found["items"]["BDH"] == "P002"
    assert [(s["system"], s["table"], s["key"]) for s in found["sources"]] == [("core", "Pay", "P002|1")]
    code, _, err = call(capsys, "--lang", "en", "trace", "000123202611159999999999", "-w", workspace.root)
    assert code == 2 and "is not in" in err


def test_runs_list_and_show(capsys, tmp_path):
    workspace = make_workspace(tmp_path)
    run(capsys, workspace)
    listed = json.loads(call(capsys, "runs", "list", "-w", workspace.root, "--format", "json")[1])
    assert [(r["standard"], r["period"], r["report_date"], r["status"]) for r in listed] == [("tiny", "2026-10", date(2026, 11, 15).isoformat(), "sealed")]
    shown = call(capsys, "--lang", "en", "runs", "show", "-w", workspace.root, "--stages")[1]
    assert "rows in" in shown and "seal" in shown


def test_standard_and_rules_in_json(capsys):
    about = json.loads(call(capsys, "standard", "show", "east_life_2020", "--format", "json")[1])
    assert len(about["tables"]) == 46 and {len(t["items"]) for t in about["tables"] if t["code"] == "GRBDB"} == {42}
    assert set(about["tables"][0]["items"][0]) >= {"code", "name", "type", "length", "required", "key", "privacy", "code_table", "provenance"}
    listed = json.loads(call(capsys, "rules", "list", "--origin", "authored", "--format", "json")[1])
    assert len(listed) >= 150 and all(r["examples_pass"] and r["examples_fail"] for r in listed)
    assert set(listed[0]) >= {"id", "standard", "table", "item", "family", "origin", "severity", "examples_pass", "examples_fail"}
