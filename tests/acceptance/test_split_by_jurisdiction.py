"""The demo insurer's national package in one package per jurisdiction, and its audit files handed to the branches."""

from __future__ import annotations

import shutil
from datetime import date

from etl.packs.roots import PackRoots
from etl.pipeline import RunRequest, start_run
from etl.pipeline.provinces import jurisdictions_of, split_one
from etl.pipeline.union import prove_union
from etl.standard import load_standard
from etl.submission.definition import Period
from etl.submission.package import read_manifest, verify_package
from etl.workspace import Workspace
from tests.acceptance.conftest import Month


def own_copy(month: Month, folder) -> Workspace:
    """The month in a folder of the test's own."""
    shutil.copytree(month.workspace.root, folder)
    return Workspace.open(folder)


def test_the_parts_of_the_month_are_the_month(clean_month, tmp_path):
    workspace = own_copy(clean_month, tmp_path / "ws")
    names = jurisdictions_of(workspace, clean_month.run)
    assert {"110000", "310000", "440300"} <= set(names) and len(names) >= 8
    parts = [split_one(workspace, clean_month.run, name, unapproved=True) for name in names]
    assert {part.status for part in parts} == {"sealed"}
    shanghai, shenzhen = (next(part for part in parts if part.jurisdiction == name) for name in ("310000", "440300"))
    # What stands in the overlays: Shanghai wants GB18030, Shenzhen its code in the names of the files.
    assert read_manifest(shanghai.package)["part"]["format"] == {"encoding": "gb18030"} and "上海".encode("gb18030") in (shanghai.package / "000999-FZJGXXB-20261031.txt").read_bytes()
    assert (shenzhen.package / "000999440300-GRBDB-20261031.txt").is_file() and shenzhen.package.name == "000999440300-20261031"
    assert verify_package(shanghai.package, load_standard("east_life_2020")) == []
    whole = workspace.root / clean_month.package.relative_to(clean_month.workspace.root)
    entries = {entry["table"]: entry for entry in read_manifest(whole)["tables"]}
    assert {table: sum(part.tables.get(table, 0) for part in parts) for table in entries} == {table: entry["rows"] for table, entry in entries.items()}
    # The head office's jurisdiction has the tables that are the company's own.
    assert shanghai.tables["JGGQXXB"] == entries["JGGQXXB"]["rows"] and all("JGGQXXB" not in part.tables for part in parts if part is not shanghai)
    policies = (shenzhen.package / "000999440300-GRBDB-20261031.txt").read_text(encoding="utf-8").splitlines()
    place = [item.code for item in load_standard("east_life_2020").tables["GRBDB"].items].index("JGXQDM")
    assert policies and {line.split("\x01")[place] for line in policies} == {"440300"}
    assert set(policies) <= set((whole / "000999-GRBDB-20261031.txt").read_text(encoding="utf-8").splitlines())
    union = prove_union(workspace, clean_month.run)
    assert union.equal and len(union.tables) == 46 and sum(table.rows_whole for table in union.tables) == sum(part.rows for part in parts)


def test_the_audit_files_of_each_province_are_a_package(clean_month, tmp_path):
    workspace = own_copy(clean_month, tmp_path / "ws")
    result = start_run(workspace, RunRequest("audit_life", Period.parse("2026Q3"), date(2026, 10, 12)))
    assert result.status == "sealed" and result.package
    names = jurisdictions_of(workspace, result.run)
    assert "440300" in names
    for name in names:
        part = split_one(workspace, result.run, name, unapproved=True)
        assert part.status == "sealed" and part.package.parent.parent.name == name
        theirs = {path.name: path.read_bytes() for path in part.package.glob("*.txt")}
        assert theirs == {path.name: path.read_bytes() for path in result.package.glob(f"*-{name}-*.txt")} and theirs
        assert verify_package(part.package, load_standard("audit_life", PackRoots.of())) == []
    union = prove_union(workspace, result.run)
    assert union.equal and len(union.parts) == len(names)
