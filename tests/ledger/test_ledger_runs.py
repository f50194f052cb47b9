from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from etl.ledger import Ledger, open_ledger
from etl.ledger.definition import MappingCount, RuleOutcome
from etl.ledger.errors import LedgerBroken, LedgerTooNew, RowsLost, RunStateWrong, RunUnknown
from etl.ledger.migrations import HEAD

DAY = date(2026, 10, 31)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_url")
    return tmp_path / "deep" / "ledger.db"


@pytest.fixture
def ledger(place):
    with open_ledger(place) as opened:
        yield opened


def start(ledger: Ledger, standard="east_life_2020", period="2026-10"):
    return ledger.start_run(standard, period, DAY, company="000999", pack_fingerprint="f" * 64, options={"threads": 2})


def test_a_run_from_start_to_seal(ledger):
    before = datetime.now(UTC)
    run = start(ledger)
    assert run.id.startswith("20261031-") and len(run.id) == 15
    assert (run.status, run.pid, run.options, run.finished_at) == ("running", os.getpid(), {"threads": 2}, None)
    assert before <= run.started_at <= datetime.now(UTC) and run.started_at.utcoffset() == timedelta(0)
    sealed = ledger.finish_run(run.id, "sealed", package="packages/a.zip", package_sha256="a" * 64, message={"code": "done", "n": 3})
    assert sealed.status == "sealed" and sealed.finished_at >= run.started_at
    assert (sealed.package, sealed.package_sha256, sealed.message) == ("packages/a.zip", "a" * 64, {"code": "done", "n": 3})
    assert ledger.run(run.id) == sealed


def test_runs_are_listed_from_the_latest_and_by_standard_and_period(ledger):
    first, second = start(ledger), start(ledger, period="2026-09")
    third = start(ledger, standard="other")
    assert [r.id for r in ledger.runs()] == [third.id, second.id, first.id]
    assert [r.id for r in ledger.runs("east_life_2020")] == [second.id, first.id]
    assert [r.id for r in ledger.runs("east_life_2020", "2026-10")] == [first.id]
    assert ledger.runs("none") == []


def test_state_changes_that_make_no_sense_are_refused(ledger):
    run = start(ledger)
    with pytest.raises(ValueError, match="running"):
        ledger.finish_run(run.id, "running")
    ledger.finish_run(run.id, "failed")
    with pytest.raises(RunStateWrong, match="is failed and cannot become sealed"):
        ledger.finish_run(run.id, "sealed")
    assert ledger.resume_run(run.id).status == "running"
    ledger.finish_run(run.id, "sealed")
    with pytest.raises(RunStateWrong, match="is sealed and cannot become running"):
        ledger.resume_run(run.id)
    with pytest.raises(RunUnknown, match="no run 20990101-x"):
        ledger.run("20990101-x")
    with pytest.raises(RunUnknown):
        ledger.record_stage("20990101-x", "extract", "T", rows_in=0, rows_out=0, rows_aside=0)


def test_stage_counts_balance_and_a_second_note_replaces_the_first(ledger):
    run = start(ledger).id
    ledger.record_stage(run, "extract", "life_admin.LCCont", rows_in=10, rows_out=9, rows_aside=1, seconds=0.5)
    ledger.record_stage(run, "standardise", "GRBDB", rows_in=9, rows_out=9, rows_aside=0)
    ledger.record_stage(run, "standardise", "GRBDB", rows_in=9, rows_out=7, rows_aside=2)
    assert [(s.stage, s.table, s.rows_in, s.rows_out, s.rows_aside) for s in ledger.stages(run)] == [
        ("extract", "life_admin.LCCont", 10, 9, 1), ("standardise", "GRBDB", 9, 7, 2)]
    with pytest.raises(RowsLost, match="stage check, table GRBDB: 9 rows in, but 7 out and 1 set aside"):
        ledger.record_stage(run, "check", "GRBDB", rows_in=9, rows_out=7, rows_aside=1)
    assert len(ledger.stages(run)) == 2


def test_artefacts_are_relative_and_replaced_by_path(ledger):
    run = start(ledger).id
    for digest in ("a", "b"):
        ledger.record_artefact(run, "extract", "LCCont", "runs/x/LCCont.parquet", sha256=digest * 64, bytes=3_000_000_000, rows=5)
    ledger.record_artefact(run, "write", "GRBDB", "runs/x/GRBDB.txt", sha256="c" * 64, bytes=1, rows=1)
    [found] = ledger.artefacts(run, "extract")
    assert (found.path, found.sha256, found.bytes, found.rows) == ("runs/x/LCCont.parquet", "b" * 64, 3_000_000_000, 5)
    assert len(ledger.artefacts(run)) == 2
    for bad in ("/etc/passwd", "runs/../../x"):
        with pytest.raises(ValueError):
            ledger.record_artefact(run, "extract", "T", bad, sha256="a" * 64, bytes=1, rows=1)


