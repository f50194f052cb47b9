"""The registry's day in steps: each in a process of its own, killed at every point, and no transaction goes out twice."""

from __future__ import annotations

import json
import signal
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from registry_stand_in import insurer, standing_in, step_apart, twin

from etl.ledger import open_ledger
from etl.ledger.registry import RegistryLedger
from etl.pipeline import registry_day
from etl.pipeline.registry_day import RegistryWork, ask_day, correct_day, is_answered, left_over, make_day, open_days, reconcile_day, send_day
from etl.submission.registry.errors import PlatformUnreachable
from etl.workspace import Workspace

DAY, TODAY = date(2026, 10, 1), date(2026, 10, 2)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return insurer(tmp_path_factory.mktemp("steps") / "w")


@pytest.fixture
def work(clean, tmp_path):
    return RegistryWork(Workspace.open(twin(clean, tmp_path / "w")), by="airflow")


def until_answered(work, day):
    """What a deferred task does, in short."""
    for _ in range(200):
        if is_answered(work, day):
            return
        time.sleep(0.05)
    raise AssertionError("the stand-in never answered")


def runs(work):
    with open_ledger(work.workspace.ledger_place) as ledger:
        return ledger.runs("registry_life_2")


def test_a_day_in_steps(work):
    with standing_in(work.workspace.root, "--patience", "2") as platform:
        platform.faults({"kind": "reject", "day": DAY.isoformat(), "transactions": 3})
        assert open_days(work, TODAY) == [DAY]
        made = make_day(work, DAY)
        sent = made.zips[0][2]
        assert (made.state, made.waiting, dict(made.counts)) == ("2", False, {"sent": sent}) and sent > 10
        assert [stage for stage, *_ in made.stages] == ["extract", "standardise", "check", "mask", "write", "seal"]
        assert all(rows_in == rows_out + aside for _, rows_in, rows_out, aside in made.stages)
        # Out of turn and again: nothing happens.
        assert ask_day(work, DAY).state == correct_day(work, DAY).state == reconcile_day(work, DAY).state == "2"
        assert (make_day(work, DAY).run, len(runs(work))) == (None, 1)
        assert is_answered(work, DAY)
        assert platform.summary()["counters"] == {}

        assert send_day(work, DAY).state == send_day(work, DAY).state == "4W"
        assert not is_answered(work, DAY)
        assert ask_day(work, DAY).waiting
        until_answered(work, DAY)
        judged = ask_day(work, DAY)
        assert (judged.state, judged.rejected, dict(judged.counts)) == ("2E", True, {"accepted": sent - 3, "rejected": 3})
        # What was answered is in the ledger: nothing is asked again.
        questions = platform.summary()["counters"]["request IncResultQuery"]
        assert ask_day(work, DAY).state == "2E" and platform.summary()["counters"]["request IncResultQuery"] == questions

        corrected = correct_day(work, DAY)
        assert (corrected.state, corrected.zips[1][0], corrected.zips[1][2]) == ("2", "FAI", 3) and corrected.run != made.run
        send_day(work, DAY)
        until_answered(work, DAY)
        assert dict(ask_day(work, DAY).counts) == {"accepted": sent}
        assert left_over(work, TODAY) == []
        assert [(stand.day, stand.state) for stand in left_over(work, TODAY + timedelta(days=1))] == [(DAY, "4"), (TODAY, "")]

        assert reconcile_day(work, DAY).state == "5W"
        until_answered(work, DAY)
        assert reconcile_day(work, DAY).state == reconcile_day(work, DAY).state == "7"
        held = platform.summary()
        assert (held["transactions"], held["sent_twice"]) == ({"accepted": sent, "rejected": 0}, 0)
        assert (held["counters"]["request IncUpload"], held["counters"]["request FaiUpload"], held["counters"]["request SummaryCheck"]) == (1, 1, 1)
        assert open_days(work, TODAY) == [] and open_days(work, TODAY + timedelta(days=1)) == [TODAY]
        with open_ledger(work.workspace.ledger_place) as ledger:
            told = [(event.actor, event.action) for event in ledger.events() if event.action.startswith("registry.")]
        assert {actor for actor, _ in told} == {"airflow"} and [action for _, action in told][-1] == "registry.done"


@pytest.mark.slow
def test_corrections_are_bounded_and_the_day_is_left_for_people(work, monkeypatch):
    monkeypatch.setattr(registry_day, "MAX_CORRECTIONS", 1)
    started = datetime.now(UTC)
    with standing_in(work.workspace.root) as platform:
        platform.faults({"kind": "reject", "day": DAY.isoformat()}, {"kind": "reject", "day": DAY.isoformat(), "of": "FAI"})
        make_day(work, DAY)
        for _ in range(2):
            send_day(work, DAY)
            until_answered(work, DAY)
            assert ask_day(work, DAY).rejected
            stand = correct_day(work, DAY, started)
        assert stand.rejected and [kind for kind, *_ in stand.zips] == ["INC", "FAI"]
        assert [s.state for s in left_over(work, TODAY)] == ["2E"]
        # The next day's work is allowed one of its own.
        assert correct_day(work, DAY, datetime.now(UTC)).state == "2"


