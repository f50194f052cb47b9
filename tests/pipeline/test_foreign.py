"""Checking files that someone else made: format faults by line, rules by line, and honest skipping of what is masked."""

from __future__ import annotations

from datetime import date

import pytest

from etl.packs.roots import PackRoots
from etl.pipeline import RunRequest, start_run
from etl.pipeline.foreign import NoSubmissionFiles, check_files
from etl.submission.definition import Period
from tests.pipeline.small_insurer import make_workspace, write_packs

HEAD = ["000123", "小保险公司"]


def serial(number: int) -> str:
    return f"00012320261115{number:010d}"


def write_lines(path, rows, first=1):
    path.write_text("".join("\x01".join([serial(first + i), *HEAD, *row]) + "\n" for i, row in enumerate(rows)), encoding="utf-8", newline="")


def policy(number="P1", name="张三", state="有效", start="2026-01-01", end="", premium="100.00", paid="100.00", note="未记录"):
    return [number, name, state, start, end, premium, paid, note]


@pytest.fixture
def roots(tmp_path):
    return PackRoots.of(str(write_packs(tmp_path / "packs")))


def test_own_package_is_clean(tmp_path):
    workspace = make_workspace(tmp_path)
    package = start_run(workspace, RunRequest("tiny", Period.parse("2026-10"), date(2026, 11, 15))).package
    result = check_files(package, "tiny", PackRoots.of(*workspace.packs))
    assert result.findings == []
    assert result.rows == 7 and sorted(result.files) == ["000123-BD-20261031.txt", "000123-JF-20261031.txt"]
    assert result.skipped == {"TN-BD-XM-LEN": "masked: BD.XM"}


def test_findings_name_file_and_line(tmp_path, roots):
    folder = tmp_path / "theirs"
    folder.mkdir()
    write_lines(folder / "000123-BD-20261031.txt", [
        policy("P1"), policy("P2", state="终止"), policy("P2", state="有效"), policy("P4", state="暂停"), policy("P5", start="2026-02-30"), policy("P6", note="x" * 61),
        policy("P7", note="空白　")])
    write_lines(folder / "000123-JF-20261031.txt", [["P1", "1", "5.00", "2026-10-01"], ["P9", "1", "5.00", "2026-10-01"]], first=8)
    found = {(f["file"][7:9], f["line"], f["rule"]) for f in check_files(folder, "tiny", roots).findings}
    assert found == {
        ("BD", 2, "TN-BD-ZZRQ-CR-01"), ("BD", 2, "TN-BD-UNQ"), ("BD", 3, "TN-BD-UNQ"), ("BD", 4, "FILE-CODE"), ("BD", 5, "FILE-TYPE"),
        ("BD", 6, "FILE-LENGTH"), ("BD", 7, "TN-BD-BZ-FMT"), ("JF", 2, "TN-JF-BDH-REF")}


def test_line_with_a_separator_too_many(tmp_path, roots):
    path = tmp_path / "000123-BD-20261031.txt"
    write_lines(path, [policy("P1"), policy("P2", note="a\x01b"), policy("P3")])
    result = check_files(path, "tiny", roots)
    assert [(f["line"], f["rule"]) for f in result.findings if f["rule"] == "FILE-SEPARATORS"] == [(2, "FILE-SEPARATORS")]
    assert result.rows == 3


def test_folder_without_submission(tmp_path, roots):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoSubmissionFiles) as caught:
        check_files(tmp_path / "empty", "tiny", roots)
    assert "{company}-{table}" in caught.value.sentence("en") and "没有可识别的报送文件" in caught.value.sentence("zh")
