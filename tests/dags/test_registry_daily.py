"""`registry_daily` in real Airflow, against the stand-in platform: what goes over is what `eastbound registry day` sends."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "pipeline"))

from registry_stand_in import StandIn, insurer, standing_in, twin  # noqa: E402

from etl.ledger import open_ledger  # noqa: E402
from etl.ledger.registry import RegistryLedger  # noqa: E402
from etl.workspace import Workspace  # noqa: E402
from tests.dags.registry_days import finish, prepare, start  # noqa: E402

DAYS = int(os.environ.get("EASTBOUND_TEST_REGISTRY_DAYS", "30"))
FIRST = date(2026, 10, 1)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """An insurer with nothing sent yet, its keys made."""
    from etl.privacy.keys import Keyring

    root = insurer(tmp_path_factory.mktemp("daily") / "w")
    Keyring.open(Workspace.open(root).keys_folder)
    return root


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """An Airflow database that was just made: tests take copies."""
    home = tmp_path_factory.mktemp("airflow") / "home"
    prepare(home, home)
    return home / "airflow.db"


@pytest.fixture
def workspace(clean, tmp_path):
    return twin(clean, tmp_path / "w")


def airflow_at(home: Path, database: Path, workspace: Path, **settings: str) -> dict[str, str]:
    """The environment of an Airflow of the test's own."""
    if not home.is_dir():
        home.mkdir()
        shutil.copy(database, home / "airflow.db")
    return prepare(home, workspace, migrated=True, **settings)


@pytest.fixture
def airflow(database, workspace, tmp_path):
    """environment(**settings) of an Airflow of the test's own."""
    return partial(airflow_at, tmp_path / "home", database, workspace)


def due(today: date, **more) -> dict:
    """The DAG run of a day's work, as the schedule begins it."""
    return {"logical_date": f"{today.isoformat()}T01:30:00+08:00", **more}


def state_of(root: Path) -> dict:
    """Everything that the ledger says of the registry's days, without moments."""
    with open_ledger(Workspace.open(root).ledger_place) as ledger:
        books = RegistryLedger(ledger, "000999")
        return {d.day.isoformat(): {
            "state": d.state, "round": d.round, "counts": books.counts(d.day), "transactions": books.transactions(d.day),
            "zips": [(b.batch_no, b.number, b.kind, b.state, b.transactions, b.rows, b.path.rpartition("/")[2], b.md5, b.reply, b.rejected) for b in books.batches(d.day)],
            "figures": [[(f.table, f.field, f.check, f.ours, f.theirs) for f in books.figures(d.day, n)] for n in range(1, d.round + 1)],
        } for d in books.days()}


def zips_of(root: Path) -> dict[str, str]:
    """Every zip that was made, and what it is byte by byte."""
    found = [*(root / "packages").rglob("*.zip"), *(root / "vault" / "registry" / "zips").glob("*.zip")]
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def walks(root: Path) -> int:
    with open_ledger(Workspace.open(root).ledger_place) as ledger:
        return len(ledger.runs("registry_life_2"))


def worked(log: str, task: str) -> int:
    """How often a worker was at a task: each waking up from waiting is one."""
    return len(re.findall(rf"\[DAG TEST\] running task <TaskInstance: registry_daily\.day\.{task} ", log))


MOMENTS = ("2026-10-01T23:59:59+08:00", "2026-10-02T00:00:00+08:00", "2026-10-01T15:59:59+00:00", "2026-10-01T16:00:00+00:00")


@pytest.fixture(scope="module")
def a_day(clean, database, tmp_path_factory):
    """(workspace, DAG runs, log, what the platform holds): plans around midnight, one for a day that was asked for, and a whole day."""
    folder = tmp_path_factory.mktemp("a_day")
    workspace = twin(clean, folder / "w")
    with standing_in(workspace, "--patience", "3") as platform:
        platform.faults({"kind": "drop", "after_bytes": 500}, {"kind": "lose_answer"})
        plans = [{"logical_date": moment, "only": ["plan"]} for moment in MOMENTS]
        named = {"logical_date": MOMENTS[0], "conf": {"today": "2026-10-06"}, "only": ["plan"]}
        runs, log = finish(start(airflow_at(folder / "home", database, workspace), *plans, named, due(FIRST + timedelta(days=1))))
        return workspace, runs, log, platform.summary()


