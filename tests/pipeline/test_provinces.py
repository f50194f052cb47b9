"""The national package split by jurisdiction: every line once and as it was, local rules and file details, kills, approvals."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from etl.approvals.decision import NotApproved, decide, require_approval
from etl.errors import EastboundError
from etl.ledger import open_ledger
from etl.ledger.approvals import APPROVED, ApprovalBook, PartStale, RunSuperseded, SamePerson
from etl.packs.roots import PackRoots
from etl.pipeline import RunRequest, resume_run, start_run
from etl.pipeline.placing import HeadUnclear, NotSplit, RowsUnplaced
from etl.pipeline.provinces import JurisdictionWithoutRows, NotWhole, jurisdictions_of, split_one
from etl.pipeline.road import PartNotResumed
from etl.pipeline.union import as_record, load_union, prove_union
from etl.standard import load_standard
from etl.submission.definition import Period
from etl.submission.package import MANIFEST, read_manifest, verify_package
from etl.workspace import Workspace
from tests.pipeline.small_provinces import EXPECTED, TABLES, make_workspace, write_overlay

REQUEST = RunRequest("prov", Period.parse("2026-10"), date(2026, 11, 15))
STRICT = """
table: BD
rules:
  - id: PV-BD-BF-VR-31000001
    family: value_range
    expect: BF >= 2000
    severity: error
    message: {zh: 保费过低, en: The premium is too low}
    basis: test
    examples: {pass: [{BF: 2000}], fail: [{BF: 1999.99}]}
"""


def sealed(folder: Path, **changed: list[tuple]) -> tuple[Workspace, str, Path]:
    workspace = make_workspace(folder, **changed)
    result = start_run(workspace, REQUEST)
    assert result.status == "sealed" and result.package
    return workspace, result.run, result.package


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, str]:
    """A sealed month, to be copied: (folder, run)."""
    folder = tmp_path_factory.mktemp("provinces")
    return folder, sealed(folder)[1]


@pytest.fixture
def month(made, tmp_path) -> tuple[Workspace, str, Path]:
    """A sealed month of the test's own: (workspace, run, package)."""
    folder = tmp_path / "own"
    shutil.copytree(made[0], folder)
    workspace = Workspace(folder / "ws", "000123", {"core": f"sqlite:///{folder / 'core.db'}"}, packs=(str(folder / "packs"),))
    workspace.save()
    return workspace, made[1], workspace.root / "packages/prov/2026-10/001/000123-20261031"


def lines(package: Path, table: str, encoding: str = "utf-8") -> list[str]:
    return next(package.glob(f"*-{table}-*.txt")).read_text(encoding=encoding).splitlines(keepends=True)


def numbers(package: Path, table: str) -> list[int]:
    return [int(line.split("\x01")[0][-10:]) for line in lines(package, table)]


def files_of(package: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(package.iterdir())}


SUBMITTED = [code for code, told in TABLES.items() if told[2]]


def test_every_line_of_the_whole_is_in_one_part_as_it_was(month):
    workspace, run, whole = month
    assert jurisdictions_of(workspace, run) == ["110000", "310000", "440300"]
    parts = {name: split_one(workspace, run, name, unapproved=True) for name in EXPECTED}
    for name, part in parts.items():
        assert (part.jurisdiction, part.status, part.findings, part.done_before) == (name, "sealed", {"error": 0, "warning": 0}, False)
        assert part.package == workspace.root / f"packages/prov/2026-10/{name}/001/000123{name}-20261031"
        assert {table: numbers(part.package, table) for table in SUBMITTED} == EXPECTED[name]
        assert part.rows == sum(len(found) for found in EXPECTED[name].values())
        assert verify_package(part.package, load_standard("prov", PackRoots.of(*workspace.packs))) == []
    for table in SUBMITTED:
        together = sorted((line for part in parts.values() for line in lines(part.package, table)), key=lambda line: line.split("\x01")[0])
        assert together == lines(whole, table), table
    union = prove_union(workspace, run)
    assert union.equal and (union.absent, union.damaged) == ([], [])
    assert [(t.table, t.rows_whole, t.rows_parts, t.equal) for t in union.tables] == [
        ("DW", 3, 3, True), ("CP", 2, 2, True), ("KH", 4, 4, True), ("BD", 4, 4, True), ("GX", 5, 5, True), ("JF", 4, 4, True)]
    assert union.tables[3].totals_whole == union.tables[3].totals_parts == {"BF": "1360.40"}
    assert load_union(workspace, run) == json.loads(json.dumps(as_record(union)))
    with open_ledger(workspace.ledger_place) as ledger:
        event = next(event for event in ledger.events(subject=run) if event.action == "provincial.union")
        assert (event.detail["equal"], event.detail["rows_whole"], event.detail["rows_parts"]) == (True, 22, 22) and ledger.verify_chain().ok


