"""A day of changes at the demo insurer: what was there, what is there now, and which watermark says so."""

from __future__ import annotations

import json
import shutil
import sqlite3
from datetime import date

import pytest
from click.testing import CliRunner

from etl.commands.demo import change as change_command
from etl.demo.change import NUMBERS, OWNED, change_insurer
from etl.demo.insurer import create_insurer
from etl.demo.stamps import STAMP, stamped
from etl.sources.loader import load_source
from etl.workspace import Workspace
from tests.demo.rows import AS_OF, SEED, content, sqlite_urls

POLICIES = 400


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("insurer")
    create_insurer(sqlite_urls(folder), policies=POLICIES, seed=SEED, as_of=AS_OF)
    return folder


@pytest.fixture
def insurer(clean, tmp_path):
    """A copy of a clean insurer, for one test to change."""
    return shutil.copytree(clean, tmp_path / "insurer")


def by_key(folder, system: str, table: str) -> dict[tuple, dict]:
    key = load_source(system).tables[table].key
    with sqlite3.connect(folder / f"{system}.db") as connection:
        connection.row_factory = sqlite3.Row
        return {tuple(row[k] for k in key): dict(row) for row in connection.execute(f'SELECT * FROM "{table}"')}


def differing(clean, insurer, system: str, table: str) -> tuple[set, set, set]:
    """Keys (inserted, deleted, changed)."""
    before, after = by_key(clean, system, table), by_key(insurer, system, table)
    return set(after) - set(before), set(before) - set(after), {key for key in set(before) & set(after) if before[key] != after[key]}


def test_every_row_of_a_table_with_a_watermark_has_one_from_its_own_dates(clean):
    for (number,), row in by_key(clean, "life_admin", "LJAPay").items():
        assert row[STAMP][:10] == max(day for day in (row["LastPayToDate"], row["CurPayToDate"], row["EnterAccDate"], row["ConfDate"]) if day <= AS_OF.isoformat()), number
    stamps = [row[STAMP] for row in by_key(clean, "claims", "LLCase").values()]
    assert all("2024-01-01" <= stamp < "2026-10-31" and "09:00:00" <= stamp[11:] < "17:00:00" for stamp in stamps)
    table = load_source("life_admin").tables["LDCom"]
    assert STAMP not in table.by_name and stamped(table, {"ComCode": []}, None) == {"ComCode": []}


def test_policies_come_go_and_change(clean, insurer):
    done = change_insurer(sqlite_urls(insurer), share=0.05, seed=3)
    assert done.day == date(2026, 11, 1)
    assert all(done.kinds[kind] >= 1 for kind in ("updated", "updated twice", "new", "entered late", "deleted", "created again"))
    inserted, deleted, changed = differing(clean, insurer, "life_admin", "LCCont")
    assert (len(inserted), len(deleted), changed) == (done.kinds["new"] + done.kinds["entered late"], done.kinds["deleted"], set())
    moved = differing(clean, insurer, "life_admin", "LDPerson")
    assert (len(moved[0]), len(moved[2])) == (0, done.kinds["updated"] + done.kinds["updated twice"])
    after = by_key(insurer, "life_admin", "LDPerson")
    assert {after[key][STAMP][:10] for key in moved[2]} == {"2026-11-01"}
    again = differing(clean, insurer, "life_admin", "LCInsured")[2]
    assert {by_key(insurer, "life_admin", "LCInsured")[key][STAMP][:10] for key in again} <= {"2026-11-01"}


def test_what_is_entered_late_keeps_an_old_watermark(clean, insurer):
    done = change_insurer(sqlite_urls(insurer), share=0.05, seed=3)
    inserted = differing(clean, insurer, "life_admin", "LCCont")[0]
    after = by_key(insurer, "life_admin", "LCCont")
    new = {key for key in inserted if after[key][STAMP] > "2026-11-01"}
    assert (len(new), len(inserted - new)) == (done.kinds["new"], done.kinds["entered late"])


def test_a_new_policy_is_whole_and_a_deleted_one_is_gone(clean, insurer):
    change_insurer(sqlite_urls(insurer), share=0.05, seed=3)
    inserted, deleted, _ = differing(clean, insurer, "life_admin", "LCCont")
    for system, tables in OWNED.items():
        for table in tables:
            policies = [row["ContNo"] for row in by_key(insurer, system, table).values()]
            originals = [row["ContNo"] for row in by_key(clean, system, table).values()]
            assert not {number for (number,) in deleted} & set(policies), table
            for (number,) in inserted:
                assert policies.count(number) == originals.count(number[:15]), (table, number)
    assert "ContNo" in NUMBERS


def test_the_same_day_gives_the_same_changes_and_days_follow_one_another(insurer, clean, tmp_path):
    other = shutil.copytree(clean, tmp_path / "other")
    first = change_insurer(sqlite_urls(insurer), share=0.02, seed=9)
    assert change_insurer(sqlite_urls(other), share=0.02, seed=9) == first
    assert content(insurer) == content(other)
    assert change_insurer(sqlite_urls(insurer), share=0.02, seed=9).day == date(2026, 11, 2)


def test_the_command_tells_what_it_did(insurer, tmp_path):
    shutil.copytree(insurer, tmp_path / "ws" / "demo")
    Workspace(tmp_path / "ws", "000999", {name: f"sqlite:///demo/{name}.db" for name in sqlite_urls(insurer)}).save()
    told = CliRunner().invoke(change_command, ["--workspace", str(tmp_path / "ws"), "--day", "2026-11-05", "--format", "json"])
    assert told.exit_code == 0, told.output
    about = json.loads(told.output)
    assert about["day"] == "2026-11-05" and about["policies"]["deleted"] == 1
    assert {"table": "life_admin.LCCont", "change": "deleted", "rows": 1} in about["rows"]
