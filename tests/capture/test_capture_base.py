"""Which earlier run is compared with, when none can be, and what a kill leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date

import pytest

from etl.capture import increment
from etl.capture.capture import _fingerprint
from etl.capture.image import image_files
from etl.ledger.approvals import APPROVED, ApprovalBook
from etl.ledger.capture import capture_counts
from etl.ledger.registry import RegistryLedger
from etl.sources.definition import SourceColumn
from etl.sources.extract import READ, extract_system
from etl.submission.registry.definition import State
from tests.capture.cores import CONT, core, numbers

NEW = "2026-11-01 10:00:00"
MOVE = f"UPDATE \"LCCont\" SET \"Prem\" = 99, \"ModifyTime\" = '{NEW}' WHERE \"ContNo\" = 'P0050'"


@pytest.fixture
def insurer(tmp_path, monkeypatch):
    monkeypatch.setattr(increment, "SAMPLE", 5)
    with core(tmp_path) as made:
        made.capture("full")
        yield made


def approve(insurer, run: str) -> None:
    insurer.ledger.append_event("li", "run.start", run, {})
    ApprovalBook(insurer.ledger).decide(run, APPROVED, checker="wang", login="wang", package_sha256="0" * 64, after=0)


def test_a_sealed_run_counts_when_it_is_approved(insurer):
    assert insurer.capture("incremental", base="accepted")["LCCont"].reason == "no_base"
    sealed = insurer.runs[-1]
    approve(insurer, sealed)
    insurer.do(MOVE)
    found = insurer.capture("incremental", base="accepted")["LCCont"]
    assert (found.base_run, numbers(found)) == (sealed, (0, 1, 0, 39))
    # Not approved: the next run compares with the one before it.
    assert insurer.capture("incremental", base="accepted")["LCCont"].base_run == sealed
    insurer.check()


def test_a_day_of_the_registry_counts_when_its_zip_is_taken_or_the_day_settled(insurer):
    books = RegistryLedger(insurer.ledger, "000999")
    run, day = insurer.runs[0], date(2026, 10, 15)
    books.add_batch(day, "B1", "INC", path=f"packages/{run}/x.zip", md5="0" * 32, rows=1, transactions=["T1"], state=State.MADE)
    assert insurer.capture("incremental", base="accepted")["LCCont"].reason == "no_base"
    books.notified(books.batches(day)[0], "Q1", State.WAITING)
    books.judged(books.batches(day)[0], "0000", [], [], state=State.NOTIFIED, day_state=State.NOTIFIED)
    assert insurer.capture("incremental", base="accepted")["LCCont"].base_run == run


def test_a_run_that_failed_is_no_base(insurer):
    insurer.capture("incremental", accept=False)
    assert insurer.capture("incremental")["LCCont"].base_run == insurer.runs[0]


def test_a_damaged_base_is_not_trusted(insurer):
    sealed = insurer.vault.root / insurer.runs[0] / "extract" / "life" / "LCCont.parquet.sealed"
    content = bytearray(sealed.read_bytes())
    content[len(content) // 2] ^= 1
    sealed.write_bytes(bytes(content))
    counts = insurer.capture("incremental")
    assert (counts["LCCont"].mode, counts["LCCont"].reason, numbers(counts["LCCont"])) == ("full", "base_unreadable", (None,) * 4)
    assert counts["LCPol"].mode == "incremental"
    insurer.check()


def test_half_an_image_is_no_image(insurer):
    insurer.do(MOVE)
    insurer.capture("incremental")
    (insurer.vault.root / insurer.runs[1] / "extract" / "life" / "LCCont.delta.parquet.sealed").unlink()
    assert image_files(insurer.vault, insurer.runs[1], "life", "LCCont") == []
    assert insurer.capture("incremental")["LCCont"].base_run == insurer.runs[0]
    insurer.check()


def test_a_changed_contract_is_read_in_full(insurer):
    insurer.do("ALTER TABLE \"LCCont\" ADD COLUMN \"Remark\" VARCHAR(20)")
    wider = replace(CONT, columns=(*CONT.columns, SourceColumn("Remark", "text", 20)))
    insurer.system = replace(insurer.system, tables={**insurer.system.tables, "LCCont": wider})
    counts = insurer.capture("incremental")
    assert (counts["LCCont"].mode, counts["LCCont"].reason) == ("full", "contract_changed")
    insurer.check()


def test_another_database_is_read_in_full(insurer, tmp_path):
    shutil.copy(tmp_path / "core.db", tmp_path / "moved.db")
    insurer.url = f"sqlite:///{tmp_path / 'moved.db'}"
    assert {(c.mode, c.reason) for c in insurer.capture("incremental").values()} == {("full", "source_moved")}
    insurer.check()


@pytest.mark.parametrize(("url", "same"), [
    ("postgresql://app:new@h/core?options=-csearch_path%3Dlife", True), ("postgresql://other@h/core?options=-csearch_path%3Dlife&password=x", True),
    ("postgresql://app:p@h/core?options=-csearch_path%3Dclaims", False), ("postgresql://app:p@h2/core?options=-csearch_path%3Dlife", False),
])
def test_an_account_may_change_but_not_the_database_or_its_schema(url, same):
    known = _fingerprint("postgresql://app:p@h/core?options=-csearch_path%3Dlife")
    assert (_fingerprint(url) == known) is same and "core" not in known


def test_keys_that_do_not_tell_rows_apart(insurer):
    insurer.do(f"INSERT INTO \"LCCont\" VALUES ('P0050', '重号', 1, '{NEW}'), (NULL, '无号', 1, '{NEW}')")
    insurer.system = replace(insurer.system, tables={**insurer.system.tables, "LCCont": replace(CONT, columns=(replace(CONT.columns[0], nullable=True), *CONT.columns[1:]))})
    counts = insurer.capture("incremental")
    assert (counts["LCCont"].mode, counts["LCCont"].reason, numbers(counts["LCCont"])) == ("change", "key_unusable", (2, 0, 0, 40))
    insurer.check()
    insurer.do("DELETE FROM \"LCCont\" WHERE \"ContNo\" IS NULL")
    counts = insurer.capture("incremental")
    assert (counts["LCCont"].reason, numbers(counts["LCCont"])) == ("key_not_unique", (0, 0, 1, 41))
    insurer.check()


def test_rows_set_aside_are_rows_too(insurer):
    insurer.do(f"UPDATE \"LCCont\" SET \"Prem\" = '十元', \"ModifyTime\" = '{NEW}' WHERE \"ContNo\" = 'P0050'")
    counts = insurer.capture("incremental")
    assert (counts["LCCont"].mode, numbers(counts["LCCont"])) == ("incremental", (0, 1, 0, 39))
    insurer.check()
    # It stays aside, unchanged; then it is mended.
    assert numbers(insurer.capture("incremental")["LCCont"]) == (0, 0, 0, 40)
    insurer.do(f"UPDATE \"LCCont\" SET \"Prem\" = 10, \"ModifyTime\" = '{NEW}' WHERE \"ContNo\" = 'P0050'")
    assert numbers(insurer.capture("incremental")["LCCont"]) == (0, 1, 0, 39)
    insurer.check()


def test_a_delta_that_has_grown_is_made_one_file(insurer, monkeypatch):
    from etl.capture import assemble

    monkeypatch.setattr(assemble, "DELTA_LEAST", 3)
    monkeypatch.setattr(assemble, "DELTA_SHARE", 0.01)
    insurer.do(*(f"INSERT INTO \"LCCont\" VALUES ('P00{n}5', '新', 1, '{NEW}')" for n in range(10, 14)))
    assert numbers(insurer.capture("incremental")["LCCont"]) == (4, 0, 0, 40)
    assert [name for name in insurer.vault.files(insurer.runs[-1]) if "LCCont" in name] == ["extract/life/LCCont.aside.parquet", "extract/life/LCCont.parquet"]
    insurer.check()
    insurer.do(MOVE)
    assert numbers(insurer.capture("incremental")["LCCont"]) == (0, 1, 0, 43)
    insurer.check()


def test_nothing_clear_is_left_when_the_run_is_closed(insurer):
    insurer.do(MOVE)
    insurer.capture("incremental")
    assert insurer.vault.is_closed(insurer.runs[-1])
    assert {name.rpartition(".")[0] for name in insurer.vault.files(insurer.runs[-1]) if "LCCont" in name} == {
        f"extract/life/LCCont.{kind}" for kind in ("aside", "base", "delta", "gone", "image")}


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.capture.cores import CONT, COVER, BRANCH
from etl.capture import assemble, capture, capture_system
from etl.capture import increment
from etl.ledger import open_ledger
from etl.privacy.vault import Vault
from etl.sources import convert, extract
from etl.sources.definition import SourceSystem
increment.SAMPLE = 5
folder, run, place = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
def dying(module, name, at):
    real, calls = getattr(module, name), []
    def call(*args, **kwargs):
        calls.append(1)
        if len(calls) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    setattr(module, name, call)
module, name, at = {"reading": (extract, "_read_table", 3), "ordering": (extract, "convert_table", 1), "second table": (capture, "assemble", 2),
                    "assembling": (assemble, "link", 1), "marking": (assemble, "whole_file", 1), "counting": (capture, "record_capture", 1)}[place]
dying(module, name, at)
system = SourceSystem("life", {"zh": "核心"}, {t.name: t for t in (CONT, COVER, BRANCH)})
with open_ledger(folder / "ledger.db") as ledger:
    capture_system(system, f"sqlite:///{folder / 'core.db'}", Vault(folder / "vault", b"k" * 32), run, tables=set(system.tables), mode="incremental",
                   ledger=ledger, company="000999", base="sealed")
"""


