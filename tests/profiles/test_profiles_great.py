"""Thirteen sealed months and a drifted one, through Great Expectations, its pages and the command; nothing of it asks the network."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sys
from datetime import date
from pathlib import Path
from urllib.parse import unquote

import pytest
from small_profiles import policies, write_expectations, write_standard

from etl.cli import main
from etl.language import set_language
from etl.ledger import open_ledger
from etl.profiles.great import GreatExpectationsMissing
from etl.profiles.judging import judge_run
from etl.profiles.profile import write_profiles
from etl.workspace import Workspace

EXPECTATIONS = """\
  - {id: SM-BD-PF-01, table: BD, measure: rows, against: previous, down: 0.1, up: 0.2, severity: warning, message: {zh: 行数变动过大, en: Too large a change of rows}, basis: by hand (G)}
  - {id: SM-BD-PF-02, table: BD, measure: drift, item: ZT, at_most: 0.25, severity: error, message: {zh: 状态分布偏移, en: The states moved}, basis: by hand (G)}
  - {id: SM-BD-PF-03, table: BD, measure: null_share, item: BF, at_most: 0.01, severity: warning, message: {zh: 保费空值过多, en: Too many premiums missing}, basis: by hand (G)}
  - {id: SM-BD-PF-04, table: BD, measure: sum, item: BF, down: 0.1, up: 0.1, severity: warning, message: {zh: 保费合计变动过大, en: Too large a change of premiums}, basis: by hand (G)}
  - {id: SM-BD-PF-05, table: BD, measure: mean, item: BF, down: 0.1, up: 0.1, least_rows: 5000, severity: warning, message: {zh: 均值, en: Mean}, basis: by hand (G)}
