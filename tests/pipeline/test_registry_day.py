"""A day of the policy registry: from the core systems to the zip, what is held back, and the way back from a transaction."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from etl.commands.demo import SYSTEMS, create
from etl.ledger import open_ledger
from etl.pipeline import RunRequest, RunResult, start_run
from etl.pipeline.road import PeriodNotADay
from etl.pipeline.tracing import trace_serial, trace_transaction
from etl.standard.loader import load_standard
from etl.submission.definition import Period
from etl.submission.package import read_manifest, verify_package
from etl.submission.zip_package import batch_number, open_batch, read_batch_zip, subset_batch
from etl.workspace import Workspace

STANDARD = "registry_life_2"
POLICIES = 150
SEED = 5
CHILDREN = ("LCProduct", "LCInsured", "LCProdInsuRela", "LCBnf", "LJTempFee", "LJAPay", "LJAGet", "LLClaimPolicy", "LLBnf", "LAAgent", "LASales")


def core(workspace: Workspace, sql: str, *values: object, system: str = "life_admin") -> list[tuple]:
    """Ask, or change, a core system."""
    with sqlite3.connect(workspace.root / "demo" / f"{system}.db") as connection:
        return connection.execute(sql, values).fetchall()


def run_day(workspace: Workspace, day: date) -> RunResult:
    return start_run(workspace, RunRequest(STANDARD, Period(day, day), day + timedelta(days=1)))


def busiest_day(workspace: Workspace) -> date:
    """The day of October on which most policies have a premium that is not their first."""
    found = core(workspace, "SELECT ConfDate FROM LJAPay WHERE PayType <> '0' AND ConfDate BETWEEN '2026-10-01' AND '2026-10-31' "
                            "GROUP BY ConfDate ORDER BY count(DISTINCT ContNo) DESC, ConfDate LIMIT 1")
    return date.fromisoformat(found[0][0][:10])


def zip_of(package: Path) -> Path:
    return next(package.glob("*.zip"))


def items(table: str) -> list[str]:
    return [item.code for item in load_standard(STANDARD).tables[table].items]


def rows_of(package: Path, table: str) -> list[dict[str, str]]:
    """Rows of a table in the zip, by item."""
    return [dict(zip(items(table), fields, strict=True)) for fields in read_batch_zip(zip_of(package)).get(table, [])]


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """(workspace, day, result) of a clean insurer; tests must not change the workspace."""
    folder = tmp_path_factory.mktemp("registry") / "w"
    create(folder, policies=POLICIES, seed=SEED, faults=0.0, urls={name: f"sqlite:///demo/{name}.db" for name in SYSTEMS}, as_of=date(2026, 10, 31))
    workspace = Workspace.open(folder)
    chosen = busiest_day(workspace)
    return workspace, chosen, run_day(workspace, chosen)


@pytest.fixture
def own(day, tmp_path):
    """A copy of the workspace that a test may change, and the day."""
    shutil.copytree(day[0].root, tmp_path / "w")
    return Workspace.open(tmp_path / "w"), day[1]


def test_a_clean_day_is_sealed_without_findings(day):
    _, chosen, result = day
    assert (result.status, result.findings) == ("sealed", {"error": 0, "warning": 0})
    manifest = read_manifest(result.package)
    batch = manifest["batch"]
    assert batch["batch_no"] == "000999LINC0000000001"
    assert batch["trans_date"] == chosen.isoformat()
    assert batch["file"] == zip_of(result.package).name == f"I_000999LINC0000000001_{len(batch['tables']):03d}.zip"
    found = open_batch(zip_of(result.package), chosen)
    assert (found.md5, found.trans_count, found.tables) == (batch["md5"], batch["trans_count"], batch["tables"])
    assert verify_package(result.package, load_standard(STANDARD)) == []


def test_the_zip_is_part_of_the_seal(day, tmp_path):
    package = tmp_path / day[2].package.name
    shutil.copytree(day[2].package, package)
    with zip_of(package).open("ab") as stream:
        stream.write(b"x")
    assert {(p.file, p.kind) for p in verify_package(package)} == {(zip_of(package).name, "bytes"), (zip_of(package).name, "sha256")}
    zip_of(package).unlink()
    assert [p.kind for p in verify_package(package)] == ["missing_file"]


def test_a_transaction_holds_all_rows_of_one_event_of_one_policy(day):
    package = day[2].package
    transactions = {row["TransactionNo"]: row for row in rows_of(package, "LCPolTransaction")}
    numbers = sorted(transactions)
    assert numbers == [f"000999{day[1]:%Y%m%d}{n:010d}" for n in range(1, len(numbers) + 1)]
    policies = [row for row in transactions.values() if row["BussType"] != "47"]
    assert {row["TransactionNo"] for row in rows_of(package, "LCCont")} == {row["TransactionNo"] for row in policies}
    for table in CHILDREN:
        for row in rows_of(package, table):
            assert transactions[row["TransactionNo"]]["PolicyNo"] == row["PolicyNo"]
    assert {row["PolicyNo"] for row in transactions.values() if row["BussType"] == "47"} == {"000000"}


def test_renewals_are_the_premiums_of_the_core_system(day):
    workspace, chosen, result = day
    wanted: dict[str, Decimal] = defaultdict(Decimal)
    for policy, amount in core(workspace, "SELECT ContNo, SumActuPayMoney FROM LJAPay WHERE PayType <> '0' AND substr(ConfDate, 1, 10) = ?", chosen.isoformat()):
        wanted[policy] += Decimal(str(amount)).quantize(Decimal("0.01"))
    assert wanted
    sent = {row["PolicyNo"]: Decimal(row["TransAmnt"]) for row in rows_of(result.package, "LCPolTransaction") if row["BussType"] == "X2"}
    assert sent == wanted
    renewals = {row["TransactionNo"] for row in rows_of(result.package, "LCPolTransaction") if row["BussType"] == "X2"}
    covers = sum(1 for row in rows_of(result.package, "LCProduct") if row["TransactionNo"] in renewals)
    (expected,) = core(workspace, f"SELECT count(*) FROM LCPol WHERE ContNo IN ({', '.join('?' * len(wanted))})", *wanted)
    assert covers == expected[0]


def test_the_same_day_again_gives_the_same_bytes(own):
    workspace, chosen = own
    again = run_day(workspace, chosen)
    first, second = (sorted((workspace.package_base(STANDARD, chosen.isoformat()) / version).glob("*/*")) for version in ("001", "002"))
    assert again.status == "sealed"
    assert [p.name for p in first] == [p.name for p in second]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


@pytest.mark.slow
def test_the_next_day_has_its_own_batch_and_numbers(own):
    workspace, chosen = own
    result = run_day(workspace, chosen + timedelta(days=1))
    assert result.status == "sealed"
    assert read_manifest(result.package)["batch"]["batch_no"] == "000999LINC0000000002"
    assert {row["TransactionNo"][6:14] for row in rows_of(result.package, "LCPolTransaction")} == {f"{chosen + timedelta(days=1):%Y%m%d}"}


def test_only_the_transactions_concerned_are_held_back_and_sent_once_mended(own, day):
    workspace, chosen = own
    clean = read_batch_zip(zip_of(day[2].package))
    renewals = sorted((row["PolicyNo"], row["TransactionNo"]) for row in rows_of(day[2].package, "LCPolTransaction") if row["BussType"] == "X2")
    policy, transaction = renewals[0]
    # A terminated policy without its date.
    was = core(workspace, "SELECT State, TerminateDate FROM LCCont WHERE ContNo = ?", policy)[0]
    core(workspace, "UPDATE LCCont SET State = '4', TerminateDate = NULL WHERE ContNo = ?", policy)
    result = run_day(workspace, chosen)
    assert result.status == "sealed"
    assert result.findings["error"] >= 1
    concerned = {row["TransactionNo"] for row in rows_of(day[2].package, "LCPolTransaction") if row["PolicyNo"] == policy}
    assert transaction in concerned
    held = json.loads((workspace.run_folder(result.run) / "held.json").read_text())
    assert set(held["transactions"]) == concerned
    assert held["tables"]["LCPolTransaction"] == len(concerned)
    sent = read_batch_zip(zip_of(result.package))
    assert sent == {table: kept for table, lines in clean.items() if (kept := [line for line in lines if line[0] not in concerned])}
    with open_ledger(workspace.ledger_place) as ledger:
        masked = {count.table: count for count in ledger.stages(result.run) if count.stage == "mask"}
    assert masked["LCPolTransaction"].rows_aside == len(concerned)
    # Mended, the day is whole again under the same numbers, and what was missing can be sent alone.
    core(workspace, "UPDATE LCCont SET State = ?, TerminateDate = ? WHERE ContNo = ?", *was, policy)
    mended = run_day(workspace, chosen)
    assert read_batch_zip(zip_of(mended.package)) == clean
    alone = subset_batch(open_batch(zip_of(mended.package), chosen), concerned, batch_no=batch_number("000999", "FAI", 2), target=workspace.root / "fai")
    assert alone.trans_count == len(concerned)
    assert {line[0] for lines in read_batch_zip(alone.zip_path).values() for line in lines} == concerned


@pytest.mark.slow
def test_a_new_event_does_not_move_the_numbers_of_the_others(own, day):
    workspace, chosen = own
    before = {(row["PolicyNo"], row["BussType"]): row["TransactionNo"] for row in rows_of(day[2].package, "LCPolTransaction") if row["BussType"] != "47"}
    known = [policy for policy, _ in before]
    (policy,) = core(workspace, f"SELECT min(ContNo) FROM LCCont WHERE State = '1' AND ContNo NOT IN ({', '.join('?' * len(known))})", *known)[0]
    core(workspace, "INSERT INTO LPEdorItem (EdorNo, ContNo, EdorType, EdorAppDate, EdorValiDate, GetMoney, State, Operator) VALUES ('BQ9', ?, 'AD', ?, ?, 0, '0', 'x')",
         policy, chosen.isoformat(), chosen.isoformat())
    result = run_day(workspace, chosen)
    after = {(row["PolicyNo"], row["BussType"]): row["TransactionNo"] for row in rows_of(result.package, "LCPolTransaction") if row["BussType"] != "47"}
    assert {key: number for key, number in after.items() if key in before} == before
    assert set(after) - set(before) == {(policy, "X3")}
    assert int(after[(policy, "X3")][14:]) == len(rows_of(day[2].package, "LCPolTransaction")) + 1


def test_a_transaction_leads_to_its_lines_and_each_line_to_its_sources(day):
    workspace, _, result = day
    row = next(row for row in rows_of(result.package, "LCPolTransaction") if row["BussType"] == "X2")
    run, lines = trace_transaction(workspace, row["TransactionNo"])
    assert run == result.run
    sent = read_batch_zip(zip_of(result.package))
    assert sorted({table for table, _ in lines}) == sorted(table for table, found in sent.items() if any(line[0] == row["TransactionNo"] for line in found))
    line = next(name for table, name in lines if table == "LJAPay")
    traced = trace_serial(workspace, line)
    assert (traced.table, traced.items["PolicyNo"], traced.items["TransactionNo"]) == ("LJAPay", row["PolicyNo"], row["TransactionNo"])
    assert {source.table for source in traced.sources} >= {"LJAPay", "LCCont", "LDPerson"}


def test_clear_values_are_in_the_vault_and_the_package_alone(day):
    workspace, _, result = day
    insured = rows_of(result.package, "LCInsured")
    secrets = {row["InsuredName"].encode() for row in insured} | {row["InsuredCertNo"].encode() for row in insured}
    assert len(secrets) >= 2
    closed = [path for path in (workspace.root / "vault").rglob("*") if path.is_file()]
    assert closed
    assert all(path.name.endswith(".sealed") for path in closed)
    for path in workspace.root.rglob("*"):
        if path.is_file() and path.relative_to(workspace.root).parts[0] not in ("demo", "packages"):
            content = path.read_bytes()
            assert not [secret for secret in secrets if secret in content], path.name
    for path in (workspace.root / "packages" / STANDARD, *(workspace.root / "packages" / STANDARD).rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_tables_that_no_core_system_keeps_are_empty_and_say_why(day):
    from etl.mapping.loader import load_mappings, source_columns
    from etl.sources.loader import load_sources

    mappings = load_mappings(load_standard(STANDARD), source_columns(load_sources()))
    absent = {code: mapping.absent for code, mapping in mappings.tables.items() if mapping.absent}
    assert set(absent) == {"LCInsureAcc", "LJDivDistrib"}
    assert all(text["zh"] and text["en"] for text in absent.values())
    assert (day[2].package / "LCInsureAcc.txt").read_bytes() == b""
    assert "LCInsureAcc" not in read_batch_zip(zip_of(day[2].package))


def test_a_month_is_not_a_day(day):
    with pytest.raises(PeriodNotADay, match="one day"):
        start_run(day[0], RunRequest(STANDARD, Period.parse("2026-10"), date(2026, 11, 1)))


@pytest.mark.slow
def test_several_days_of_a_clean_insurer_are_sealed(own):
    workspace, _ = own
    numbers: list[str] = []
    batches = set()
    for offset in (0, 4, 9, 14, 19, 30):
        result = run_day(workspace, date(2026, 10, 1) + timedelta(days=offset))
        assert (result.status, result.findings) == ("sealed", {"error": 0, "warning": 0})
        numbers += [row["TransactionNo"] for row in rows_of(result.package, "LCPolTransaction")]
        batches.add(zip_of(result.package).name)
    assert len(numbers) == len(set(numbers))
    assert len(batches) == 6