@pytest.mark.parametrize("place", ["reading", "ordering", "second table", "assembling", "marking", "counting"])
def test_killed_and_taken_up_again(insurer, tmp_path, place):
    insurer.do(MOVE, f"INSERT INTO \"LCCont\" VALUES ('P0055', '新客户', 1, '{NEW}')", "DELETE FROM \"LCPol\" WHERE \"ContNo\" = 'P0200'")
    run = insurer.start()
    dead = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), run, place], capture_output=True, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    read = insurer.vault.root / run / "extract" / "life" / ".raw" / READ
    was_read = place not in ("reading", "ordering")
    assert read.is_file() == was_read
    # What a killed run leaves is encrypted, and clear again when it is taken up.
    insurer.vault.close_run(run)
    assert insurer.vault.is_closed(run)
    insurer.vault.open_run(run)
    if was_read:
        # The system is not asked again: what it says now is of another moment.
        insurer.do("UPDATE \"LDCom\" SET \"Name\" = '改名' WHERE \"ComCode\" = '8611'")
    told = insurer.walk(run, "incremental")
    assert [(one.table, one.rows_in, one.rows_out) for one in told] == [("LCCont", 41, 41), ("LCPol", 78, 78), ("LDCom", 2, 2)]
    assert not read.parent.exists()
    counts = {count.table: numbers(count) for count in capture_counts(insurer.ledger, run)}
    assert counts == {"LCCont": (1, 1, 0, 39), "LCPol": (0, 0, 2, 78), "LDCom": (0, 0, 0, 2)}
    insurer.do("UPDATE \"LDCom\" SET \"Name\" = '北京' WHERE \"ComCode\" = '8611'")
    insurer.vault.close_run(run)
    insurer.check(run)