"""
MONTHS = [f"{2025 + (8 + n) // 12}-{(8 + n) % 12 + 1:02d}" for n in range(13)]


def add_run(workspace: Workspace, period: str, status: str, **about) -> str:
    """A run of the period in the ledger, with its packs and the profile of its one table."""
    with open_ledger(workspace.ledger_place) as ledger:
        run = ledger.start_run("small_2026", period, date(2026, 11, 15), company="000001", pack_fingerprint="x").id
        ledger.finish_run(run, status, **({"package": "p", "package_sha256": "0"} if status == "sealed" else {}))
    folder = workspace.run_folder(run)
    write_standard(folder / "packs")
    write_expectations(folder / "packs", EXPECTATIONS)
    write_profiles([policies(period, **about)], folder)
    return run


def make_workspace(folder: Path, months: list[str]) -> tuple[Workspace, str]:
    workspace = Workspace(folder, "000001")
    workspace.save()
    for month in months:
        add_run(workspace, month, "sealed", rows=1000, states={"有效": 500, "终止": 500}, premium="100000.00")
    now = add_run(workspace, "2026-10", "blocked", rows=1000, states={"有效": 800, "终止": 200}, premium="100000.01", nulls=20)
    return workspace, now


@pytest.fixture(scope="module")
def _offline():
    """Any attempt to reach out ends in an error."""
    tried: list[object] = []

    def refuse(*arguments, **_):
        tried.append(arguments[-1])
        raise OSError("the network is off")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("getaddrinfo", "create_connection", "gethostbyname"):
            patch.setattr(socket, name, refuse)
        patch.setattr(socket.socket, "connect", refuse)
        yield tried


@pytest.fixture(scope="module")
def judged(_offline, tmp_path_factory):
    pytest.importorskip("great_expectations")
    workspace, run = make_workspace(tmp_path_factory.mktemp("ws"), MONTHS)
    with open_ledger(workspace.ledger_place) as ledger:
        about = judge_run(workspace, ledger, run, docs=True)
    return workspace, run, about


def lines(about: dict) -> dict[str, dict]:
    return {line["rule"]: line for line in about["results"]}


@pytest.mark.slow
def test_the_drifted_month_is_not_met_and_says_by_how_much(judged):
    _, run, about = judged
    # 13 sealed months are there, 12 count. PSI of 80/20 against 50/50: 0.141001 + 0.274887.
    drift = lines(about)["SM-BD-PF-02"]
    assert (drift["outcome"], drift["value"], drift["expected"], drift["severity"], drift["key"], drift["item"]) == ("failed", "0.415888", "<= 0.25", "error", "2026-10", "ZT")
    assert len(drift["periods"]) == 12 and drift["periods"][0] == "2026-09" and "2025-09" not in drift["periods"]
    assert about["run"] == run and about["periods_wanted"] == 12 and about["unprofiled"] == []


@pytest.mark.slow
def test_what_is_met_not_met_and_not_judged(judged):
    _, _, about = judged
    found = lines(about)
    assert {rule: line["outcome"] for rule, line in found.items()} == {
        "SM-BD-PF-01": "passed", "SM-BD-PF-02": "failed", "SM-BD-PF-03": "failed", "SM-BD-PF-04": "passed", "SM-BD-PF-05": "skipped"}
    assert (found["SM-BD-PF-01"]["expected"], found["SM-BD-PF-01"]["periods"]) == ("900 .. 1200", ["2026-09"])
    # 20 of 1000 rows have no premium.
    assert (found["SM-BD-PF-03"]["value"], found["SM-BD-PF-03"]["value_shown"], found["SM-BD-PF-03"]["expected_shown"]) == ("0.02", "2.00 %", "<= 1.00 %")
    assert (found["SM-BD-PF-04"]["low"], found["SM-BD-PF-04"]["value"], found["SM-BD-PF-04"]["high"]) == ("90000", "100000.01", "110000")
    assert found["SM-BD-PF-05"]["reason"] == "few_rows"
    assert about["counts"] == {"passed": 2, "failed": 2, "skipped": 1, "errored": 0}


@pytest.mark.slow
def test_results_are_kept_with_the_run(judged):
    workspace, run, about = judged
    kept = json.loads((workspace.run_folder(run) / "profiles/results.json").read_text(encoding="utf-8"))
    assert kept == about


@pytest.mark.slow
def test_the_pages_show_chinese_and_stand_alone(judged):
    workspace, run, about = judged
    folder = workspace.run_folder(run) / "data_docs"
    assert about["docs"] == f"runs/{run}/data_docs/index.html"
    index = (folder / "index.html").read_text(encoding="utf-8")
    assert "保单" in index and "状态分布偏移" in index and "The states moved" in index and "0.4159" in index and "参照往期 12 期" in index
    (page,) = (folder / "validations").rglob("*.html")
    text = page.read_text(encoding="utf-8")
    assert "SM-BD-PF-02 ZT 状态 分布偏移（PSI） &lt;= 0.25" in text or "SM-BD-PF-02 ZT 状态 分布偏移（PSI） <= 0.25" in text
    assert "（参照12期 2025-10 .. 2026-09，合并分布）" in text and 'meta charset="UTF-8"' in text
    for path in folder.rglob("*"):
        if path.suffix in (".html", ".css"):
            content = path.read_text(encoding="utf-8")
            assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//|@import|url\(|<script""", content), path.name
    for path in folder.rglob("*.html"):
        for target in re.findall(r'href="([^"#]+)"', path.read_text(encoding="utf-8")):
            assert (path.parent / unquote(target)).is_file(), (path.name, target)
    assert not (folder.parent / "data_docs.partial").exists()


@pytest.mark.slow
def test_nothing_tried_the_network(judged, _offline):
    assert _offline == []


def call(capsys, *arguments) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    told = capsys.readouterr()
    set_language(None)
    return left.value.code, told.out, told.err


