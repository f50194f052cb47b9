"""The daily cycle against the stand-in: thirty days, kills at every step, corrections, reconciliations, and what must stop it."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from datetime import date, timedelta
from decimal import Decimal

import pytest
from synthetic import COMPANY, LAYOUTS, Platform, SyntheticSource, days_between, expected_day

from etl.ledger import open_ledger
from etl.ledger.registry import RegistryLedger, TransactionsSentBefore
from etl.submission.registry.cycle import Cycle
from etl.submission.registry.definition import State
from etl.submission.registry.errors import BatchUnfit, ErrorFileUnfit, NotReconciled, PlatformUnreachable, RequestRefused, StillWorking
from etl.submission.registry.settings import Polling, Retries
from etl.submission.registry.transport import Channel
from etl.submission.zip_package import subset_batch

FIRST = date(2026, 10, 1)


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    with Platform(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def platform(started):
    started.clear()
    return started


@pytest.fixture
def books(tmp_path):
    with open_ledger(tmp_path / "ledger.db") as ledger:
        yield RegistryLedger(ledger, COMPANY)


def cycle(platform, books, tmp_path, source=None, **options):
    settings = platform.settings()
    return Cycle(books, Channel(settings), source or SyntheticSource(tmp_path / "source"), LAYOUTS, tmp_path / "vault",
                 **{"polling": settings.polling, "sleep": lambda seconds: time.sleep(min(seconds, 0.02)), **options})


def states(books):
    return {d.day.day: d.state for d in books.days()}


def assert_same(platform, books, days, transactions=6):
    """Both sides hold every transaction of every day once, with the same counts and sums."""
    held = platform.summary()
    assert held["days"] == {d.isoformat(): expected_day(d, transactions) for d in days}
    assert held["sent_twice"] == 0 and held["transactions"] == {"accepted": transactions * len(days), "rejected": 0}
    for day in days:
        assert books.counts(day) == {"accepted": transactions}


@pytest.mark.slow
def test_thirty_days_with_errors_on_five_and_differences_on_two(platform, books, tmp_path):
    days = days_between(FIRST, 30)
    rejected = {3: 1, 8: 6, 13: 2, 21: 3, 30: 4}
    faults = [{"kind": "reject", "day": f"2026-10-{n:02d}", "transactions": count} for n, count in rejected.items()]
    faults += [{"kind": "reject", "day": "2026-10-13", "transactions": 1, "of": "FAI"}, {"kind": "alter", "day": "2026-10-10", "table": "LJAPay", "by": "-3.00"},
               {"kind": "lose", "day": "2026-10-20", "table": "LLBnf"}]
    faults += [{"kind": "down", "channel": "http"}, {"kind": "down", "channel": "sftp"}, {"kind": "drop", "after_bytes": 200, "times": 2},
               {"kind": "garbage"}, {"kind": "lose_answer"}]
    platform.faults(*faults)
    work = cycle(platform, books, tmp_path)
    for day in days_between(FIRST + timedelta(days=1), 31):
        for report in work.work(day):
            assert report.problem is None
            # Day -1 is settled, day -2 and all before it are done.
            assert report.state == ("4" if report.day == day - timedelta(days=1) else "7")
    assert states(books) == {**dict.fromkeys(range(1, 31), "7"), 31: "4"}
    assert_same(platform, books, days_between(FIRST, 31))
    batches = {day.day: [(b.kind, b.transactions, b.rejected, b.reply) for b in books.batches(day)] for day in days}
    assert batches[1] == [("INC", 6, 0, "0000")]
    assert batches[3] == [("INC", 6, 1, "05050200"), ("FAI", 1, 0, "0000")]
    assert batches[8] == [("INC", 6, 6, "05050100"), ("FAI", 6, 0, "0000")]
    assert batches[13] == [("INC", 6, 2, "05050200"), ("FAI", 2, 1, "05050200"), ("FAI", 1, 0, "0000")]
    assert batches[10] == batches[20] == [("INC", 6, 0, "0000"), ("DET", 6, 0, "0000")]
    assert {n for n, found in batches.items() if any(kind == "FAI" for kind, *_ in found)} == set(rejected)
    # Transactions 1, 2, 4, 5 pay 1.10 + 2.10 + 4.10 + 5.10.
    assert [(f.table, f.field, f.ours, f.theirs) for f in books.figures(date(2026, 10, 10), 1) if f.differs] == [
        ("LJAPay", "SumActuPayMoney", Decimal("12.40"), Decimal("9.40"))]
    assert [(f.table, f.check, f.ours, f.theirs) for f in books.figures(date(2026, 10, 20), 1) if f.differs] == [
        ("LLBnf", "SUM", Decimal("18.00"), Decimal("12.00")), ("LLBnf", "COUNT", Decimal(2), Decimal(1))]
    for day in (date(2026, 10, 10), date(2026, 10, 20)):
        assert len(books.figures(day, 2)) == 6 and not any(f.differs or f.theirs is None for f in books.figures(day, 2))


def run_child(platform, tmp_path, today, observe) -> bool:
    """The day's work in a process of its own, as after a crash with nothing in memory. True when it came to its end."""
    child = os.fork()
    if child == 0:
        code = 9
        try:
            with open_ledger(tmp_path / "ledger.db") as ledger:
                books = RegistryLedger(ledger, COMPANY)
                reports = cycle(platform, books, tmp_path, observe=lambda point: observe(point, books)).work(today)
                code = 0 if all(r.problem is None for r in reports) else 3
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"the work failed: {status}"
    return not os.WIFSIGNALED(status)


