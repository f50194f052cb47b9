from __future__ import annotations

from datetime import date

import pytest

from etl.ledger import open_ledger
from etl.ledger.capture import CaptureCount, capture_counts, record_capture
from etl.ledger.errors import RunUnknown


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    return request.getfixturevalue("postgres_url") if request.param == "postgresql" else tmp_path / "ledger.db"


def test_counts_are_kept_per_run_and_table_and_the_last_word_counts(place):
    with open_ledger(place) as ledger:
        run = ledger.start_run("east_life_2020", "2026-10", date(2026, 11, 15), company="000999", pack_fingerprint="p").id
        other = ledger.start_run("east_life_2020", "2026-11", date(2026, 12, 15), company="000999", pack_fingerprint="p").id
        full = CaptureCount("life", "LCPol", "full", 8_000_000_000, "no_base", place="f" * 32)
        first = CaptureCount("life", "LCCont", "incremental", 7, "", other, "2026-10-31 17:30:00", 1, 2, 3, 4, "f" * 32)
        again = CaptureCount("life", "LCCont", "incremental", 7, "", other, "2026-11-01", 5, 6, 7, 8, "f" * 32)
        for count in (full, first, again):
            record_capture(ledger, run, count)
        assert capture_counts(ledger, run) == [again, full]
        assert capture_counts(ledger, other) == []
        with pytest.raises(RunUnknown):
            record_capture(ledger, "nope", full)
