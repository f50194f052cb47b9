"""Batch numbers and the numbers of business events."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa

from etl.ledger import open_ledger
from etl.ledger.migrations import HEAD

DAY = date(2026, 10, 15)
STANDARD, PERIOD = "registry_life_2", "2026-10-15"


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request, tmp_path):
    place = request.getfixturevalue("postgres_url") if request.param == "postgresql" else tmp_path / "ledger.db"
    with open_ledger(place) as opened:
        yield opened


def number(ledger, *events, standard=STANDARD, day=DAY):
    return ledger.number_events("000999", day, standard, PERIOD, events)


def test_events_are_numbered_in_the_order_given_and_keep_their_number(ledger):
    assert number(ledger, "NB|1", "RN|2") == {"NB|1": 1, "RN|2": 2}
    assert number(ledger, "RN|2", "NB|1") == {"NB|1": 1, "RN|2": 2}
    # AA comes first in order, but the others were there before.
    assert number(ledger, "AA|0", "NB|1", "RN|2") == {"AA|0": 3, "NB|1": 1, "RN|2": 2}
    # An event that is gone leaves its number unused.
    assert number(ledger, "NB|1", "ZZ|9") == {"NB|1": 1, "ZZ|9": 4}


def test_no_number_is_given_twice_on_a_day(ledger):
    assert number(ledger, "A", "B") == {"A": 1, "B": 2}
    assert ledger.allocate_serials("000999", DAY, "east_life_2020", "2026-09", 10) == 3
    assert number(ledger, "A", standard="another") == {"A": 13}
    # The block of the first two cannot grow any more: a new one holds the third.
    third = number(ledger, "A", "B", "C")["C"]
    assert third > 13
    assert number(ledger, "A", day=date(2026, 10, 16)) == {"A": 1}


def test_no_event_needs_no_number(ledger):
    assert number(ledger) == {}
    assert ledger.allocate_serials("000999", DAY, "other", "2026-09", 1) == 1


def test_batches_are_numbered_per_company_and_asked_again_the_same(ledger):
    assert ledger.allocate_batch("000999", "INC", STANDARD, "2026-10-15") == 1
    assert ledger.allocate_batch("000999", "INC", STANDARD, "2026-10-16") == 2
    assert ledger.allocate_batch("000999", "INC", STANDARD, "2026-10-15") == 1
    assert ledger.allocate_batch("000999", "FAI", STANDARD, "2026-10-15") == 3
    assert ledger.allocate_batch("000999", "FAI", STANDARD, "2026-10-15", part=2) == 4
    assert ledger.allocate_batch("000999", "FAI", STANDARD, "2026-10-15", part=1) == 3
    assert ledger.allocate_batch("000998", "INC", STANDARD, "2026-10-15") == 1


def test_a_ledger_of_the_first_version_is_brought_up_with_what_it_holds(tmp_path):
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    from etl.ledger.migrations.versions import v0001_first

    engine = sa.create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
    with engine.begin() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            v0001_first.upgrade()
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(sa.text("INSERT INTO alembic_version VALUES ('0001')"))
        connection.execute(sa.text("INSERT INTO serial_allocations VALUES ('000999', '2026-10-15', 1, 5, 'east_life_2020', '2026-09')"))
    engine.dispose()
    with open_ledger(tmp_path / "ledger.db") as ledger:
        assert number(ledger, "A") == {"A": 6}
        with ledger._engine.connect() as connection:
            assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == HEAD
