from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from etl.ledger import open_ledger
from etl.ledger.errors import SerialsExhausted

DAY = date(2026, 11, 10)


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request, tmp_path):
    place = request.getfixturevalue("postgres_url") if request.param == "postgresql" else tmp_path / "ledger.db"
    with open_ledger(place) as opened:
        yield opened


def give(ledger, count, *, company="000999", day=DAY, standard="east_life_2020", period="2026-10"):
    return ledger.allocate_serials(company, day, standard, period, count)


def test_numbers_run_on_over_standards_and_restart_by_day_and_company(ledger):
    assert give(ledger, 100) == 1
    assert give(ledger, 50, standard="other") == 101
    assert give(ledger, 5, period="2026-09") == 151
    assert give(ledger, 5, day=date(2026, 11, 11)) == 1
    assert give(ledger, 5, company="000998") == 1


def test_a_rerun_gets_its_block_again(ledger):
    assert give(ledger, 100) == 1
    assert give(ledger, 50, standard="other") == 101
    assert give(ledger, 100) == 1
    assert give(ledger, 99) == 1
    assert give(ledger, 50, standard="other") == 101


def test_a_grown_rerun_keeps_its_start_only_if_it_is_the_last_of_the_day(ledger):
    assert give(ledger, 100) == 1
    assert give(ledger, 120) == 1
    assert give(ledger, 10, standard="other") == 121
    assert give(ledger, 121) == 131
    assert give(ledger, 121) == 131
    assert give(ledger, 1, period="2026-09") == 252


def test_an_empty_package_takes_no_number(ledger):
    assert give(ledger, 0) == 1
    assert give(ledger, 3, standard="other") == 1
    assert give(ledger, 0) == 4
    with pytest.raises(ValueError, match="negative"):
        give(ledger, -1)


def test_ten_digits_are_the_limit(ledger):
    assert give(ledger, 9_999_999_999) == 1
    with pytest.raises(SerialsExhausted, match="000999 has run out of serial numbers on 2026-11-10"):
        give(ledger, 1, standard="other")


def test_competing_packages_never_share_a_number(ledger):
    with ThreadPoolExecutor(8) as pool:
        firsts = list(pool.map(lambda n: give(ledger, 10, period=f"p{n}"), range(30)))
    assert sorted(firsts) == list(range(1, 301, 10))