@pytest.mark.slow
def test_killed_at_every_step_nothing_is_lost_or_sent_twice(platform, tmp_path):
    platform.faults({"kind": "reject", "day": "2026-10-01", "transactions": 2}, {"kind": "alter", "day": "2026-10-01"})
    done = tmp_path / "killed.json"
    done.write_text("[]")

    def once(point, books):
        """Die the first time that this point is reached in this situation."""
        situation = [point, [[d.state, d.round, d.query_no is None, [b.state for b in books.batches(d.day)]] for d in books.days()]]
        killed = json.loads(done.read_text())
        if situation not in killed:
            done.write_text(json.dumps([*killed, situation]))
            os.kill(os.getpid(), signal.SIGKILL)

    for today in days_between(FIRST + timedelta(days=1), 2):
        for _ in range(200):
            if run_child(platform, tmp_path, today, once):
                break
        else:
            raise AssertionError("the work never came to its end")
    points = {point for point, _ in json.loads(done.read_text())}
    assert len(json.loads(done.read_text())) > 50
    for name in ("open day", "take up zip", "upload", "notify", "record notification", "poll", "fetch errors", "record judgement", "begin check", "ask check",
                 "record check", "record figures", "take up detail", "close day"):
        assert {f"before {name}", f"after {name}"} <= points
    with open_ledger(tmp_path / "ledger.db") as ledger:
        books = RegistryLedger(ledger, COMPANY)
        assert states(books) == {1: "7", 2: "4"}
        assert_same(platform, books, days_between(FIRST, 2))
        assert [(b.kind, b.transactions) for b in books.batches(FIRST)] == [("INC", 6), ("FAI", 2), ("DET", 6)]


@pytest.mark.slow
def test_killed_at_any_moment_and_the_platform_too(platform, tmp_path):
    chance = random.Random(7)
    platform.faults({"kind": "reject", "day": "2026-10-01", "transactions": 3}, {"kind": "lose", "day": "2026-10-02"})
    kills = 0
    for today in days_between(FIRST + timedelta(days=1), 4):
        for attempt in range(8):
            child = os.fork()
            if child == 0:
                try:
                    with open_ledger(tmp_path / "ledger.db") as ledger:
                        cycle(platform, RegistryLedger(ledger, COMPANY), tmp_path).work(today)
                finally:
                    os._exit(0)
            time.sleep(chance.uniform(0.01, 0.35))
            os.kill(child, signal.SIGKILL)
            kills += os.WIFSIGNALED(os.waitpid(child, 0)[1])
            if attempt == 4:
                assert platform.stop(kill=True) == -signal.SIGKILL
                platform.start()
        assert run_child(platform, tmp_path, today, lambda point, books: None)
    assert kills > 8
    with open_ledger(tmp_path / "ledger.db") as ledger:
        books = RegistryLedger(ledger, COMPANY)
        assert states(books) == {1: "7", 2: "7", 3: "7", 4: "4"}
        assert_same(platform, books, days_between(FIRST, 4))


