"""The first submission end to end: what issue after issue builds on, over the demo insurer."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from etl.cli import main
from etl.commands.demo import create
from etl.demo.insurer import repair_insurer
from etl.demo.planting import KINDS
from etl.demo.recall import Recall, recall_of_run
from etl.engines import open_engine
from etl.ledger import open_ledger
from etl.packs.roots import PackRoots
from etl.pipeline import start_run
from etl.pipeline.foreign import check_files
from etl.pipeline.tracing import open_tracer
from etl.rules.findings import FindingFilter, query_findings, register_findings
from etl.standard import load_standard
from etl.submission.package import verify_package
from etl.workspace import Workspace
from tests.acceptance.conftest import AS_OF, POLICIES, REQUEST, SEED, SYSTEMS, Month, sqlite_urls


def content(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def findings(month: Month) -> list[dict]:
    with open_engine() as engine:
        register_findings(engine, month.finding_files, {})
        return list(query_findings(engine, FindingFilter()))


def use_keys_of(month: Month, workspace: Path) -> None:
    """The same keys give the same bytes: copy them before the first run."""
    shutil.copytree(month.workspace.keys_folder, workspace / "keys")


def test_clean_insurer_has_no_finding_and_is_sealed(clean_month):
    assert findings(clean_month) == []
    assert clean_month.status == "sealed" and clean_month.findings == {"error": 0, "warning": 0}
    with open_ledger(clean_month.workspace.ledger_place) as ledger:
        outcomes = {o.outcome for o in ledger.findings(clean_month.run)}
    assert outcomes == {"passed"}


def test_every_table_is_in_the_package_with_rows(clean_month):
    names = {p.name for p in clean_month.package.iterdir()}
    tables = load_standard("east_life_2020").submitted_tables
    assert len(tables) == 46
    assert names == {f"000999-{t.code}-20261031.txt" for t in tables} | {"MANIFEST.json"}
    assert all((clean_month.package / name).stat().st_size > 0 for name in names)


def test_every_line_has_the_published_number_of_items(clean_month):
    counts = {
        "JGGQXXB": 18, "FZJGXXB": 20, "ZJJGXXB": 21, "YGXXB": 20, "DJGLZXXB": 15, "XSRYXXB": 22, "ZZKJQKMB": 19, "NBKMDZB": 9, "CWPZXXB": 27,
        "YWJGLFFKMMXZB": 19, "SXFJYJFKMMXZB": 19, "YHZHXXB": 12, "GRKHXXB": 23, "TTKHXXB": 26, "KHBDDZB": 10, "BDTSXXB": 14, "XZDYB": 28,
        "GRBDB": 42, "GRXZB": 31, "BBXRB": 15, "TTBDB": 42, "TTXZB": 28, "BDYJXXB": 19, "KHHFB": 20, "BDXSRYGLB": 12, "BFMXB": 18, "FFMXB": 20,
        "TTBFB": 16, "ZBCPXXB": 21, "ZBHTXXB": 16, "ZBZDXXB": 24, "CXRXXB": 15, "LPBDMXB": 23, "NJJHXXB": 47, "NJJHGLQKB": 19, "NJJHYYMXB": 23,
        "NJTZQKB": 20, "YLBZYWXXB": 26, "YLBZCPXXQKB": 21, "ZZTZZHXXHZB": 16, "ZZTZZHCCMXB": 18, "ZZTZJYLSB": 22, "WTTZQKB": 29, "GLFXXB": 14,
        "ZDGLJYB": 10, "GLJYHZB": 9}
    assert len(counts) == 46
    for table, items in counts.items():
        raw = (clean_month.package / f"000999-{table}-20261031.txt").read_bytes()
        assert raw.endswith(b"\n")
        assert {line.count(b"\x01") for line in raw[:-1].split(b"\n")} == {items - 1}, table


def test_second_run_is_byte_identical(clean_month, tmp_path):
    folder = tmp_path / "again"
    shutil.copytree(clean_month.workspace.root / "demo", folder / "demo")
    shutil.copy(clean_month.workspace.root / "workspace.yaml", folder)
    use_keys_of(clean_month, folder)
    workspace = Workspace.open(folder)
    first, second = start_run(workspace, REQUEST), start_run(workspace, REQUEST)
    assert first.package != second.package
    assert content(first.package) == content(second.package) == content(clean_month.package)


def recalled(month: Month) -> Recall:
    return recall_of_run(month.workspace.root / "demo", month.run, month.finding_files)


def test_every_planted_fault_is_found_and_every_finding_is_explained(faulty_month):
    assert faulty_month.status == "blocked" and faulty_month.package is None
    outcome = recalled(faulty_month)
    assert outcome.missed == [] and outcome.unexplained == []
    assert outcome.found == outcome.planted == outcome.kinds == len(KINDS) >= 125
    assert outcome.findings == outcome.direct + outcome.consequences == len(findings(faulty_month))


def test_two_thousand_policies_with_all_faults_at_once(tmp_path):
    create(tmp_path, policies=2000, seed=20261031, faults=0.02, urls=sqlite_urls(), as_of=AS_OF)
    workspace = Workspace.open(tmp_path)
    result = start_run(workspace, REQUEST)
    outcome = recalled(Month(workspace, result.run, result.status, result.findings, result.package))
    assert result.status == "blocked"
    assert outcome.missed == [] and outcome.unexplained == []
    assert outcome.found == outcome.planted == outcome.kinds == len(KINDS)


def test_the_command_tells_the_recall(faulty_month, capsys):
    with pytest.raises(SystemExit) as left:
        main(["demo", "recall", "-w", str(faulty_month.workspace.root), "--format", "json"])
    told = json.loads(capsys.readouterr().out)
    assert left.value.code == 0 and told["complete"] is True and told["mended"] is False
    assert told["run"] == faulty_month.run and told["found"] == told["planted"] == len(KINDS)


def test_rows_in_are_rows_out_and_rows_aside(faulty_month):
    with open_ledger(faulty_month.workspace.ledger_place) as ledger:
        stages = ledger.stages(faulty_month.run)
    assert {s.table for s in stages if s.stage == "standardise"} >= {t.code for t in load_standard("east_life_2020").submitted_tables}
    assert all(s.rows_in == s.rows_out + s.rows_aside for s in stages)
    assert sum(s.rows_aside for s in stages if s.stage == "standardise") > 0


def test_repaired_insurer_is_sealed_with_the_bytes_of_a_clean_one(clean_month, faulty_month, tmp_path):
    folder = tmp_path / "repaired"
    shutil.copytree(faulty_month.workspace.root / "demo", folder / "demo")
    shutil.copy(faulty_month.workspace.root / "workspace.yaml", folder)
    use_keys_of(clean_month, folder)
    workspace = Workspace.open(folder)
    assert repair_insurer({name: workspace.url(name) for name in SYSTEMS}, truth=folder / "demo") > 0
    result = start_run(workspace, REQUEST)
    assert result.status == "sealed"
    assert content(result.package) == content(clean_month.package)


def core_row(month: Month, system: str, table: str, key: str) -> list[dict]:
    """The row as the core system itself gives it, by its business key."""
    from etl.sources.loader import load_source

    contract = load_source(system).tables[table]
    with sqlite3.connect(month.workspace.url(system).removeprefix("sqlite:///")) as connection:
        connection.row_factory = sqlite3.Row
        where = " AND ".join(f'CAST("{column}" AS TEXT) = ?' for column in contract.key)
        return [dict(row) for row in connection.execute(f'SELECT * FROM "{table}" WHERE {where}', key.split("|"))]


def as_text(value, column) -> str | None:
    """A value of the core system as the contract's type has it, written independently of the product."""
    if value is None or str(value).strip(" \u3000\u00a0") == "":
        return None
    if column.type == "decimal":
        return f"{float(value):.{column.scale}f}"
    return str(value).strip(" \u3000\u00a0")


