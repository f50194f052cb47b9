"""What only an insurer of a million policies draws by chance, brought about on purpose in a small one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest

from etl.demo import finance, identity
from etl.demo.claims import DEATH, draw_claims
from etl.demo.columns import NAT, add_months, days
from etl.demo.contracts import Contracts, build_contracts
from etl.demo.fates import COOLING_OFF, Fates, draw_fates
from etl.demo.insurer import build_frames
from etl.demo.organisation import Organisation, build_organisation, build_organisations
from etl.demo.people import People, build_people
from etl.demo.premiums import REINSTATEMENT, draw_payments
from etl.demo.sketch import Sketch, draw_sketch
from tests.demo.rows import AS_OF, POLICIES, SEED

START, END = np.datetime64("2023-11-01"), np.datetime64(AS_OF)


@dataclass(frozen=True)
class Parts:
    organisation: Organisation
    sketch: Sketch
    client_sub: np.ndarray
    people: People
    contracts: Contracts
    fates: Fates


@pytest.fixture(scope="module")
def parts() -> Parts:
    organisation = build_organisation(SEED, POLICIES, START, AS_OF)
    sketch = draw_sketch(SEED, POLICIES, organisation, START, END)
    clients, client_sub = build_organisations(SEED, sketch.clients, organisation, START)
    people = build_people(SEED, sketch, organisation, client_sub, END)
    contracts = build_contracts(SEED, sketch, people, organisation, clients, client_sub, START, END)
    return Parts(organisation, sketch, client_sub, people, contracts, draw_fates(SEED, contracts, END))


def fates_of(parts: Parts) -> Fates:
    """Fates of one's own: the generator fills them in place."""
    return Fates(**{field.name: getattr(parts.fates, field.name).copy() for field in fields(Fates)})


def card(sequence: int, female: bool, others=()) -> str:
    return identity.id_cards(np.array([310101]), np.array(["1985-03-12"], dtype="datetime64[D]"), np.array([female]), np.array([sequence]), others=others)[0]


def test_a_card_number_is_nobody_elses():
    # Men have odd orders, women even ones: the sixth man is 011, after him comes 013.
    first = card(5, False)
    assert first.startswith("310101198503120" + "11")
    assert card(5, False, [first, None, "E20000001", "QT00000017"]).startswith("310101198503120" + "13")
    assert card(5, True, [first]) == card(5, True)
    # After the last of the day one begins again from the front.
    assert card(498, False)[14:17] == "997" and card(498, False, [card(498, False)])[14:17] == "001"
    assert card(498, True, [card(498, True)])[14:17] == "002"


def test_a_bank_card_is_nobody_elses():
    _, number = identity.bank_cards(np.random.default_rng(1), 2)
    _, again = identity.bank_cards(np.random.default_rng(1), 2, others=[number[0]])
    assert again[1] == number[1] and int(again[0][:18]) == int(number[0][:18]) + 1
    # Luhn: from the right, every second digit doubled, the sum of all digits ends in 0.
    assert sum(sum(map(int, str(int(digit) * (1 + at % 2)))) for at, digit in enumerate(reversed(again[0]))) % 10 == 0


def test_a_customer_does_not_get_the_number_of_a_sales_person(parts):
    numbers = parts.people.frame["IDNo"]
    customer = int(np.flatnonzero(parts.people.frame["IDType"] == "0")[20])
    sellers = parts.organisation.frames["LAAgent"]
    same = {**sellers, "IDNo": np.concatenate([numbers[[customer]], sellers["IDNo"][1:]])}
    organisation = replace(parts.organisation, frames={**parts.organisation.frames, "LAAgent": same})
    again = build_people(SEED, parts.sketch, organisation, parts.client_sub, END).frame["IDNo"]
    assert again[customer] != numbers[customer] and again[customer][:14] == numbers[customer][:14]
    assert set(again.tolist()).isdisjoint(same["IDNo"].tolist()) and len(set(again.tolist())) == len(again)
    assert np.delete(again, customer).tolist() == np.delete(numbers, customer).tolist()


def reinstated(parts: Parts, back: np.datetime64) -> tuple[Fates, np.ndarray]:
    """All monthly policies of single customers since 2025, lapsed with their second instalment and taken up again on `back`."""
    contracts = parts.contracts
    who = np.flatnonzero((contracts.group < 0) & (contracts.months == 1) & (contracts.valid > np.datetime64("2025-01-01")) & (contracts.valid < np.datetime64("2026-05-01"))
                         & (contracts.end > END))
    fates = fates_of(parts)
    fates.terminate[who], fates.reason[who], fates.lapsed_at[who] = NAT, None, 1
    fates.suspend[who], fates.reinstate[who] = add_months(contracts.valid[who], 1) + days(60), back
    return fates, who