def test_missed_days_are_caught_up_and_idle_days_are_reconciled_at_nothing(platform, books, tmp_path):
    work = cycle(platform, books, tmp_path, SyntheticSource(tmp_path / "source", idle=[date(2026, 10, 3)]))
    work.work(FIRST + timedelta(days=1))
    reports = work.work(date(2026, 10, 6))
    assert [(r.day.day, r.state) for r in reports] == [(1, "7"), (2, "7"), (3, "7"), (4, "7"), (5, "4")]
    assert books.batches(date(2026, 10, 3)) == [] and {f.ours for f in books.figures(date(2026, 10, 3), 1)} == {Decimal(0)}
    assert_same_days = [d for d in days_between(FIRST, 5) if d.day != 3]
    assert platform.summary()["days"] == {d.isoformat(): expected_day(d) for d in assert_same_days}
    assert [r.state for r in work.work(date(2026, 10, 6))] == ["4"]
    assert platform.summary()["sent_twice"] == 0


def test_corrections_may_come_late_and_in_parts_and_hold_up_the_reconciliation(platform, books, tmp_path):
    platform.faults({"kind": "reject", "day": "2026-10-01", "transactions": 3})
    asked = []

    class Slow(SyntheticSource):
        allowed: list[int] = []

        def correct(self, day, rows):
            asked.append([(row.transaction_no[-1], row.table, row.code, row.message) for row in rows])
            chosen = [row for row in rows if int(row.transaction_no[-1]) in self.allowed]
            return super().correct(day, chosen) if chosen else None

    source = Slow(tmp_path / "source")
    work = cycle(platform, books, tmp_path, source)
    assert [(r.day.day, r.state) for r in work.work(date(2026, 10, 3))] == [(2, "4")]
    assert [(r.day.day, r.state, r.problem) for r in work.work(date(2026, 10, 4))] == [(2, "7", None), (3, "4", None)]
    # Day 1 was before the first day of work; it is sent by name.
    work.settle(FIRST)
    assert books.day(FIRST).state == "2E" and books.counts(FIRST) == {"accepted": 3, "rejected": 3}
    assert asked[-1] == [("1", "LCPolTransaction", "E999", "injected"), ("2", "LCPolTransaction", "E999", "injected"), ("3", "LCPolTransaction", "E999", "injected")]
    work.reconcile(FIRST)
    assert books.day(FIRST).state == "2E" and books.figures(FIRST, 1) == []
    source.allowed = [2]
    # Transaction 2 goes through; the two others stay, and there is nothing corrected of them.
    work.settle(FIRST)
    assert books.counts(FIRST) == {"accepted": 4, "rejected": 2} and len(asked[-1]) == 2
    source.allowed = [1, 3]
    work.settle(FIRST)
    work.reconcile(FIRST)
    assert books.day(FIRST).state == "7"
    assert platform.summary()["days"]["2026-10-01"] == expected_day(FIRST)
    assert [(b.kind, b.transactions) for b in books.batches(FIRST)] == [("INC", 6), ("FAI", 1), ("FAI", 2)]


def test_what_was_held_back_is_sent_later_as_a_further_increment_and_the_day_reconciled_anew(platform, books, tmp_path):
    source = SyntheticSource(tmp_path / "source", transactions=4)
    work = cycle(platform, books, tmp_path, source, root=tmp_path)
    for day in days_between(FIRST + timedelta(days=1), 2):
        work.work(day)
    assert books.day(FIRST).state == "7" and books.batches(FIRST)[0].path == "source/zips/I_000999LINC0000000001_003.zip"
    work.late(FIRST)
    assert [(b.kind, b.transactions) for b in books.batches(FIRST)] == [("INC", 4)]
    source.transactions = 6
    work.late(FIRST)
    work.late(FIRST)
    assert books.day(FIRST).state == "4"
    assert [r.state for r in work.work(FIRST + timedelta(days=2))] == ["7", "4"]
    assert [(b.kind, b.transactions, b.reply) for b in books.batches(FIRST)] == [("INC", 4, "0000"), ("INC", 2, "0000")]
    assert platform.summary()["days"]["2026-10-01"] == expected_day(FIRST) and platform.summary()["sent_twice"] == 0


def test_what_comes_back_for_ever_is_left_for_people(platform, books, tmp_path):
    platform.faults({"kind": "reject", "day": "2026-10-01", "transactions": 1}, {"kind": "reject", "day": "2026-10-01", "of": "FAI", "times": 99})
    report = cycle(platform, books, tmp_path).work(FIRST + timedelta(days=1))[0]
    assert (report.state, report.problem) == ("2E", None)
    assert [b.kind for b in books.batches(FIRST)] == ["INC", "FAI", "FAI", "FAI", "FAI", "FAI"]
    platform.faults()
    assert cycle(platform, books, tmp_path).work(FIRST + timedelta(days=1))[0].state == "4"
    assert_same(platform, books, [FIRST])


