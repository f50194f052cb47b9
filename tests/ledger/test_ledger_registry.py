from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from etl.ledger import open_ledger
from etl.ledger.registry import RegistryFigure, RegistryLedger, RegistryStateChanged, TransactionsSentBefore

DAY, NEXT = date(2026, 10, 1), date(2026, 10, 2)
NUMBERS = [f"000999202610010000000{n:03d}" for n in range(1, 1201)]


@pytest.fixture(params=["sqlite", "postgresql"])
def books(request, tmp_path):
    place = request.getfixturevalue("postgres_url") if request.param == "postgresql" else tmp_path / "ledger.db"
    with open_ledger(place) as opened:
        yield RegistryLedger(opened, "000999")


def add(books, number, kind, transactions, day=DAY, **more):
    books.add_batch(day, number, kind, path=f"zips/{number}.zip", md5="0" * 32, rows=2 * len(transactions), transactions=transactions, state="2", **more)


def test_a_number_is_claimed_once_and_again_only_after_it_came_back(books):
    books.open_day(DAY, "1")
    add(books, "B1", "INC", NUMBERS)
    assert (books.day(DAY).state, books.counts(DAY), books.batches(DAY)[0].rows) == ("2", {"sent": 1200}, 2400)
    for kind, day, numbers, count in (("INC", NEXT, [*NUMBERS[:3], "new"], 3), ("FAI", DAY, NUMBERS[:2], 2), ("FAI", DAY, ["never"], 1)):
        with pytest.raises(TransactionsSentBefore) as caught:
            add(books, "B2", kind, numbers, day)
        assert caught.value.values["count"] == count
    assert len(books.batches(DAY)) == 1 and books.day(NEXT) is None and "new" not in books.transactions(NEXT)
    batch = books.batches(DAY)[0]
    books.notified(batch, "Q1", "4W")
    assert (books.day(DAY).state, books.batches(DAY)[0].query_no) == ("4W", "Q1")
    books.judged(batch, "05050200", [("LJAPay", NUMBERS[0], "E1"), ("LCCont", NUMBERS[0], "E2"), ("LCCont", NUMBERS[700], "E2")], [NUMBERS[0], NUMBERS[700]],
                 state="4", day_state="2E")
    assert books.counts(DAY) == {"accepted": 1198, "rejected": 2} and books.batches(DAY)[0].rejected == 2
    assert [(f.line, f.table, f.transaction_no, f.code) for f in books.faults("B1")][:2] == [(1, "LJAPay", NUMBERS[0], "E1"), (2, "LCCont", NUMBERS[0], "E2")]
    with pytest.raises(TransactionsSentBefore):
        add(books, "B2", "FAI", NUMBERS[:2])
    add(books, "B2", "FAI", [NUMBERS[0]])
    assert books.transactions(DAY, "sent") == {NUMBERS[0]: "B2"} and books.transactions(DAY, "rejected") == {NUMBERS[700]: "B1"}
    assert [b.number for b in books.batches(DAY)] == [1, 2]


def test_a_detail_leaves_transactions_as_they_are(books):
    add(books, "B1", "INC", NUMBERS[:3])
    books.judged(books.batches(DAY)[0], "0000", [], [], state="4", day_state="4")
    add(books, "D1", "DET", NUMBERS[:3], day_state="5E", replacing=True)
    assert (books.day(DAY).state, books.batches(DAY)[1].state) == ("5E", "2")
    books.judged(books.batches(DAY)[1], "0000", [], [], state="6", day_state="6", detail=True)
    assert books.transactions(DAY, "accepted") == dict.fromkeys(NUMBERS[:3], "B1")


def test_figures_are_kept_by_round_and_sums_exactly(books):
    books.open_day(DAY, "4")
    figures = [RegistryFigure("T", "A", "SUM", Decimal("0.10"), None), RegistryFigure("T", "TransactionNo", "COUNT", Decimal(3), None)]
    assert books.checking(DAY, figures, "5W") == 1
    books.asked(DAY, "Q9")
    assert (books.day(DAY).query_no, books.day(DAY).state, books.day(DAY).round) == ("Q9", "5W", 1)
    books.checked(DAY, 1, {("T", "A", "SUM"): Decimal("0.11"), ("T", "TransactionNo", "COUNT"): Decimal(3)}, "5E")
    assert [(f.field, f.ours, f.theirs, f.differs) for f in books.figures(DAY, 1)] == [
        ("A", Decimal("0.10"), Decimal("0.11"), True), ("TransactionNo", Decimal(3), Decimal(3), False)]
    assert books.day(DAY).query_no is None and books.checking(DAY, figures, "5W") == 2
    assert [f.theirs for f in books.figures(DAY, 2)] == [None, None]


def test_a_day_moves_on_only_from_where_it_was_left(books):
    books.open_day(DAY, "5")
    books.set_state(DAY, "7", was="5")
    with pytest.raises(RegistryStateChanged):
        books.set_state(DAY, "7", was="5")
    with pytest.raises(RegistryStateChanged):
        books.set_state(NEXT, "7", was="5")
    assert [d.state for d in books.days()] == ["7"]