def test_a_part_names_the_whole_and_is_made_once(month):
    workspace, run, whole = month
    first = split_one(workspace, run, "310000", unapproved=True)
    manifest = read_manifest(first.package)
    assert manifest["part"] == {"jurisdiction": "310000", "of": {"folder": "000123-20261031", "package_sha256": read_manifest(whole)["self"]}, "format": {},
                                "local_fingerprint": manifest["part"]["local_fingerprint"], "report_folder": ""}
    again = split_one(workspace, run, "310000", unapproved=True)
    assert (again.run, again.package, again.done_before) == (first.run, first.package, True)
    shutil.rmtree(first.package)
    mended = split_one(workspace, run, "310000", unapproved=True)
    assert (mended.package, read_manifest(mended.package)) == (first.package, manifest)
    with open_ledger(workspace.ledger_place) as ledger:
        assert [r.id for r in ledger.runs()] == [run] and len(ledger.runs(parts=True)) == 3


def test_a_row_without_jurisdiction_is_listed_and_nothing_is_split(tmp_path):
    links = [("C1", "P2"), ("C2", "P3"), ("C3", "P9"), ("C4", "P4")]
    workspace, run, _ = sealed(tmp_path, GX=links)
    # GX C3|P9 names a policy that is not there (line 16 of 14-17), and C3 (line 8) is known by that link alone.
    with pytest.raises(RowsUnplaced) as caught:
        split_one(workspace, run, "110000", unapproved=True)
    assert caught.value.values["count"] == 2 and caught.value.exit_code == 1
    listed = (workspace.root / caught.value.values["path"]).read_text(encoding="utf-8").splitlines()
    assert listed == ["table,serial", "KH,000123202611150000000008", "GX,000123202611150000000016"]
    with pytest.raises(RowsUnplaced):
        jurisdictions_of(workspace, run)
    assert not (workspace.root / "packages/prov/2026-10/110000").exists()


@pytest.mark.parametrize("units", [[("H", "总公司", "110000", "02"), ("S1", "上海", "310000", "02"), ("S2", "深圳", "440300", "02")],
                                   [("H", "总公司", "110000", "01"), ("S1", "上海", "310000", "01"), ("S2", "深圳", "440300", "02")]])
def test_no_or_two_head_offices_are_an_error(tmp_path, units):
    workspace, run, _ = sealed(tmp_path, DW=units)
    with pytest.raises(HeadUnclear):
        jurisdictions_of(workspace, run)