def test_a_platform_that_is_down_leaves_the_day_as_it_was(work):
    with standing_in(work.workspace.root):
        pass
    made = make_day(work, DAY)
    for step in (send_day, send_day):
        with pytest.raises(PlatformUnreachable) as caught:
            step(work, DAY)
        assert caught.value.may_pass
    with standing_in(work.workspace.root) as platform:
        assert send_day(work, DAY).zips == made.zips
    for step in (is_answered, ask_day, ask_day):
        with pytest.raises(PlatformUnreachable):
            step(work, DAY)
    with standing_in(work.workspace.root) as platform:
        until_answered(work, DAY)
        assert ask_day(work, DAY).state == "4"
        assert platform.summary()["counters"]["request IncUpload"] == 1
    with pytest.raises(PlatformUnreachable):
        reconcile_day(work, DAY)
    # The comparison was begun and never asked for: that is for the step, there is nothing to wait for.
    assert is_answered(work, DAY) and not reconcile_is_done(work)


def reconcile_is_done(work) -> bool:
    return [stand.state for stand in left_over(work, TODAY + timedelta(days=1))][0] == "7"


def test_killed_in_the_middle_of_the_road_the_walk_goes_on(work):
    with standing_in(work.workspace.root):
        process = step_apart(work.workspace.root, "make_day", DAY)
        for _ in range(1200):
            time.sleep(0.05)
            if work.workspace.root.joinpath("ledger.db").is_file() and runs(work) and _stages(work).get("standardise", {}).get("LCCont"):
                break
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        before = _stages(work)
        made = make_day(work, DAY)
        assert [run.id for run in runs(work)] == [made.run] and made.state == "2"
        assert _stages(work)["extract"] == before["extract"]
        kept = {table: moment for table, moment in _stages(work)["standardise"].items() if table in before["standardise"]}
        assert kept == before["standardise"]


def _stages(work) -> dict:
    """When each table of each stage of the latest run was done."""
    with open_ledger(work.workspace.ledger_place) as ledger:
        found: dict = {}
        for count in ledger.stages(ledger.runs("registry_life_2")[0].id):
            found.setdefault(count.stage, {})[count.table] = count.finished_at
        return found


@pytest.mark.slow
def test_killed_at_every_point_of_every_step_no_transaction_goes_out_twice(work, tmp_path):
    killed = tmp_path / "killed.json"

    def through(step: str) -> None:
        for _ in range(60):
            process = step_apart(work.workspace.root, step, DAY, killed)
            process.join()
            if process.exitcode == 0:
                return
            assert process.exitcode == -signal.SIGKILL
        raise AssertionError("the step never came to its end")

    with standing_in(work.workspace.root) as platform:
        platform.faults({"kind": "reject", "day": DAY.isoformat(), "transactions": 2}, {"kind": "alter", "day": DAY.isoformat(), "table": "LCPolTransaction"})
        for step in ("make_day", "send_day", "ask_day"):
            through(step)
        # The walk was done before the first of three deaths, and is not done again.
        assert len(runs(work)) == 1
        until_answered(work, DAY)
        for step in ("ask_day", "correct_day", "send_day"):
            through(step)
        until_answered(work, DAY)
        through("ask_day")
        for _ in range(6):
            through("reconcile_day")
            until_answered(work, DAY)
        held = platform.summary()
        with open_ledger(work.workspace.ledger_place) as ledger:
            books = RegistryLedger(ledger, work.workspace.company)
            assert books.day(DAY).state == "7"
            assert [b.kind for b in books.batches(DAY)] == ["INC", "FAI", "DET"]
            assert books.counts(DAY) == {"accepted": held["transactions"]["accepted"]}
        assert held["sent_twice"] == 0 and held["transactions"]["rejected"] == 0
    points = {point for point, _ in json.loads(killed.read_text())}
    for name in ("open day", "take up zip", "upload", "notify", "record notification", "poll", "fetch errors", "record judgement", "begin check", "ask check",
                 "record check", "record figures", "take up detail", "close day"):
        assert {f"before {name}", f"after {name}"} <= points


@pytest.mark.parametrize(("moment", "expected"), [
    ("2026-10-01T23:59:59+08:00", date(2026, 10, 1)), ("2026-10-02T00:00:00+08:00", date(2026, 10, 2)),
    ("2026-10-01T15:59:59+00:00", date(2026, 10, 1)), ("2026-10-01T16:00:00+00:00", date(2026, 10, 2)),
    ("2026-12-31T15:59:59.999999+00:00", date(2026, 12, 31)), ("2026-12-31T11:00:00-05:00", date(2027, 1, 1)),
])
def test_the_day_of_the_work_turns_at_midnight_in_shanghai(moment, expected):
    assert registry_day.work_day(datetime.fromisoformat(moment)) == expected


def test_a_day_belongs_to_the_work_after_its_midnight(work):
    with standing_in(work.workspace.root):
        pass
    late, soon = (registry_day.work_day(datetime.fromisoformat(m)) for m in ("2026-10-01T23:59:59+08:00", "2026-10-02T00:00:00+08:00"))
    assert (open_days(work, late), open_days(work, soon)) == ([date(2026, 9, 30)], [DAY])