def test_the_day_turns_at_midnight_in_shanghai(a_day):
    _, runs, log, _ = a_day
    assert re.findall(r"work of (\S+): (\S+)", log)[:5] == [
        ("2026-10-01", "2026-09-30"), ("2026-10-02", "2026-10-01"), ("2026-10-01", "2026-09-30"), ("2026-10-02", "2026-10-01"), ("2026-10-06", "2026-10-05")]
    # The data interval is the day.
    assert runs[-1]["interval"] == ["2026-09-30T16:00:00+00:00", "2026-10-01T16:00:00+00:00"]


def test_a_day_by_the_schedule(a_day):
    workspace, runs, log, held = a_day
    run = runs[-1]
    assert {name: state for name, (state, *_) in run["tasks"].items()} == {
        "plan": "success", "day.make[0]": "success", "day.send[0]": "success", "day.wait_reply[0]": "success", "day.correct[0]": "success",
        "day.reconcile[0]": "skipped", "close": "success"}
    assert run["state"] == "success" and {run["tasks"][f"day.{task}[0]"][2] for task in ("make", "wait_reply", "correct")} == {"2026-10-01"}
    found = state_of(workspace)["2026-10-01"]
    sent = found["zips"][0][4]
    assert (found["state"], found["counts"]) == ("4", {"accepted": sent}) and sent > 10
    assert (held["transactions"], held["sent_twice"]) == ({"accepted": sent, "rejected": 0}, 0)
    assert re.search(r"extract: rows in \d+, out \d+, set aside 0", log) and f"zip INC 000999LINC0000000001: {sent} transaction(s), 0 rejected" in log


def test_waiting_holds_no_worker(a_day):
    _, _, log, held = a_day
    # A worker was there twice, to ask first and to take the answer; what was asked in between was asked by the triggerer.
    assert worked(log, "wait_reply") == 2 and "the platform is still working" in log and held["counters"]["request IncResultQuery"] > 2


def test_xcom_names_days_and_runs_and_the_audit_chain_who_asked(a_day):
    workspace, runs, _, _ = a_day
    with open_ledger(Workspace.open(workspace).ledger_place) as ledger:
        known = ledger.runs("registry_life_2")[0].id
        assert {event.actor for event in ledger.events() if event.action.startswith("registry.")} == {"dag_test"}
    assert sorted((task, key, value) for task, _, key, value in runs[-1]["xcom"] if value is not None) == [
        ("day.make", "eastbound_run", known), ("plan", "return_value", ["2026-10-01"])]


@pytest.mark.slow
def test_a_platform_that_is_down_at_the_start_is_tried_again_and_the_road_is_not_walked_twice(airflow, workspace):
    platform = StandIn(workspace).start()
    platform.impatient()
    platform.stop()
    process = start(airflow(EASTBOUND_RETRIES="20"), due(FIRST + timedelta(days=1)))
    try:
        deadline = time.monotonic() + 240
        while not (workspace / "ledger.db").is_file() or [d["state"] for d in state_of(workspace).values()] != ["2"]:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.5)
        time.sleep(3)
        platform.start()
        (run,), log = finish(process)
        assert run["state"] == "success", run["tasks"]
        assert run["tasks"]["day.make[0]"][:2] == ["success", 1] and run["tasks"]["day.send[0]"][1] > 1
        assert "the platform cannot be reached" in log and walks(workspace) == 1
        assert state_of(workspace)["2026-10-01"]["state"] == "4" and platform.summary()["counters"]["request IncUpload"] == 1
    finally:
        process.kill()
        platform.stop()