def test_local_rules_judge_the_rows_of_the_part_and_block_only_it(month):
    workspace, run, _ = month
    write_overlay(workspace, "310000", BD=STRICT)
    blocked = split_one(workspace, run, "310000", unapproved=True)
    # P1 (1000.00) alone is Shanghai's; the three others are below 2000, too, and not judged.
    assert (blocked.status, blocked.package, blocked.findings) == ("blocked", None, {"error": 1, "warning": 0})
    assert not (workspace.root / "packages/prov/2026-10/310000").exists()
    with open_ledger(workspace.ledger_place) as ledger:
        outcome = {o.rule: o for o in ledger.findings(blocked.run)}["PV-BD-BF-VR-31000001"]
    assert (outcome.outcome, outcome.judged, outcome.failed) == ("failed", 1, 1)
    assert split_one(workspace, run, "440300", unapproved=True).status == "sealed"
    union = prove_union(workspace, run)
    assert not union.equal and union.absent == ["110000", "310000"]
    # The rule is taken back: the same part goes on, and is sealed.
    write_overlay(workspace, "310000", BD=STRICT.replace("severity: error", "severity: warning"))
    mended = split_one(workspace, run, "310000", unapproved=True)
    assert (mended.status, mended.findings) == ("sealed", {"error": 0, "warning": 1})


def test_partners_are_those_of_the_whole_and_sums_those_of_the_part(month):
    workspace, run, _ = month
    overlay = """
table: GX
rules:
  - id: PV-GX-KHH-RL-44030001
    family: relation
    relation: {to: KH, "on": {KHH: KHH}}
    severity: error
    message: {zh: 客户应存在, en: The customer is there}
    basis: test
    examples: {pass: [{GX: [{KHH: a, BDH: b}], KH: [{KHH: a}]}], fail: [{GX: [{KHH: a, BDH: b}], KH: [{KHH: c}]}]}
"""
    sums = """
table: BD
rules:
  - id: PV-BD-BF-RC-44030001
    family: reconciliation
    reconcile: {left: {table: BD, value: sum(BF), by: [DWDM]}, right: {table: ZJ, value: sum(JE), by: [DWDM]}, tolerance: 0.00}
    severity: error
    message: {zh: 与总账不符, en: Differs from the ledger}
    basis: test
    examples: {pass: [{BD: [{BDH: a, DWDM: s, BF: 1}], ZJ: [{DWDM: s, JE: 1}]}], fail: [{BD: [{BDH: a, DWDM: s, BF: 1}], ZJ: [{DWDM: s, JE: 2}]}]}
"""
    write_overlay(workspace, "440300", GX=overlay, BD=sums)
    # C1 has a policy here and is Shanghai's customer: not missing. S2's premiums are 350.40 here and in the ledger; those of S1 and H are no part of it.
    part = split_one(workspace, run, "440300", unapproved=True)
    assert (part.status, part.findings) == ("sealed", {"error": 0, "warning": 0})
    with open_ledger(workspace.ledger_place) as ledger:
        found = {o.rule: (o.outcome, o.judged) for o in ledger.findings(part.run)}
    assert found == {"PV-GX-KHH-RL-44030001": ("passed", 3), "PV-BD-BF-RC-44030001": ("passed", 1)}


def test_file_details_of_a_jurisdiction(month):
    workspace, run, whole = month
    write_overlay(workspace, "310000", format="basis: test\nencoding: gb18030\nfile_name: \"{jurisdiction}-{table}-{period_end:%Y%m}.txt\"\n"
                                              "folder: \"SH{company}\"\nreport_folder: \"EAST/{jurisdiction}\"\n")
    part = split_one(workspace, run, "310000", unapproved=True)
    assert part.package.name == "SH000123" and part.report_folder == "EAST/310000"
    path = part.package / "310000-DW-202610.txt"
    assert path.read_bytes() == lines(whole, "DW")[1].encode("gb18030") and "上海分公司".encode("gb18030") in path.read_bytes()
    assert verify_package(part.package, load_standard("prov", PackRoots.of(*workspace.packs))) == []
    for name in ("110000", "440300"):
        split_one(workspace, run, name, unapproved=True)
    assert prove_union(workspace, run).equal