def test_two_hundred_serials_lead_to_the_source_rows_of_the_core_systems(clean_month):
    from etl.sources.loader import load_sources

    systems = load_sources()
    serials = [line.split(b"\x01")[0].decode() for path in sorted(clean_month.package.glob("*.txt")) for line in path.read_bytes().split(b"\n")[:-1]]
    assert len(serials) == len(set(serials))
    compared = 0
    with open_tracer(clean_month.workspace) as tracer:
        for serial in random.Random(7).sample(serials, 200):
            found = tracer.trace(serial, reveal=True, key_file=clean_month.workspace.keys_folder / "vault.key")
            assert found.sources, serial
            for source in found.sources:
                direct = core_row(clean_month, source.system, source.table, source.key)
                assert len(direct) == 1, (source.system, source.table)
                columns = systems[source.system].tables[source.table].by_name
                assert source.row == {name: as_text(direct[0][name], column) for name, column in columns.items()}
                compared += 1
    assert compared > 200


def test_any_changed_byte_is_found_and_its_file_named(clean_month, tmp_path):
    package = tmp_path / clean_month.package.name
    shutil.copytree(clean_month.package, package)
    standard = load_standard("east_life_2020")
    assert verify_package(package, standard) == []
    chance = random.Random(3)
    for path in sorted(package.iterdir()):
        for _ in range(2):
            raw = bytearray(path.read_bytes())
            place = chance.randrange(len(raw))
            raw[place] ^= 1 << chance.randrange(8)
            whole = path.read_bytes()
            path.write_bytes(raw)
            problems = verify_package(package)
            path.write_bytes(whole)
            assert path.name in {p.file for p in problems}, (path.name, place)


