"""Runs by editions: a family's name is the edition of the period, several standards run in one go, items out of force stay away."""

from __future__ import annotations

import json
import shutil

import pytest

from etl.cli import main
from etl.language import set_language
from tests.pipeline.small_insurer import make_workspace


def call(capsys, *arguments) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    set_language(None)
    told = capsys.readouterr()
    return left.value.code, told.out, told.err


@pytest.fixture
def workspace(tmp_path):
    """The small insurer under two editions of the family `small`: `tiny` up to September 2026, `tiny_b` from October on.

    `tiny_b` has lost 备注 (BZ) by then, and gets 累计保费 (LJBF) in November.
    """
    workspace = make_workspace(tmp_path / "ws")
    root = tmp_path / "ws/packs"
    for folder in ("mappings/standards", "mappings/sources/core", "validation_rules"):
        shutil.copytree(root / folder / "tiny", root / folder / "tiny_b")

    def change(name, *pairs):
        path = root / name
        text = path.read_text(encoding="utf-8")
        for old, new in pairs:
            assert text.count(old) == 1, (name, old)
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")

    change("mappings/standards/tiny/standard.yaml", ("standard: tiny\n", "standard: tiny\nfamily: small\neffective: {to: 2026-09-30}\n"))
    change("mappings/standards/tiny_b/standard.yaml", ("standard: tiny\n", "standard: tiny_b\nfamily: small\neffective: {from: 2026-10-01}\n"))
    change("mappings/standards/tiny_b/tables/BD.yaml", ("{code: BZ,", "{code: BZ, effective: {to: 2026-09-30},"), ("{code: LJBF,", "{code: LJBF, effective: {from: 2026-11-01},"))
    for table in ("BD", "JF"):
        change(f"mappings/sources/core/tiny_b/{table}.yaml", ("standard: tiny\n", "standard: tiny_b\n"))
    return workspace


def test_the_period_picks_the_edition_and_the_items(capsys, workspace):
    asked = ["run", "-q", "-s", "small", "--report-date", "2026-11-15", "-w", workspace.root, "--format", "json"]
    columns = {}
    for period in ("2026-09", "2026-10", "2026-11"):
        code, out, err = call(capsys, *asked, "-p", period)
        about = json.loads(out)
        assert (code, about["status"]) == (0, "sealed"), err
        file = next((workspace.root / about["package"]).glob("000123-BD-*.txt"))
        columns[about["standard"], period] = len(file.read_text(encoding="utf-8").splitlines()[0].split("\x01"))
    # 11 items; without BZ and LJBF nine are left in October, and LJBF is back in November.
    assert columns == {("tiny", "2026-09"): 11, ("tiny_b", "2026-10"): 9, ("tiny_b", "2026-11"): 10}


def test_one_month_under_two_editions_in_one_go(capsys, workspace):
    code, out, err = call(capsys, "run", "-q", "-s", "tiny", "-s", "tiny_b", "-s", "small", "-p", "2026-10", "--report-date", "2026-11-15", "-w", workspace.root, "--format", "json")
    about = json.loads(out)
    assert code == 0, err
    assert [(one["standard"], one["status"], [t["rows_out"] for t in one["tables"]]) for one in about] == [("tiny", "sealed", [3, 4]), ("tiny_b", "sealed", [3, 4])]
    code, _, err = call(capsys, "--lang", "en", "run", "-q", "-s", "tiny", "-s", "nowhere", "-p", "2026-10", "-w", workspace.root)
    assert code == 2 and "there is no standard named nowhere" in err
    code, out, _ = call(capsys, "runs", "list", "-w", workspace.root, "--format", "json")
    assert len(json.loads(out)) == 2