@pytest.mark.parametrize(("text", "en"), [
    ("encoding: gb18030\n", "no basis"), ("basis: t\nencoding: utf-16\n", "does not extend ASCII"), ("basis: t\nfile_name: x.txt\n", "needs {table}"),
    ("basis: t\nfolder: \"../{company}\"\n", "is no name"), ("basis: t\nfolder: \"{region}\"\n", "cannot be filled"), ("basis: t\nreport_folder: \"a/../b\"\n", "is no name"),
    ("basis: t\nencodng: gbk\n", "did you mean encoding"), ("basis: t\nencoding: klingon\n", "does not extend ASCII"),
])
def test_file_details_that_cannot_be_are_refused_before_anything_is_made(month, text, en):
    workspace, run, _ = month
    write_overlay(workspace, "310000", format=text)
    with pytest.raises(EastboundError) as caught:
        split_one(workspace, run, "310000", unapproved=True)
    assert en in caught.value.sentence("en")
    with open_ledger(workspace.ledger_place) as ledger:
        assert len(ledger.runs(parts=True)) == 1


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
# Where a worker dies: the text is written and not sealed; the package is in its place and the ledger does not know.
DEATHS = {
    "before the package": "import etl.pipeline.provinces as p; p._seal = lambda *_: os._exit(9)",
    "after the package": "import etl.pipeline.provinces as p; p._result = lambda *_, **__: os._exit(9)\nfrom etl.ledger.ledger import Ledger\nLedger.record_artefact = lambda *_, **__: os._exit(9)",
}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_a_part_that_was_killed_ends_with_the_same_bytes(month, tmp_path, death):
    workspace, run, _ = month
    shutil.copytree(workspace.root, tmp_path / "undisturbed")
    other = Workspace(tmp_path / "undisturbed", workspace.company, workspace.systems, packs=workspace.packs)
    expected = split_one(other, run, "440300", unapproved=True)
    script = f"import os, sys\n{death}\nfrom etl.workspace import Workspace\np.split_one(Workspace.open(sys.argv[1]), sys.argv[2], '440300', unapproved=True)"
    dead = subprocess.run([sys.executable, "-c", script, str(workspace.root), run], env=ENVIRONMENT, timeout=120, check=False)
    assert dead.returncode == 9
    again = split_one(workspace, run, "440300", unapproved=True)
    assert again.package == workspace.root / "packages/prov/2026-10/440300/001/000123440300-20261031"
    assert files_of(again.package) == files_of(expected.package)
    assert [path.name for path in again.package.parents[1].iterdir()] == ["001"]
    with open_ledger(workspace.ledger_place) as ledger:
        assert [(r.status, r.jurisdiction) for r in ledger.runs(parts=True)][:1] == [("sealed", "440300")] and len(ledger.runs(parts=True)) == 2


def test_parts_are_made_at_once_by_several_processes(month, tmp_path):
    workspace, run, _ = month
    write_overlay(workspace, "310000", BD=STRICT.replace("severity: error", "severity: warning"))
    shutil.copytree(workspace.root, tmp_path / "one-by-one")
    other = Workspace(tmp_path / "one-by-one", workspace.company, workspace.systems, packs=workspace.packs)
    expected = {name: ("sealed", read_manifest(split_one(other, run, name, unapproved=True).package)["self"]) for name in EXPECTED}
    started = [subprocess.Popen([sys.executable, "-m", "etl", "split", run, "--jurisdiction", name, "--unapproved", "-w", str(workspace.root)], env=ENVIRONMENT,
                                stdout=subprocess.DEVNULL) for name in EXPECTED]
    # Each command ends well, whatever the others have done by then.
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0]
    with open_ledger(workspace.ledger_place) as ledger:
        found = {r.jurisdiction: (r.status, r.package_sha256) for r in ledger.runs(parts=True) if r.part_of}
    assert found == expected and prove_union(workspace, run).equal
    # What was taken out of the vault is gone, and the run is as closed as it was.
    vault = workspace.vault_folder
    assert [path for path in vault.rglob("*") if path.is_file() and path.suffix != ".sealed"] == []


