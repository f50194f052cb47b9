"""Runs walked unit by unit by many processes: same bytes as in one go, nothing done twice, one owner at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from etl.approvals import decide
from etl.ledger import open_ledger, period_lock
from etl.ledger.errors import PeriodLocked
from etl.pipeline import RunRequest, resume_run, start_run
from etl.pipeline.held import BlockedByFindings, PeriodAccepted, RunNotHeld, conclude, do_units, lay_down, open_run, plan, release_run
from etl.pipeline.outcomes import CheckIncomplete
from etl.pipeline.road import PeriodHeld
from etl.pipeline.written import WriteIncomplete
from etl.privacy.keys import Keyring
from etl.sources.errors import SourceUnreachable
from etl.submission.definition import Period
from etl.workspace import Workspace
from tests.command import call_english
from tests.pipeline.small_insurer import POLICIES, make_workspace
from tests.pipeline.test_road import REQUEST, content

OWNER = "airflow:east_monthly/manual"
BAD = ("P004", "王五", "4", "2026-01-01", None, "5.00", None)  # a state that the standard does not know


def begin(workspace: Workspace, owner: str = OWNER, **more) -> str:
    return open_run(workspace, REQUEST, owner=owner, by="zhang", **more)


def walk(workspace: Workspace, run: str, *, until: str = "seal", at_a_time: int = 1) -> list:
    reports = []
    for stage, names in plan(workspace, run).items():
        for at in range(0, len(names), at_a_time):
            reports += do_units(workspace, run, stage, names[at:at + at_a_time], by="zhang")
        if stage == "check":
            conclude(workspace, run, by="zhang")
        if stage == until:
            break
    return reports


def status(workspace: Workspace, run: str) -> str:
    with open_ledger(workspace.ledger_place) as ledger:
        return ledger.run(run).status


def package_of(workspace: Workspace, run: str) -> Path:
    with open_ledger(workspace.ledger_place) as ledger:
        return workspace.root / str(ledger.run(run).package)


def test_units_give_the_bytes_of_one_go(tmp_path):
    workspace = make_workspace(tmp_path)
    whole = start_run(workspace, REQUEST)
    run = begin(workspace)
    assert plan(workspace, run) == {"extract": ["core"], "standardise": ["BD", "JF"], "check": ["BD", "JF"], "mask": ["BD", "JF"],
                                    "write": ["BD", "JF"], "seal": ["package"]}
    reports = walk(workspace, run)
    assert status(workspace, run) == "sealed"
    assert content(package_of(workspace, run)) == content(whole.package)
    assert [(r.stage, r.unit, r.rows_in, r.rows_out, r.rows_aside) for r in reports if r.stage in ("extract", "standardise")] == [
        ("extract", "core", 7, 7, 0), ("standardise", "BD", 3, 3, 0), ("standardise", "JF", 4, 4, 0)]
    with open_ledger(workspace.ledger_place) as ledger:
        same = [{(c.stage, c.table): (c.rows_in, c.rows_out, c.rows_aside) for c in ledger.stages(r)} for r in (whole.run, run)]
        assert same[0] == same[1]
        assert ledger.findings(whole.run) == ledger.findings(run)
        assert ledger.mapping(whole.run) == ledger.mapping(run)
        assert [e.action for e in ledger.events(subject=run)] == ["run.start", "run.sealed"]
        assert {e.actor for e in ledger.events(subject=run)} == {"zhang"}
    assert list((workspace.vault_folder / run).rglob("*.parquet")) == []


def test_tables_may_be_written_in_any_order(tmp_path):
    workspace = make_workspace(tmp_path)
    whole = start_run(workspace, REQUEST)
    run = begin(workspace)
    walk(workspace, run, until="mask")
    do_units(workspace, run, "write", ["JF"], by="zhang")
    with pytest.raises(WriteIncomplete, match="BD"):
        do_units(workspace, run, "seal", ["package"], by="zhang")
    do_units(workspace, run, "write", ["BD"], by="zhang")
    do_units(workspace, run, "seal", ["package"], by="zhang")
    assert content(package_of(workspace, run)) == content(whole.package)


def test_what_is_done_is_not_done_again(tmp_path):
    workspace = make_workspace(tmp_path)
    run = begin(workspace)
    walk(workspace, run, until="standardise")
    extracted = next((workspace.vault_folder / run / "extract").rglob("*.parquet"))
    standardised = workspace.vault_folder / run / "standard" / "BD.parquet"
    before = (extracted.stat().st_mtime_ns, standardised.stat().st_mtime_ns)
    (tmp_path / "core.db").unlink()  # whoever read the core system again would notice
    reports = [*do_units(workspace, run, "extract", ["core"], by="zhang"), *do_units(workspace, run, "standardise", ["BD"], by="zhang")]
    assert [(r.unit, r.rows_out, r.done_before) for r in reports] == [("core", 7, True), ("BD", 3, True)]
    assert (extracted.stat().st_mtime_ns, standardised.stat().st_mtime_ns) == before


def test_check_is_concluded_only_when_every_table_is_checked(tmp_path):
    workspace = make_workspace(tmp_path)
    run = begin(workspace)
    walk(workspace, run, until="standardise")
    do_units(workspace, run, "check", ["BD"], by="zhang")
    with pytest.raises(CheckIncomplete, match="JF"):
        conclude(workspace, run, by="zhang")
    assert status(workspace, run) == "running"
    do_units(workspace, run, "check", ["JF"], by="zhang")
    assert conclude(workspace, run, by="zhang") == {"error": 0, "warning": 0}


def test_findings_end_the_road_and_a_mended_source_goes_on_in_the_same_run(tmp_path):
    workspace = make_workspace(tmp_path, policies=[*POLICIES, BAD])
    run = begin(workspace)
    with pytest.raises(BlockedByFindings, match="1 error"):
        walk(workspace, run)
    assert status(workspace, run) == "blocked"
    assert list((workspace.vault_folder / run).rglob("*.parquet")) == []
    with sqlite3.connect(tmp_path / "core.db") as core:
        core.execute("DELETE FROM Policy WHERE PolNo = 'P004'")
    # The operator clears the stage: the sources are read anew, for a blocked run is about what they held then.
    walk(workspace, run)
    clean = make_workspace(tmp_path / "clean")
    assert status(workspace, run) == "sealed"
    rows = [(c.stage, c.table, c.rows_out) for c in open_ledger(workspace.ledger_place).stages(run) if c.stage == "extract"]
    assert ("extract", "core.Policy", 3) in rows
    assert {p.name for p in package_of(workspace, run).iterdir()} == {p.name for p in start_run(clean, REQUEST).package.iterdir()}


def test_one_owner_finds_its_run_and_another_one_is_turned_away(tmp_path):
    workspace = make_workspace(tmp_path)
    run = begin(workspace)
    assert begin(workspace) == run
    with pytest.raises(PeriodHeld) as refused:
        begin(workspace, owner="airflow:east_monthly/second")
    assert run in refused.value.sentence("en") and OWNER in refused.value.sentence("en") and f"eastbound runs release {run}" in refused.value.sentence("zh")
    with pytest.raises(PeriodHeld):
        start_run(workspace, REQUEST)
    with pytest.raises(PeriodHeld):
        resume_run(workspace, run)
    assert start_run(workspace, replace(REQUEST, period=Period.parse("2026-09"))).status == "sealed"


def test_between_two_tasks_a_held_run_does_not_count_as_dead(tmp_path):
    workspace = make_workspace(tmp_path)
    run = begin(workspace)
    walk(workspace, run, until="extract")
    with open_ledger(workspace.ledger_place) as ledger:
        with ledger._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE runs SET pid = 999999999, process_token = 'gone'")
        assert ledger.mark_interrupted() == []
        assert ledger.run(run).status == "running"


def test_a_run_whose_scheduler_is_gone_is_released_and_resumed(tmp_path, capsys):
    workspace = make_workspace(tmp_path)
    run = begin(workspace)
    walk(workspace, run, until="standardise")
    assert list((workspace.vault_folder / run).rglob("*.parquet"))
    code, out, _ = call_english(capsys, "runs", "release", run, "-w", workspace.root)
    assert code == 0 and run in out
    assert status(workspace, run) == "interrupted"
    assert list((workspace.vault_folder / run).rglob("*.parquet")) == []
    assert resume_run(workspace, run).status == "sealed"
    # The owner comes back: all is done.
    assert all(report.done_before for report in walk(workspace, begin(workspace)))
    with pytest.raises(RunNotHeld):
        release_run(workspace, run, by="zhang")


def test_failed_run_is_laid_down_and_taken_up_where_it_stopped(tmp_path):
    workspace = make_workspace(tmp_path)
    whole = start_run(workspace, REQUEST)
    run = begin(workspace)
    walk(workspace, run, until="standardise")
    assert lay_down(workspace, run) == "failed"
    assert list((workspace.vault_folder / run).rglob("*.parquet")) == []
    reports = walk(workspace, run)
    assert [r.unit for r in reports if r.done_before] == ["core", "BD", "JF"]
    assert content(package_of(workspace, run)) == content(whole.package)
    assert lay_down(workspace, run) == "sealed"
    with open_ledger(workspace.ledger_place) as ledger:
        assert [e.action for e in ledger.events(subject=run)] == ["run.start", "run.resume", "run.sealed"]


def test_an_approved_period_is_not_run_again_unless_asked(tmp_path):
    workspace = make_workspace(tmp_path)
    run = begin(workspace)
    walk(workspace, run)
    with open_ledger(workspace.ledger_place) as ledger:
        decide(workspace, ledger, run, "approved", checker="li", login="li")
    with pytest.raises(PeriodAccepted, match="li"):
        begin(workspace, owner="airflow:east_monthly/backfill")
    again = begin(workspace, owner="airflow:east_monthly/backfill", resubmit=True)
    assert again != run
    walk(workspace, again)
    assert content(package_of(workspace, again)) == content(package_of(workspace, run))


def test_the_report_date_of_the_first_call_stays_past_midnight(tmp_path):
    workspace = make_workspace(tmp_path)
    run = begin(workspace)
    tomorrow = replace(REQUEST, report_date=date(2026, 11, 16))
    assert open_run(workspace, tomorrow, owner=OWNER, by="zhang") == run
    walk(workspace, run)
    assert package_of(workspace, run).parent.parent.name == "2026-10"
    with open_ledger(workspace.ledger_place) as ledger:
        assert ledger.run(run).report_date == date(2026, 11, 15)


def test_a_unit_is_done_by_one_process_at_a_time(tmp_path):
    workspace = make_workspace(tmp_path)
    run = begin(workspace)
    with period_lock(workspace.root, "tiny 2026-10", f"{run} extract core"):
        with pytest.raises(PeriodLocked) as busy:
            do_units(workspace, run, "extract", ["core"], by="zhang")
    assert busy.value.may_pass
    assert not do_units(workspace, run, "extract", ["core"], by="zhang")[0].done_before


def _unit(root: str, run: str, stage: str, unit: str) -> None:
    do_units(Workspace.open(root), run, stage, [unit], by="zhang")


def test_units_of_a_laid_down_run_taken_up_side_by_side(tmp_path):
    workspace = make_workspace(tmp_path)
    whole = start_run(workspace, REQUEST)
    run = begin(workspace)
    walk(workspace, run, until="standardise")
    lay_down(workspace, run)
    workers = [multiprocessing.get_context("spawn").Process(target=_unit, args=(str(workspace.root), run, "check", unit)) for unit in ("BD", "JF")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    conclude(workspace, run, by="zhang")
    walk(workspace, run)
    assert content(package_of(workspace, run)) == content(whole.package)


@pytest.mark.parametrize("stage", ["standardise", "check", "mask", "write", "seal"])
def test_worker_killed_in_a_stage(tmp_path, stage):
    workspace = make_workspace(tmp_path)
    whole = start_run(workspace, REQUEST)
    run = begin(workspace)
    stages = ["extract", "standardise", "check", "mask", "write", "seal"]
    walk(workspace, run, until=stages[stages.index(stage) - 1])
    unit = plan(workspace, run)[stage][0]
    worker = multiprocessing.get_context("spawn").Process(target=_unit, args=(str(workspace.root), run, stage, unit))
    worker.start()
    lock = workspace.root / "locks"
    deadline = time.monotonic() + 60
    while not any(f"{run}" in p.name and stage in p.name and p.suffix == ".json" for p in lock.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    assert worker.exitcode == -signal.SIGKILL
    walk(workspace, run)
    assert status(workspace, run) == "sealed"
    assert content(package_of(workspace, run)) == content(whole.package)
    assert len(list((workspace.root / "packages" / "tiny" / "2026-10").iterdir())) == 2


def test_keys_are_the_workspace_s(tmp_path):
    workspace = make_workspace(tmp_path)
    before = Keyring.open(workspace.keys_folder).fingerprint("masking")
    walk(workspace, begin(workspace))
    assert Keyring.open(workspace.keys_folder).fingerprint("masking") == before


def test_request_of_a_run(tmp_path):
    workspace = make_workspace(tmp_path)
    asked = RunRequest("tiny", Period.parse("2026-10"), date(2026, 11, 15), memory="1GB")
    run = open_run(workspace, asked, owner=OWNER, by="zhang")
    with open_ledger(workspace.ledger_place) as ledger:
        assert ledger.run(run).options["owner"] == OWNER
        assert RunRequest.of(ledger.run(run)) == asked


def test_core_system_that_is_down_is_tried_again_and_the_others_are_left_alone(tmp_path):
    workspace = make_workspace(tmp_path)
    run = begin(workspace)
    (tmp_path / "core.db").rename(tmp_path / "away.db")
    with pytest.raises(SourceUnreachable) as down:
        do_units(workspace, run, "extract", ["core"], by="zhang")
    assert down.value.may_pass and "core" in down.value.sentence("en")
    assert status(workspace, run) == "running"
    (tmp_path / "away.db").rename(tmp_path / "core.db")
    walk(workspace, run)
    assert status(workspace, run) == "sealed"