def test_own_package_checks_clean_as_a_foreign_one(clean_month):
    result = check_files(clean_month.package, "east_life_2020", PackRoots.of())
    assert result.findings == []
    assert len(result.files) == 46 and result.rules > 2000


@pytest.fixture
def postgres_month(clean_month, postgres_url, tmp_path):
    folder = tmp_path / "postgres"
    create(folder, policies=POLICIES, seed=SEED, faults=0.0, urls=dict.fromkeys(SYSTEMS, postgres_url), as_of=AS_OF)
    use_keys_of(clean_month, folder)
    return start_run(Workspace.open(folder), REQUEST)


def test_postgresql_gives_the_same_package(clean_month, postgres_month):
    assert postgres_month.status == "sealed"
    assert content(postgres_month.package) == content(clean_month.package)


def test_no_clear_personal_value_outside_vault_and_core_systems(faulty_month, clean_month):
    from etl.privacy.leakscan import scan_for_values

    values: set[str] = set()
    with sqlite3.connect(clean_month.workspace.url("life_admin").removeprefix("sqlite:///")) as connection:
        for name, number in connection.execute("SELECT Name, IDNo FROM LDPerson WHERE Name IS NOT NULL AND IDNo IS NOT NULL"):
            values |= {number} | ({name} if len(name) > 3 else set())
    assert len(values) > POLICIES / 2
    for month in (clean_month, faulty_month):
        root = month.workspace.root
        leaks = scan_for_values([root], values, exclude=[root / "vault", root / "demo", root / "keys"])
        assert leaks == []


def test_ledger_counts_what_the_finding_files_hold(faulty_month):
    """What the ledger says was found is what the finding files hold."""
    rows = findings(faulty_month)
    with open_ledger(faulty_month.workspace.ledger_place) as ledger:
        counted = {o.rule: o.failed for o in ledger.findings(faulty_month.run) if o.failed}
    listed: dict[str, int] = {}
    for row in rows:
        listed[row["rule"]] = listed.get(row["rule"], 0) + 1
    assert listed == counted