@pytest.mark.slow
def test_a_login_that_is_refused_fails_at_once(airflow, workspace):
    import asyncssh

    with standing_in(workspace):
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(workspace / "other_key"))
        settings = workspace / "registry.yaml"
        settings.write_text(settings.read_text().replace("registry-platform/client_key", "other_key"))
        (run,), log = finish(start(airflow(), due(FIRST + timedelta(days=1))))
    assert run["state"] == "failed" and run["tasks"]["day.send[0]"][:2] == ["failed", 1] and "refuses the login of insurer" in log
    assert run["tasks"]["close"][0] == "failed" and "2026-10-01 2 is not sent or not compared yet" in log


@pytest.mark.slow
def test_a_platform_that_takes_its_time_holds_no_worker_and_a_day_that_fails_does_not_hold_up_the_next(airflow, workspace):
    with standing_in(workspace, "--patience", "100000") as platform:
        (run,), log = finish(start(airflow(EASTBOUND_REGISTRY_PATIENCE_HOURS="0.002"), due(FIRST + timedelta(days=1))))
        asked = platform.summary()["counters"]["request IncResultQuery"]
    assert run["state"] == "failed" and run["tasks"]["day.wait_reply[0]"][:2] == ["failed", 1] and run["tasks"]["day.reconcile[0]"][0] == "upstream_failed"
    # Seven seconds of growing pauses up to 0.2 s; the worker itself asked once.
    assert worked(log, "wait_reply") == 2 and 10 < asked < 60
    assert "2026-10-01 4W waits for the platform" in log
    with standing_in(workspace) as platform:
        # The platform comes back: the next day's run sends its own day, and takes the answer for the one before.
        (run,), _ = finish(start(airflow(), due(FIRST + timedelta(days=2))))
        assert run["state"] == "success" and platform.summary()["sent_twice"] == 0
    assert {day: found["state"] for day, found in state_of(workspace).items()} == {"2026-10-01": "7", "2026-10-02": "4"}
    assert walks(workspace) == 2


@pytest.mark.slow
def test_thirty_days_are_those_of_the_command(airflow, workspace, clean, tmp_path):
    other = twin(clean, tmp_path / "twin")
    first, last = FIRST + timedelta(days=1), FIRST + timedelta(days=DAYS)
    faults = [{"kind": "reject", "day": (FIRST + timedelta(days=n)).isoformat(), "transactions": 3} for n in (1, 11)]
    faults += [{"kind": "alter", "day": (FIRST + timedelta(days=n)).isoformat(), "table": "LCPolTransaction"} for n in (0, 14)]
    faults += [{"kind": "drop", "after_bytes": 500}, {"kind": "lose_answer"}]
    with standing_in(workspace) as one, standing_in(other) as two:
        for platform in (one, two):
            platform.faults(*faults)
        code = "import sys; from etl.commands.registry import registry; sys.exit(registry.main(sys.argv[1:], standalone_mode=False))"
        command = subprocess.Popen([sys.executable, "-c", code, "day", "-q", "-w", str(other), "--from", first.isoformat(), "--today", last.isoformat(),
                                    "--format", "json"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            runs, _ = finish(start(airflow(), *(due(first + timedelta(days=n)) for n in range(DAYS))), timeout=1800)
            command.communicate(timeout=900)
        finally:
            command.kill()
        assert [run["state"] for run in runs] == ["success"] * DAYS and command.returncode == 0
        found = state_of(workspace)
        assert [day["state"] for day in found.values()] == ["7"] * (DAYS - 1) + ["4"]
        kinds = {day: [zip[2] for zip in facts["zips"]] for day, facts in found.items() if len(facts["zips"]) > 1}
        assert kinds == {(FIRST + timedelta(days=n)).isoformat(): ["INC", kind]
                         for n, kind in ((0, "DET"), (1, "FAI"), (11, "FAI"), (14, "DET")) if n < DAYS - (kind == "DET")}
        # What was sent, byte by byte; what each side holds of it; and what the ledger says.
        assert zips_of(workspace) == zips_of(other) and len(zips_of(workspace)) >= DAYS
        held = [platform.summary() for platform in (one, two)]
        assert held[0]["days"] == held[1]["days"] and held[0]["transactions"] == held[1]["transactions"]
        assert [each["sent_twice"] for each in held] == [0, 0]
        assert found == state_of(other)