def test_a_correction_of_something_else_or_a_number_sent_before_never_leaves_the_house(platform, books, tmp_path):
    platform.faults({"kind": "reject", "day": "2026-10-01", "transactions": 1})

    class Wrong(SyntheticSource):
        def correct(self, day, rows):
            return self._zip(day, "FAI", {rows[0].transaction_no, f"{COMPANY}20261001{6:010d}"})

    work = cycle(platform, books, tmp_path, Wrong(tmp_path / "source"))
    report = work.work(FIRST + timedelta(days=1))[0]
    assert isinstance(report.problem, BatchUnfit) and report.state == "2E"
    assert books.counts(FIRST) == {"accepted": 5, "rejected": 1}

    class Again(SyntheticSource):
        def increment(self, day):
            batch = super().increment(FIRST)
            return type(batch)(**{**batch.__dict__, "trans_date": day})

    report = cycle(platform, books, tmp_path, Again(tmp_path / "source")).work(date(2026, 10, 3))[-1]
    assert isinstance(report.problem, TransactionsSentBefore) and report.problem.values["count"] == 6
    assert platform.summary()["counters"]["request IncUpload"] == 1 and platform.summary()["sent_twice"] == 0


def test_zips_that_are_not_what_they_say_are_not_sent(platform, books, tmp_path):
    class Lying(SyntheticSource):
        change: dict = {}

        def increment(self, day):
            batch = super().increment(day)
            return type(batch)(**{**batch.__dict__, **self.change})

    source = Lying(tmp_path / "source")
    work = cycle(platform, books, tmp_path, source)
    for change in ({"md5": "0" * 32}, {"trans_count": 5}, {"trans_date": date(2026, 9, 1)}, {"kind": "FAI"}, {"tables": {}}, {"zip_path": tmp_path / "none.zip"}):
        source.change = change
        report = work.work(FIRST + timedelta(days=1))[0]
        assert isinstance(report.problem, BatchUnfit) and report.state == "2E", change
    source.change = {}
    assert work.work(FIRST + timedelta(days=1))[0].state == "4"
    assert_same(platform, books, [FIRST])


def test_a_zip_changed_after_it_was_taken_up_is_not_sent(platform, books, tmp_path):
    def stop(point):
        if point == "before upload":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cycle(platform, books, tmp_path, observe=stop).work(FIRST + timedelta(days=1))
    path = next((tmp_path / "source" / "zips").glob("*.zip"))
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    assert isinstance(cycle(platform, books, tmp_path).work(FIRST + timedelta(days=1))[0].problem, BatchUnfit)
    path.write_bytes(content)
    assert cycle(platform, books, tmp_path).work(FIRST + timedelta(days=1))[0].state == "4"


def test_a_difference_that_detail_does_not_mend_stops_for_people_and_is_compared_anew(platform, books, tmp_path):
    platform.faults({"kind": "alter", "day": "2026-10-01", "times": 4})
    work = cycle(platform, books, tmp_path)
    work.work(FIRST + timedelta(days=1))
    report = work.work(FIRST + timedelta(days=2))[0]
    assert isinstance(report.problem, NotReconciled) and (report.state, report.problem.values["count"]) == ("5E", 1)
    assert [b.kind for b in books.batches(FIRST)] == ["INC", "DET", "DET"]
    assert isinstance(work.work(FIRST + timedelta(days=3))[0].problem, NotReconciled)
    assert [b.kind for b in books.batches(FIRST)] == ["INC", "DET", "DET"]
    # The stand-in's operator puts the figure right.
    import sqlite3

    with sqlite3.connect(platform.folder / "store.db") as db:
        row = db.execute("SELECT id, fields FROM rows WHERE day = '2026-10-01' AND name = 'LCPolTransaction' ORDER BY id").fetchone()
        fields = json.loads(row[1])
        fields[3] = "1.10"
        db.execute("UPDATE rows SET fields = ? WHERE id = ?", (json.dumps(fields), row[0]))
    platform.faults()
    assert work.work(FIRST + timedelta(days=3))[0].state == "7"