def test_arrears_paid_on_the_last_of_a_month_are_booked_in_one_month(parts):
    fates, who = reinstated(parts, np.datetime64("2026-09-30"))
    payments = draw_payments(SEED, parts.contracts, fates, END)
    assert len(who) > 5
    for policy in who.tolist():
        months = defaultdict(list)
        for at in np.flatnonzero(payments.policy == policy).tolist():
            months[str(payments.confirmed[at])[:7]].append(int(payments.count[at]))
            if payments.kind[at] == REINSTATEMENT:
                assert str(payments.paid_on[at]) == str(payments.confirmed[at]) == "2026-09-30"
        assert all(counts == list(range(counts[0], counts[0] + len(counts))) for counts in months.values()), months
        assert len(months["2026-09"]) >= 3


def test_a_policy_taken_up_again_on_its_last_day_has_all_its_arrears(parts):
    fates, who = reinstated(parts, np.datetime64("2026-09-20"))
    fates.terminate[who] = np.datetime64("2026-09-21")
    payments = draw_payments(SEED, parts.contracts, fates, END)
    for policy in who.tolist():
        mine = payments.policy == policy
        due = add_months(np.repeat(parts.contracts.valid[policy], 30), np.arange(30))
        assert payments.count[mine].tolist() == list(range(1, int((due <= np.datetime64("2026-09-20")).sum()) + 1))
        assert payments.confirmed[mine].max() == np.datetime64("2026-09-20")


@pytest.mark.parametrize(("age", "most"), [(0, 200_000_00), (9, 200_000_00), (10, 500_000_00), (17, 500_000_00), (18, None), (40, None)])
def test_the_death_of_a_minor_is_paid_up_to_the_limit(parts, age, most):
    # Products of 150,000, 350,000 and 1,000,000; everybody reached that age three days before the loss or death.
    contracts = replace(parts.contracts, cover_sum=np.resize([150_000_00, 350_000_00, 1_000_000_00], len(parts.contracts.cover_sum)))
    grown = draw_claims(SEED, contracts, fates_of(parts), parts.people, START, END)
    birth = parts.people.birth.copy()
    birth[contracts.insured[grown.policy]] = add_months(np.where(np.isnat(grown.death), grown.loss, grown.death), -12 * age) - days(3)
    claims = draw_claims(SEED, contracts, fates_of(parts), replace(parts.people, birth=birth), START, END)
    assert claims.policy.tolist() == grown.policy.tolist()
    died = np.flatnonzero(claims.line_duty == DEATH)
    insured = contracts.cover_sum[claims.line_cover[died]]
    assert set(insured.tolist()) == {150_000_00, 350_000_00, 1_000_000_00}
    assert claims.line_assessed[died].tolist() == claims.line_paid[died].tolist() == [min(cents, most or cents) for cents in insured.tolist()]
    others = claims.line_duty != DEATH
    assert claims.line_assessed[others].tolist() == grown.line_assessed[others].tolist()


def test_nothing_is_paid_on_a_policy_cancelled_in_the_cooling_off_period(parts):
    before = draw_claims(SEED, parts.contracts, fates_of(parts), parts.people, START, END)
    everyday = before.policy[np.isnat(before.death)]
    fates = fates_of(parts)
    cancelled = np.unique(everyday)[::2]
    fates.terminate[cancelled], fates.reason[cancelled] = END, COOLING_OFF
    claims = draw_claims(SEED, parts.contracts, fates, parts.people, START, END)
    assert len(cancelled) > 10 and len(claims.policy) > len(cancelled)
    assert set(claims.policy.tolist()).isdisjoint(cancelled.tolist())
    assert set(fates.reason[cancelled].tolist()) == {COOLING_OFF}


def test_the_ledger_is_the_same_however_many_transactions_are_summed_at_once(monkeypatch):
    whole = build_frames(policies=60, seed=3, as_of=AS_OF)
    monkeypatch.setattr(finance, "_AT_ONCE", 37)
    pieces = build_frames(policies=60, seed=3, as_of=AS_OF)
    assert len(whole["life_admin", "LJAPay"]["PayNo"]) > 5 * 37
    for name in ("Voucher", "VoucherLine", "Balance"):
        assert {column: values.tolist() for column, values in pieces["finance", name].items()} == {column: values.tolist() for column, values in whole["finance", name].items()}