def test_parts_have_approvals_of_their_own(month):
    workspace, run, _ = month
    with pytest.raises(NotApproved):
        split_one(workspace, run, "310000")
    with open_ledger(workspace.ledger_place) as ledger:
        decide(workspace, ledger, run, APPROVED, checker="li", login="li")
    part = split_one(workspace, run, "310000", by="zhao")
    with open_ledger(workspace.ledger_place) as ledger:
        book = ApprovalBook(ledger)
        # The national package is not superseded by its parts, and stays approved.
        assert book.latest_sealed(ledger.run(run)) == run and require_approval(workspace, ledger, run).checker == "li"
        with pytest.raises(NotApproved):
            require_approval(workspace, ledger, part.run)
        with pytest.raises(SamePerson):
            decide(workspace, ledger, part.run, APPROVED, checker="Zhao", login="zhao")
        maker = book.makers(run)[0]
        assert book.makers(part.run) == ("zhao", maker)
        with pytest.raises(SamePerson):
            decide(workspace, ledger, part.run, APPROVED, checker=maker, login=maker)
        decide(workspace, ledger, part.run, APPROVED, checker="li", login="li")
        assert require_approval(workspace, ledger, part.run).checker == "li"
    # Other file details make another package: the first part is superseded, the national package is not.
    write_overlay(workspace, "310000", format="basis: test\nencoding: gb18030\n")
    later = split_one(workspace, run, "310000", by="zhao")
    assert later.run != part.run and later.package.parent.name == "002"
    with open_ledger(workspace.ledger_place) as ledger:
        with pytest.raises(RunSuperseded):
            require_approval(workspace, ledger, part.run)
        assert require_approval(workspace, ledger, run).checker == "li"
    # A new national package: parts of the old one are no longer what the period consists of.
    newer = start_run(workspace, REQUEST)
    with open_ledger(workspace.ledger_place) as ledger, pytest.raises(PartStale) as caught:
        decide(workspace, ledger, later.run, APPROVED, checker="li", login="li")
    assert f"eastbound split {newer.run} --jurisdiction 310000" in caught.value.sentence("en")


def test_what_cannot_be_split_is_refused(month, tmp_path):
    workspace, run, _ = month
    with pytest.raises(JurisdictionWithoutRows) as caught:
        split_one(workspace, run, "500000", unapproved=True)
    assert "110000, 310000, 440300" in caught.value.sentence("en")
    part = split_one(workspace, run, "110000", unapproved=True)
    with pytest.raises(NotWhole):
        split_one(workspace, part.run, "110000", unapproved=True)
    write_overlay(workspace, "310000", BD=STRICT)
    blocked = split_one(workspace, run, "310000", unapproved=True)
    with pytest.raises(PartNotResumed) as told:
        resume_run(workspace, blocked.run)
    assert f"eastbound split {run} --jurisdiction 310000" in told.value.sentence("en")
    bare = make_workspace(tmp_path / "bare")
    path = tmp_path / "bare/packs/mappings/standards/prov/standard.yaml"
    path.write_text(path.read_text(encoding="utf-8").partition("jurisdictions:")[0], encoding="utf-8")
    with pytest.raises(NotSplit):
        jurisdictions_of(bare, start_run(bare, REQUEST).run)


def test_a_package_that_was_changed_is_seen(month):
    workspace, run, whole = month
    parts = {name: split_one(workspace, run, name, unapproved=True) for name in EXPECTED}
    path = next(parts["440300"].package.glob("*-JF-*"))
    path.write_bytes(path.read_bytes().replace(b"250.50", b"250.51", 1))
    assert (prove_union(workspace, run).damaged, prove_union(workspace, run).equal) == (["440300"], False)
    (whole / MANIFEST).write_bytes(b"{}")
    with pytest.raises(EastboundError):
        split_one(workspace, run, "110000", unapproved=True)
