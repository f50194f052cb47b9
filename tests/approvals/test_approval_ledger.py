"""The rules of approving that live in the ledger, on SQLite and PostgreSQL."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from etl.ledger import Ledger, migrations, open_ledger
from etl.ledger.approvals import (
    Approval,
    ApprovalBook,
    DecidedAlready,
    DecidedMeanwhile,
    DeliveredAlready,
    MakerUnknown,
    NameUnusable,
    NothingToWithdraw,
    PackageChanged,
    ReasonMissing,
    RunNotSealed,
    RunSuperseded,
    SamePerson,
    person,
)
from etl.ledger.database import connect_ledger, ledger_url, writing
from etl.ledger.definition import Run
from etl.ledger.registry import RegistryLedger

SHA, OTHER = "a" * 64, "b" * 64


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    return request.getfixturevalue("postgres_url") if request.param == "postgresql" else tmp_path / "ledger.db"


@pytest.fixture
def ledger(place):
    with open_ledger(place) as opened:
        yield opened


def sealed(ledger: Ledger, *, maker: str | None = "zhang", period: str = "2026-10", status: str = "sealed", sha: str = SHA, company: str = "000999") -> Run:
    """A run as the road leaves it."""
    run = ledger.start_run("east_life_2020", period, date(2026, 11, 15), company=company, pack_fingerprint="f")
    if maker is not None:
        ledger.append_event(maker, "run.start", run.id, {})
    done = {"package": f"packages/{run.id}", "package_sha256": sha} if status == "sealed" else {}
    return ledger.finish_run(run.id, status, **done)


def decide(ledger: Ledger, run: Run, decision: str = "approved", *, checker: str = "li", reason: str = "", after: int = 0, sha: str = SHA) -> Approval:
    return ApprovalBook(ledger).decide(run.id, decision, checker=checker, login="root", package_sha256=sha, after=after, reason=reason)


def test_an_approval_is_kept_with_its_link_in_the_chain(ledger):
    run, before = sealed(ledger), datetime.now(UTC)
    found = decide(ledger, run, checker="  Li  Na ", reason=" 已核对 ")
    assert before <= found.at <= datetime.now(UTC)
    assert found == Approval(1, run.id, "east_life_2020", "2026-10", "package", 1, "approved", "zhang", "Li Na", "已核对", SHA, found.at, 2)
    assert ApprovalBook(ledger).decisions() == [found] == ApprovalBook(ledger).decisions(run.id) and ApprovalBook(ledger).last(run.id) == found
    event = ApprovalBook(ledger).event_of(found)
    assert (event.seq, event.actor, event.action, event.subject) == (2, "root", "run.approved", run.id)
    assert event.detail == {"id": 1, "kind": "package", "number": 1, "decision": "approved", "maker": "zhang", "checker": "Li Na", "package_sha256": SHA,
                            "reason_sha256": hashlib.sha256("已核对".encode()).hexdigest()}
    assert ledger.verify_chain().ok


@pytest.mark.parametrize("checker", ["zhang", "ZHANG", "  Zhang ", "ｚｈａｎｇ", "zhang\u3000"])
def test_the_maker_cannot_be_the_checker_however_the_name_is_written(ledger, checker):
    run = sealed(ledger)
    with pytest.raises(SamePerson, match="started or resumed by zhang; someone else"):
        decide(ledger, run, checker=checker)
    with pytest.raises(SamePerson):
        decide(ledger, run, "rejected", checker=checker, reason="x")
    assert ApprovalBook(ledger).decisions() == [] and len(ledger.events()) == 1


def test_who_resumed_a_run_made_it_too(ledger):
    run = sealed(ledger)
    ledger.append_event("wang", "run.resume", run.id, {})
    assert ApprovalBook(ledger).makers(run.id) == ("zhang", "wang")
    with pytest.raises(SamePerson, match="by wang"):
        decide(ledger, run, checker="Wang")
    assert decide(ledger, run).maker == "zhang"


def test_a_run_whose_maker_is_not_known_cannot_be_approved(ledger):
    with pytest.raises(MakerUnknown, match="does not say who started run"):
        decide(ledger, sealed(ledger, maker=None))


@pytest.mark.parametrize("name", ["", "  ", "\u3000", "x" * 121, "li\x07"])
def test_a_name_must_be_one(ledger, name):
    with pytest.raises(NameUnusable):
        decide(ledger, sealed(ledger), checker=name)


def test_names_are_compared_in_one_spelling():
    assert person(" Li\u3000\tNA ") == person("ｌｉ na") == "li na" and person("lina") != person("li na")


@pytest.mark.parametrize("status", ["blocked", "failed", "interrupted"])
def test_only_sealed_runs_can_be_decided_on(ledger, status):
    with pytest.raises(RunNotSealed, match=f"it is {status}"):
        decide(ledger, sealed(ledger, status=status))


def test_only_the_package_that_was_looked_at_is_approved(ledger):
    with pytest.raises(PackageChanged, match="hash is not the one in the ledger"):
        decide(ledger, sealed(ledger), sha=OTHER)


def test_only_the_run_sealed_last_can_be_approved_or_rejected(ledger):
    first = sealed(ledger)
    early = decide(ledger, first)
    second, elsewhere, other = sealed(ledger), sealed(ledger, period="2026-09"), sealed(ledger, company="000888")
    blocked = sealed(ledger, status="blocked")
    for decision, reason in (("approved", ""), ("rejected", "x")):
        with pytest.raises(DecidedAlready):
            decide(ledger, first, decision, reason=reason, after=1)
    assert decide(ledger, first, "withdrawn", reason="超期", after=1).number == 2
    with pytest.raises(RunSuperseded, match=f"superseded by {second.id}, sealed later"):
        decide(ledger, first, after=2)
    assert [decide(ledger, run).number for run in (second, elsewhere, other)] == [1, 1, 1]
    assert ApprovalBook(ledger).latest_sealed(first) == second.id and blocked.status == "blocked"
    assert [(a.run, a.decision) for a in ApprovalBook(ledger).decisions(period="2026-10")] == [
        (other.id, "approved"), (second.id, "approved"), (first.id, "withdrawn"), (first.id, "approved")]
    assert ApprovalBook(ledger).decisions(first.id)[-1] == early


def test_from_rejected_to_approved_to_withdrawn_and_back(ledger):
    run, book = sealed(ledger), ApprovalBook(ledger)
    with pytest.raises(ReasonMissing, match="rejecting needs a reason: --reason TEXT"):
        decide(ledger, run, "rejected", reason="  ")
    with pytest.raises(NothingToWithdraw):
        decide(ledger, run, "withdrawn", reason="x")
    decide(ledger, run, "rejected", reason="赔款不符")
    with pytest.raises(DecidedAlready, match="was rejected by li at 20.*Mend it and start a new"):
        decide(ledger, run, "rejected", reason="again", checker="wang", after=1)
    with pytest.raises(NothingToWithdraw):
        decide(ledger, run, "withdrawn", reason="x", after=1)
    with pytest.raises(ReasonMissing, match="approving what li rejected needs a reason: --note"):
        decide(ledger, run, checker="wang", after=1)
    decide(ledger, run, checker="wang", after=1, reason="差额已由财务确认")
    with pytest.raises(DecidedAlready, match="was approved by wang .*withdraw it first"):
        decide(ledger, run, after=2)
    with pytest.raises(DecidedAlready, match="withdraw it first"):
        decide(ledger, run, "rejected", reason="x", after=2)
    with pytest.raises(ReasonMissing, match="withdrawing an approval"):
        decide(ledger, run, "withdrawn", after=2)
    decide(ledger, run, "withdrawn", reason="漏报机构", after=2)
    decide(ledger, run, after=3)
    assert [(a.number, a.decision, a.checker, a.reason) for a in reversed(book.decisions(run.id))] == [
        (1, "rejected", "li", "赔款不符"), (2, "approved", "wang", "差额已由财务确认"), (3, "withdrawn", "li", "漏报机构"), (4, "approved", "li", "")]
    assert [e.action for e in ledger.events(subject=run.id)] == ["run.start", "run.rejected", "run.approved", "run.approval_withdrawn", "run.approved"]
    assert all(book.event_of(one) for one in book.decisions()) and ledger.verify_chain().ok


def test_a_package_that_was_sealed_anew_needs_a_new_approval(ledger):
    run = sealed(ledger)
    decide(ledger, run)
    with ledger._engine.begin() as connection:
        connection.execute(sa.text("UPDATE runs SET package_sha256 = :sha"), {"sha": OTHER})
    again = decide(ledger, run, sha=OTHER, after=1)
    assert (again.number, again.package_sha256) == (2, OTHER)


def test_what_was_delivered_stays_approved(ledger):
    run = sealed(ledger)
    decide(ledger, run)
    assert not ApprovalBook(ledger).delivered(run)
    ledger.record_stage(run.id, "deliver", "package", rows_in=3, rows_out=3, rows_aside=0)
    assert ApprovalBook(ledger).delivered(run)
    with pytest.raises(DeliveredAlready, match="has been delivered; it can no longer be withdrawn"):
        decide(ledger, run, "withdrawn", reason="x", after=1)
    assert len(ApprovalBook(ledger).decisions()) == 1


def test_a_registry_zip_that_the_platform_took_is_delivered(ledger):
    run, books, day = sealed(ledger), RegistryLedger(ledger, "000999"), date(2026, 10, 15)
    books.add_batch(day, "B1", "INC", path=f"{run.package}/B1.zip", md5="0" * 32, rows=1, transactions=["T1"], state="2")
    assert not ApprovalBook(ledger).delivered(run)
    books.notified(books.batches(day)[0], "Q1", "4W")
    assert ApprovalBook(ledger).delivered(run) and not ApprovalBook(ledger).delivered(sealed(ledger))


@pytest.mark.parametrize("statement", ["UPDATE approvals SET decision = 'rejected'", "DELETE FROM approvals"])
def test_the_database_refuses_to_change_a_decision(ledger, statement):
    decide(ledger, sealed(ledger))
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), ledger._engine.connect() as connection:
        connection.execute(sa.text(statement))
    assert [a.decision for a in ApprovalBook(ledger).decisions()] == ["approved"]


def test_a_decision_that_the_chain_does_not_tell_of_is_seen(ledger):
    run, book = sealed(ledger), ApprovalBook(ledger)
    real = decide(ledger, run)
    forged = {**vars(real), "id": 2, "number": 2, "checker": "wang"}
    names = ", ".join(f'"{name}"' for name in forged)
    with ledger._engine.begin() as connection:
        connection.execute(sa.text(f"INSERT INTO approvals ({names}) VALUES ({', '.join(':' + name for name in forged)})"), forged)
    assert [(a.checker, book.event_of(a) is not None) for a in book.decisions()] == [("wang", False), ("li", True)]


DECIDER = """
import sys
from etl.errors import EastboundError
from etl.ledger import open_ledger
from etl.ledger.approvals import ApprovalBook
place, run, decision, checker = sys.argv[1:]
with open_ledger(place) as ledger:
    book = ApprovalBook(ledger)
    seen, sha = book.last(run), ledger.run(run).package_sha256
    print("seen", flush=True)
    sys.stdin.readline()
    try:
        print(book.decide(run, decision, checker=checker, login=checker, package_sha256=sha, after=seen.number if seen else 0, reason="x").decision)
    except EastboundError as error:
        print(type(error).__name__)
