from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from etl.ledger import open_ledger
from etl.ledger.chain import GENESIS, link_hash, moment_text


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request, tmp_path):
    place = request.getfixturevalue("postgres_url") if request.param == "postgresql" else tmp_path / "ledger.db"
    with open_ledger(place) as opened:
        yield opened


def tamper(ledger, *statements):
    """Do what someone with full rights on the database could do."""
    with ledger._engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            statements = ("DROP TRIGGER audit_events_no_UPDATE", "DROP TRIGGER audit_events_no_DELETE", *statements)
        else:
            statements = ("DROP TRIGGER audit_events_append_only ON audit_events", *statements)
        for statement in statements:
            connection.execute(sa.text(statement))
        connection.commit()


def test_the_hash_is_sha256_over_the_documented_text():
    text = '[1,"2026-10-31T08:00:00.000000Z","li","run.start","r1","{\\"说明\\":1}","' + "0" * 64 + '"]'
    assert moment_text(datetime(2026, 10, 31, 8, tzinfo=UTC)) == "2026-10-31T08:00:00.000000Z"
    assert link_hash(1, "2026-10-31T08:00:00.000000Z", "li", "run.start", "r1", '{"说明":1}', GENESIS) == hashlib.sha256(text.encode()).hexdigest()


def test_links_continue_each_other(ledger):
    first = ledger.append_event("li", "run.start", "20261031-aaa", {"b": 1, "a": "甲"})
    second = ledger.append_event("wang", "approve", "20261031-aaa")
    assert (first.seq, first.prev_hash, second.seq, second.prev_hash) == (1, GENESIS, 2, first.hash)
    assert first.detail == {"a": "甲", "b": 1} and second.detail == {}
    assert ledger.events() == [first, second] and ledger.events(subject="none") == []
    assert ledger.chain_head() == second
    report = ledger.verify_chain(noted=first)
    assert (report.ok, report.length, report.head, report.broken_seq) == (True, 2, second.hash, None)


def test_an_empty_chain_holds(ledger):
    assert ledger.verify_chain().ok and ledger.chain_head() is None


@pytest.mark.parametrize("statement", ["UPDATE audit_events SET actor = 'x' WHERE seq = 2", "DELETE FROM audit_events WHERE seq = 2"])
def test_the_database_refuses_to_change_events(ledger, statement):
    for n in range(3):
        ledger.append_event("li", "note", str(n))
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), ledger._engine.connect() as connection:
        connection.execute(sa.text(statement))
    assert ledger.verify_chain().ok


@pytest.mark.parametrize(("statement", "seq", "reason"), [
    ("UPDATE audit_events SET actor = 'x' WHERE seq = 2", 2, "altered"),
    ("UPDATE audit_events SET detail = '{}' WHERE seq = 3", 3, "altered"),
    ("UPDATE audit_events SET at = '2020-01-01T00:00:00.000000Z' WHERE seq = 1", 1, "altered"),
    ("UPDATE audit_events SET prev_hash = hash WHERE seq = 3", 3, "unlinked"),
    ("DELETE FROM audit_events WHERE seq = 2", 2, "missing"),
    ("DELETE FROM audit_events WHERE seq = 1", 1, "missing"),
])
def test_tampering_names_the_first_broken_link(ledger, statement, seq, reason):
    for n in range(4):
        ledger.append_event("li", "note", str(n), {"a": n})
    tamper(ledger, statement)
    report = ledger.verify_chain()
    assert (report.ok, report.broken_seq, report.reason) == (False, seq, reason)


def test_a_cut_end_is_seen_only_with_a_noted_event(ledger):
    for n in range(3):
        last = ledger.append_event("li", "note", str(n))
    tamper(ledger, "DELETE FROM audit_events WHERE seq = 3")
    assert ledger.verify_chain().ok
    report = ledger.verify_chain(noted=last)
    assert (report.ok, report.broken_seq, report.reason) == (False, 3, "truncated")


def test_many_writers_give_one_chain(ledger):
    with ThreadPoolExecutor(8) as pool:
        seqs = list(pool.map(lambda n: ledger.append_event("w", "note", str(n)).seq, range(40)))
    assert sorted(seqs) == list(range(1, 41))
    assert ledger.verify_chain().length == 40