def test_a_slow_platform_is_waited_for_another_day(tmp_path, books):
    with Platform(tmp_path, pause=1.5) as slow:
        hasty = cycle(slow, books, tmp_path, polling=Polling(0.01, 0.01, 0.1))
        report = hasty.work(FIRST + timedelta(days=1))[0]
        assert isinstance(report.problem, StillWorking) and report.waiting and report.state == State.WAITING
        assert cycle(slow, books, tmp_path, sleep=time.sleep).work(FIRST + timedelta(days=1))[0].state == "4"
        assert slow.summary()["counters"]["request IncUpload"] == 1


def test_a_platform_that_is_down_stops_the_day_and_the_next_try_goes_on(platform, books, tmp_path):
    platform.stop()
    settings = platform.settings(retries=Retries(2, 0, 0))
    down = Cycle(books, Channel(settings), SyntheticSource(tmp_path / "source"), LAYOUTS, tmp_path / "vault")
    report = down.work(FIRST + timedelta(days=1))[0]
    assert isinstance(report.problem, PlatformUnreachable) and report.state == State.MADE
    platform.start()
    assert cycle(platform, books, tmp_path).work(FIRST + timedelta(days=1))[0].state == "4"
    assert_same(platform, books, [FIRST])


def test_an_error_file_about_something_else_is_not_believed(platform, books, tmp_path):
    platform.faults({"kind": "reject", "day": "2026-10-01", "transactions": 2})
    import zipfile

    def swap(point):
        if point == "before fetch errors":
            path = next((platform.folder / "files" / "errors").glob("*.zip"))
            with zipfile.ZipFile(path, "w") as box:
                box.writestr(f"{COMPANY}/error.txt", "\x01".join((COMPANY, "LJAPay", "000999LINC0000000001", f"{COMPANY}20250101{1:010d}", "E1", "x")) + "\n")

    report = cycle(platform, books, tmp_path, observe=swap).work(FIRST + timedelta(days=1))[0]
    assert isinstance(report.problem, ErrorFileUnfit) and report.state == State.WAITING
    assert books.counts(FIRST) == {"sent": 6}


def test_a_refusal_without_a_documented_code_is_passed_on_at_once(platform, books, tmp_path):
    def spoil(point):
        if point == "after upload":
            path = next((platform.folder / "files" / "inbox").glob("*.zip"))
            path.write_bytes(b"other")

    report = cycle(platform, books, tmp_path, observe=spoil).work(FIRST + timedelta(days=1))[0]
    assert isinstance(report.problem, RequestRefused) and report.problem.values["status"] == "STANDIN-MD5"
    assert cycle(platform, books, tmp_path).work(FIRST + timedelta(days=1))[0].state == "4"


def test_the_stand_in_itself_refuses_and_counts_what_comes_twice(platform, books, tmp_path):
    cycle(platform, books, tmp_path).work(FIRST + timedelta(days=1))
    first = SyntheticSource(tmp_path / "other").increment(FIRST)
    again = subset_batch(first, [f"{COMPANY}20261001{n:010d}" for n in (1, 2)], batch_no="000999LINC0000000077", target=tmp_path / "again", kind="INC")
    with open_ledger(tmp_path / "forgetful.db") as ledger:
        forgetful = RegistryLedger(ledger, COMPANY)

        class Twice(SyntheticSource):
            def increment(self, day):
                return again

            def correct(self, day, rows):
                assert {row.code for row in rows} == {"E201"}
                return None

        report = cycle(platform, forgetful, tmp_path, Twice(tmp_path / "other")).work(FIRST + timedelta(days=1))[0]
    assert report.state == "2E" and platform.summary()["sent_twice"] == 2
    assert platform.summary()["days"] == {"2026-10-01": expected_day(FIRST)}


def test_what_was_noted_holds_no_row_and_names_every_act(platform, books, tmp_path):
    platform.faults({"kind": "reject", "day": "2026-10-01", "transactions": 1})
    notes = []
    work = cycle(platform, books, tmp_path, note=lambda action, subject, detail: notes.append((action, subject, dict(detail))))
    work.work(FIRST + timedelta(days=1))
    work.work(FIRST + timedelta(days=2))
    assert [n[0] for n in notes] == ["registry.sent", "registry.judged", "registry.sent", "registry.judged", "registry.sent", "registry.judged", "registry.checked",
                                     "registry.done"]
    assert notes[1][2] == {"status": "05050200", "rejected": 1, "errors": 1} and notes[-1] == ("registry.done", "2026-10-01", {"accepted": 6})
    assert books.faults(books.batches(FIRST)[0].batch_no)[0].code == "E999"