@pytest.mark.slow
def test_the_command(judged, capsys):
    workspace, run, about = judged
    code, out, _ = call(capsys, "--lang", "en", "profiles", run, "--no-docs", "-w", workspace.root)
    assert code == 1 and "5 expectations, 2 met, 2 not met, 1 skipped, 0 errored" in out and "Compared with 12 earlier period(s): 2025-10 to 2026-09" in out
    code, out, _ = call(capsys, "--lang", "zh", "profiles", "--not-met", "--no-docs", "-w", workspace.root)
    assert code == 1 and "状态分布偏移" in out and "SM-BD-PF-01" not in out
    code, out, _ = call(capsys, "profiles", "--format", "json", "--no-docs", "--table", "BD", "-w", workspace.root)
    told = json.loads(out)
    assert told["results"] == about["results"] and told["docs"] is None


@pytest.mark.slow
def test_a_short_history_is_told_and_none_is_skipped(_offline, tmp_path, capsys):
    pytest.importorskip("great_expectations")
    workspace, run = make_workspace(tmp_path / "two", MONTHS[-2:])
    code, out, _ = call(capsys, "--lang", "en", "profiles", run, "--no-docs", "-w", workspace.root)
    assert code == 1 and "Compared with 2 earlier period(s): 2026-08 to 2026-09; fewer than the 12 wanted" in out
    workspace, run = make_workspace(tmp_path / "none", [])
    code, out, _ = call(capsys, "--lang", "en", "profiles", run, "--format", "json", "--no-docs", "-w", workspace.root)
    found = lines(json.loads(out))
    assert code == 0 and [found[f"SM-BD-PF-0{n}"]["reason"] for n in (1, 2, 4)] == ["no_history"] * 3
    assert {found[f"SM-BD-PF-0{n}"]["outcome"] for n in (1, 2, 4)} == {"skipped"} and found["SM-BD-PF-03"]["outcome"] == "failed"
    code, out, _ = call(capsys, "--lang", "en", "profiles", run, "--no-docs", "-w", workspace.root)
    assert "No earlier period to compare with: what looks at change is skipped, not met" in out


@pytest.mark.slow
def test_the_thresholds_of_today_are_shown_and_not_kept(judged, tmp_path, capsys):
    workspace, run, _ = judged
    packs = write_standard(tmp_path / "packs")
    write_expectations(packs, EXPECTATIONS.replace("at_most: 0.25", "at_most: 0.5"))
    mine = Workspace(tmp_path / "ws", "000001", packs=(str(packs),))
    shutil.copytree(workspace.root, mine.root)
    mine.save()
    before = (mine.run_folder(run) / "profiles/results.json").read_bytes()
    code, out, _ = call(capsys, "profiles", run, "--current", "--format", "json", "-w", mine.root)
    assert code == 0 and lines(json.loads(out))["SM-BD-PF-02"]["outcome"] == "passed"
    assert (mine.run_folder(run) / "profiles/results.json").read_bytes() == before


def test_without_the_extra_it_is_told_how_to_install_it(tmp_path, monkeypatch, capsys):
    workspace, run = make_workspace(tmp_path, [])
    monkeypatch.setitem(sys.modules, "great_expectations", None)
    with open_ledger(workspace.ledger_place) as ledger, pytest.raises(GreatExpectationsMissing, match="eastbound\\[profiles\\]"):
        judge_run(workspace, ledger, run)
    code, _, err = call(capsys, "--lang", "zh", "profiles", run, "-w", workspace.root)
    assert code == 2 and "尚未安装" in err and not (workspace.run_folder(run) / "data_docs").exists()
    # What was being built is gone again.
    assert not (workspace.run_folder(run) / "data_docs.partial").exists()


def test_a_run_without_profiles_is_told(tmp_path, capsys):
    workspace, run = make_workspace(tmp_path, [])
    shutil.rmtree(workspace.run_folder(run) / "profiles")
    code, _, err = call(capsys, "--lang", "en", "profiles", run, "-w", workspace.root)
    assert code == 2 and f"run {run} has no profiles" in err
