"""The whole road with a fixed-width format that comes from a pack folder outside the repository, by the commands people use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from etl.cli import main
from etl.language import set_language
from etl.workspace import Workspace
from tests.pipeline.small_insurer import write_core, write_packs

FIXED = """
format:
  kind: fixed
  encoding: gb18030
  line_end: "\\r\\n"
  date: "%Y%m%d"
  decimals: implied
  sign: trailing
  "null": ""
  file_name: "{company}-{table}-{period_end:%Y%m%d}.txt"
  folder: "{company}-{period_end:%Y%m%d}"
  header: [{text: H}, {field: table, width: 4}, {field: company, width: 6}, {field: period_end, date: "%Y%m"}, {field: report_date}]
  trailer: [{text: T}, {field: rows, width: 6}, {field: sum, item: {BD: BF, JF: JE}, width: 19}]
"""
NAME = "小保险公司".encode("gb18030").ljust(200)


@pytest.fixture(autouse=True)
def _english():
    set_language("en")
    yield
    set_language(None)


def call(capsys, *arguments) -> tuple[int, str]:
    with pytest.raises(SystemExit) as left:
        main(["--lang", "en", *(str(a) for a in arguments)])
    return left.value.code, capsys.readouterr().out


@pytest.fixture
def insurer(tmp_path) -> tuple[Path, Path]:
    """A workspace that knows of no packs, and the pack folder to be named by --packs."""
    packs = write_packs(tmp_path / "outside", file_format=FIXED)
    Workspace(tmp_path / "ws", "000123", {"core": write_core(tmp_path / "core.db")}).save()
    return tmp_path / "ws", packs


def run(capsys, workspace: Path, packs: Path) -> Path:
    code, out = call(capsys, "run", "-q", "-s", "tiny", "-p", "2026-10", "--report-date", "2026-11-15", "-w", workspace, "--packs", packs, "--format", "json")
    about = json.loads(out)
    assert code == 0 and about["status"] == "sealed" and about["findings"] == {"error": 0, "warning": 0}
    return workspace / about["package"] if not Path(about["package"]).is_absolute() else Path(about["package"])


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_fixed_width_package_is_written_verified_checked_and_the_same_again(capsys, insurer):
    workspace, packs = insurer
    first, second = run(capsys, workspace, packs), run(capsys, workspace, packs)
    assert first != second and content(first) == content(second)
    lines = (first / "000123-JF-20261031.txt").read_bytes().split(b"\r\n")
    # Payments of 1000.00 + 250.50 + 250.50 + 99.90; amounts have 18 digits and a sign, numbers 10 digits and a sign.
    assert lines == [
        b"HJF  00012320261020261115",
        b"000123202611150000000004000123" + NAME + b"P001".ljust(20) + b"0000000001 " + b"000000000000100000 " + b"20260105",
        b"000123202611150000000005000123" + NAME + b"P002".ljust(20) + b"0000000001 " + b"000000000000025050 " + b"20250301",
        b"000123202611150000000006000123" + NAME + b"P002".ljust(20) + b"0000000002 " + b"000000000000025050 " + b"20260301",
        b"000123202611150000000007000123" + NAME + b"P003".ljust(20) + b"0000000001 " + b"000000000000009990 " + b"20261001",
        b"T000004000000000000160090 ",
        b"",
    ]
    policies = (first / "000123-BD-20261031.txt").read_bytes().split(b"\r\n")
    # 24 + 6 + 200 + 20 + 64 + 20 + 8 + 8 + 19 + 19 + 60 bytes, and no character cut.
    assert {len(line) for line in policies[1:-2]} == {448}
    assert policies[2][334:] == b"20250301" + b"20260930" + b"000000000000025050 " + b"000000000000050100 " + "未记录".encode("gb18030").ljust(60)
    assert policies[1][342:350] == b" " * 8 and policies[-2] == b"T000003000000000000135040 "
    code, out = call(capsys, "verify", first, "--packs", packs)
    assert code == 0 and "2 files, 7 rows" in out
    code, out = call(capsys, "check", first, "-s", "tiny", "--packs", packs, "--format", "json")
    assert (code, json.loads(out)) == (0, [])


def test_damage_to_a_fixed_width_file_is_told_by_file_and_line(capsys, insurer, tmp_path):
    workspace, packs = insurer
    package = run(capsys, workspace, packs)
    copy = tmp_path / "theirs"
    shutil.copytree(package, copy)
    path = copy / "000123-JF-20261031.txt"
    lines = path.read_bytes().split(b"\r\n")
    # A wrong sum in the trailer, an amount with a letter, a policy number that is not in the other file, a line one byte short.
    lines[5] = b"T000004000000000000160091 "
    lines[1] = lines[1].replace(b"0000000000001000", b"00000000000X1000")
    lines[2] = lines[2].replace(b"P002", b"P009")
    lines[4] = lines[4][:-1]
    path.write_bytes(b"\r\n".join(lines))
    code, out = call(capsys, "check", copy, "-s", "tiny", "--packs", packs, "--format", "json")
    found = {(f["file"], f["line"], f["item"], f["rule"]) for f in json.loads(out)}
    name = "000123-JF-20261031.txt"
    assert code == 1 and found == {
        (name, 2, "JE", "FILE-FIELD"), (name, 3, "BDH", "TN-JF-BDH-REF"), (name, 5, "", "FILE-RECORD-LENGTH"), (name, 6, "JE", "FILE-CONTROL-TOTAL")}
    code, out = call(capsys, "verify", copy, "--packs", packs)
    assert code == 1 and f"{name}:6:JE: the control total sum(JE) should be" in out and "sha256" in out
    code, out = call(capsys, "check", package / name, "-s", "tiny", "-p", "2026-09", "--packs", packs, "--format", "json")
    assert {(f["line"], f["rule"]) for f in json.loads(out)} == {(1, "FILE-HEADER")} and code == 1


def test_a_value_that_does_not_fit_stops_the_run_and_nothing_is_sealed(capsys, tmp_path):
    packs = write_packs(tmp_path / "outside", file_format=FIXED.replace("sign: trailing", "sign: none"))
    # Paid back more than was paid: allowed by the rules, but the format has no sign.
    core = write_core(tmp_path / "core.db", payments=[("P001", 1, "-5.00", "2026/01/05")])
    Workspace(tmp_path / "ws", "000123", {"core": core}).save()
    with pytest.raises(SystemExit) as left:
        main(["--lang", "en", "run", "-q", "-s", "tiny", "-p", "2026-10", "--report-date", "2026-11-15", "-w", str(tmp_path / "ws"), "--packs", str(packs)])
    told = capsys.readouterr()
    assert left.value.code != 0 and "BD.LJBF: 1 row(s) are negative" in told.err + told.out
    assert not (tmp_path / "ws/packages").exists()