"""


@pytest.mark.parametrize("before", [[], ["rejected"]])
def test_of_two_checkers_at_once_one_decides(ledger, place, before):
    run = sealed(ledger)
    for number, decision in enumerate(before):
        decide(ledger, run, decision, reason="x", after=number)
    wanted = [("approved", "li"), ("approved" if before else "rejected", "wang")]
    both = [subprocess.Popen([sys.executable, "-c", DECIDER, str(place), run.id, *one], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for one in wanted]
    assert [process.stdout.readline().strip() for process in both] == ["seen", "seen"]
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0].strip() for process in both]
    assert said.count("DecidedMeanwhile") == 1 and [one for one in said if one != "DecidedMeanwhile"][0] in ("approved", "rejected")
    last = ApprovalBook(ledger).last(run.id)
    assert last.number == len(before) + 1 and last.checker == wanted[0 if said[1] == "DecidedMeanwhile" else 1][1]
    assert ledger.verify_chain().ok and len(ledger.events()) == len(before) + 2
    with pytest.raises(DecidedMeanwhile, match=f"was {last.decision} by {last.checker} just now"):
        decide(ledger, run, after=len(before), reason="x")


def test_a_ledger_of_the_release_before_gains_the_table_and_keeps_its_chain(place):
    engine = connect_ledger(ledger_url(place))
    config = Config()
    config.set_main_option("script_location", str(migrations.__path__[0]))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        connection.execute(sa.text(
            "INSERT INTO runs (id, standard, period, report_date, status, started_at, finished_at, company, pack_fingerprint, options, package, package_sha256, host, pid) "
            "VALUES ('20261115-aaaaaa', 'east_life_2020', '2026-10', '2026-11-15', 'sealed', '2026-11-15 01:02:03', '2026-11-15 02:02:03', '000999', 'f', '{}', 'p', :sha, 'h', 1)"),
            {"sha": SHA})
    engine.dispose()
    with open_ledger(place) as ledger:
        assert ApprovalBook(ledger).decisions() == []
        ledger.append_event("zhang", "run.start", "20261115-aaaaaa", json.loads("{}"))
        assert decide(ledger, ledger.run("20261115-aaaaaa")).event == 2 and ledger.verify_chain().ok