FULL_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.capture.cores import CONT, COVER, BRANCH
from etl.sources import extract
from etl.sources.definition import SourceSystem
real, calls = extract.convert_table, []
def dying(*args, **kwargs):
    calls.append(1)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)
extract.convert_table = dying
system = SourceSystem("life", {"zh": "核心"}, {t.name: t for t in (CONT, COVER, BRANCH)})
extract.extract_system(system, sys.argv[1], Path(sys.argv[2]), batch_id="b")
"""


def test_a_full_read_that_was_killed_in_conversion_goes_on_with_what_it_has(insurer, tmp_path):
    out = tmp_path / "out"
    dead = subprocess.run([sys.executable, "-c", FULL_KILLED, insurer.url, str(out)], capture_output=True, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    noted = json.loads((out / "life" / ".raw" / READ).read_text(encoding="utf-8"))
    assert (noted["batch"], [(name, notes["rows"]) for name, notes in noted["tables"].items()]) == ("b", [("LCCont", 40), ("LCPol", 80), ("LDCom", 2)])
    first = (out / "life" / "LCCont.parquet").stat().st_mtime_ns
    insurer.do("DELETE FROM \"LCCont\"", "DELETE FROM \"LCPol\"")
    told = []
    extracted = extract_system(insurer.system, insurer.url, out, batch_id="b", done=lambda one: told.append(one.table))
    assert [one.rows_out for one in extracted] == [40, 80, 2] and told == ["LCCont", "LCPol", "LDCom"]
    assert (out / "life" / "LCCont.parquet").stat().st_mtime_ns == first and not (out / "life" / ".raw").exists()
    # Another batch is another moment.
    assert [one.rows_out for one in extract_system(insurer.system, insurer.url, out, batch_id="c")] == [0, 0, 2]
