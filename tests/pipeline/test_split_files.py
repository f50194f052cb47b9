"""One file per part: a table split by an item, its serial numbers running on, and the folder checked as one submission."""

from __future__ import annotations

from datetime import date

import pytest

from etl.errors import EastboundError
from etl.packs.roots import PackRoots
from etl.pipeline import RunRequest, start_run
from etl.pipeline.foreign import check_files
from etl.pipeline.tracing import trace_serial
from etl.standard import load_standard
from etl.submission.definition import Period
from etl.submission.package import verify_package
from tests.pipeline.small_insurer import make_workspace

REQUEST = RunRequest("tiny", Period.parse("2026-10"), date(2026, 11, 15))


def split(workspace, item: str, name: str = "{company}-{part}-{table}-{period_end:%Y%m%d}.txt"):
    path = next(iter((workspace.root.parent / "packs").glob("mappings/standards/tiny/standard.yaml")))
    text = path.read_text(encoding="utf-8").replace("hold_key: [BDH]", f"hold_key: [BDH]\nsplit_by: {item}")
    path.write_text(text.replace("{company}-{table}-{period_end:%Y%m%d}.txt", name), encoding="utf-8")
    return workspace


def test_each_part_has_its_file_and_serials_run_on(tmp_path):
    workspace = split(make_workspace(tmp_path), "BDH")
    result = start_run(workspace, REQUEST)
    assert result.status == "sealed"
    lines = {path.name: [line.split("\x01")[0][-2:] for line in path.read_text(encoding="utf-8").splitlines()] for path in result.package.glob("*.txt")}
    assert lines == {
        "000123-P001-BD-20261031.txt": ["01"], "000123-P002-BD-20261031.txt": ["02"], "000123-P003-BD-20261031.txt": ["03"],
        "000123-P001-JF-20261031.txt": ["04"], "000123-P002-JF-20261031.txt": ["05", "06"], "000123-P003-JF-20261031.txt": ["07"]}
    assert verify_package(result.package, load_standard("tiny", PackRoots.of(*workspace.packs))) == []
    found = trace_serial(workspace, "000123202611150000000006")
    assert (found.items["BDH"], found.items["XH"], found.sources[0].key) == ("P002", "2", "P002|2")


def test_a_folder_of_parts_is_checked_as_one_submission(tmp_path):
    workspace = split(make_workspace(tmp_path), "BDH")
    package = start_run(workspace, REQUEST).package
    roots = PackRoots.of(*workspace.packs)
    assert check_files(package, "tiny", roots).findings == []
    path = package / "000123-P002-JF-20261031.txt"
    first, second = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text(first + second.replace("P002\x012", "P003\x011"), encoding="utf-8")
    found = {(f["file"], f["line"], f["rule"]) for f in check_files(package, "tiny", roots).findings}
    assert found == {("000123-P002-JF-20261031.txt", 2, "TN-JF-UNQ"), ("000123-P003-JF-20261031.txt", 1, "TN-JF-UNQ")}


@pytest.mark.parametrize(("item", "name", "en", "zh"), [
    ("XM", "{company}-{part}-{table}.txt", "table JF has no required text item XM", "表 JF 没有必填的文本数据项 XM"),
    ("BDH", "{company}-{table}.txt", "file_name needs {part}", "file_name 应含 {part}"),
])
def test_a_split_that_cannot_be_is_a_load_error(tmp_path, item, name, en, zh):
    workspace = split(make_workspace(tmp_path), item, name)
    with pytest.raises(EastboundError) as caught:
        load_standard("tiny", PackRoots.of(*workspace.packs))
    assert en in caught.value.sentence("en") and zh in caught.value.sentence("zh")