def test_findings_and_mapping_counts_are_replaced_as_a_whole(ledger):
    run = start(ledger).id
    rule = RuleOutcome("EL20-GRBDB-BF-VR-01", "value_range", "error", "GRBDB", "failed", 100, 7)
    ledger.record_findings(run, [rule, RuleOutcome("EL20-GRBDB-UNQ", "uniqueness", "error", "GRBDB", "passed", 100, 0)])
    ledger.record_findings(run, [rule])
    assert ledger.findings(run) == [rule]
    counts = [MappingCount("GRBDB", "BDZT", 90, defaulted=8, unmapped=2), MappingCount("GRBDB", "HBDM", 0, constant=100)]
    ledger.record_mapping(run, counts)
    assert ledger.mapping(run) == counts
    ledger.record_mapping(run, [])
    assert ledger.mapping(run) == []
    with pytest.raises(ValueError, match="outcome 'fine'"):
        ledger.record_findings(run, [RuleOutcome("R", "f", "error", "T", "fine", 1, 0)])
    assert ledger.findings(run) == [rule]


def test_the_history_of_a_rule_goes_from_the_latest_run_to_the_first(ledger):
    first, second, other = start(ledger).id, start(ledger, period="2026-11").id, start(ledger, standard="other").id
    for run, version in ((first, "a" * 16), (second, "b" * 16), (other, "c" * 16)):
        ledger.record_findings(run, [RuleOutcome("R-1", "cross_item", "error", "T", "passed", 5, 0, version=version),
                                     RuleOutcome("R-2", "cross_item", "error", "T", "errored", 0, 0, reason="ConversionException")])
    assert [(run.id, outcome.version) for run, outcome in ledger.rule_history("R-1")] == [(other, "c" * 16), (second, "b" * 16), (first, "a" * 16)]
    assert [run.id for run, _ in ledger.rule_history("R-1", "east_life_2020")] == [second, first]
    assert {outcome.reason for _, outcome in ledger.rule_history("R-2")} == {"ConversionException"}
    assert ledger.rule_history("R-3") == []


def test_the_run_of_a_dead_process_is_marked_interrupted_and_the_living_is_left_alone(ledger, place):
    mine = start(ledger)
    script = (
        "import sys, os; from datetime import date; from etl.ledger import open_ledger\n"
        "l = open_ledger(sys.argv[1]); r = l.start_run('east_life_2020', '2026-09', date(2026, 10, 31), company='c', pack_fingerprint='f')\n"
        "print(r.id, flush=True); os._exit(9)"
    )
    dead = subprocess.run([sys.executable, "-c", script, str(place)], capture_output=True, text=True, check=False)
    assert dead.returncode == 9, dead.stderr
    assert ledger.mark_interrupted() == [dead.stdout.strip()]
    gone = ledger.run(dead.stdout.strip())
    assert gone.status == "interrupted" and gone.message == {"code": "process_gone"} and gone.finished_at is not None
    assert ledger.run(mine.id).status == "running"
    assert ledger.mark_interrupted() == []


def test_a_recycled_process_number_does_not_pass_for_the_old_process(ledger):
    run = start(ledger)
    with ledger._engine.connect() as connection:
        connection.execute(sa.text("UPDATE runs SET process_token = 'other-boot:1'"))
        connection.commit()
    assert ledger.mark_interrupted() == [run.id]


def test_whoever_holds_the_period_lock_may_close_runs_of_lost_machines(ledger):
    run = start(ledger)
    with ledger._engine.connect() as connection:
        connection.execute(sa.text("UPDATE runs SET host = 'gone-container'"))
        connection.commit()
    assert ledger.mark_interrupted() == []
    assert ledger.mark_interrupted(locked=("east_life_2020", "2026-09")) == []
    assert ledger.mark_interrupted(locked=("east_life_2020", "2026-10")) == [run.id]


def test_the_own_running_run_survives_marking_under_its_own_lock(ledger):
    run = start(ledger)
    assert ledger.mark_interrupted(locked=("east_life_2020", "2026-10")) == []
    assert ledger.run(run.id).status == "running"


def test_a_newer_ledger_is_refused(place):
    open_ledger(place).close()
    with open_ledger(place) as ledger, ledger._engine.connect() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        connection.commit()
    with pytest.raises(LedgerTooNew, match=rf"written by a newer program \(schema 9999; this program knows up to {HEAD}\)"):
        open_ledger(place)


def test_a_file_that_is_no_database_is_a_clear_error(tmp_path):
    (tmp_path / "ledger.db").write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(LedgerBroken, match="file is not a database. Restore it from a backup"):
        open_ledger(tmp_path / "ledger.db")
