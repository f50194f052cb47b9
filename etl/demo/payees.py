"""Who is paid: the policyholder, the insured member of a group policy, or the heir of an insured who died."""

from __future__ import annotations

import numpy as np

from etl.demo import identity, names
from etl.demo.columns import Frame, days, objects, stream
from etl.demo.contracts import Contracts
from etl.demo.people import People
from etl.demo.places import counties


def payees(seed: int, contracts: Contracts, people: People, policy: np.ndarray, dead: np.ndarray) -> Frame:
    """DrawerIDType, DrawerID, AccName, BankName and BankAccNo per payout; `dead`: paid because the insured person died."""
    rng = stream(seed, "payees")
    size = len(policy)
    holder, insured = contracts.holder[policy], contracts.insured[policy]
    person = np.where(holder >= 0, holder, insured)
    columns = {name: people.frame[name][person].copy() for name in ("IDType", "IDNo", "Name")}
    bank, account = contracts.bank[policy].copy(), contracts.account[policy].copy()
    # A member's employer pays the premium, but the benefit goes to the member; the dead are not paid.
    heir = np.flatnonzero(dead & (person == insured))
    other = np.flatnonzero((holder < 0) | (dead & (person == insured)))
    bank[other], account[other] = identity.bank_cards(rng, len(other))
    if len(heir):
        place = counties()
        area = np.array([int(p.county) for p in place])[rng.integers(0, len(place), len(heir))]
        birth = people.birth[insured[heir]] + days(rng.integers(-1200, 1200, len(heir)))
        birth = np.minimum(birth, np.datetime64("2004-01-01"))
        female = ~people.female[insured[heir]]
        columns["IDNo"][heir] = identity.id_cards(area, birth, female, rng.integers(0, 499, len(heir)), others=people.frame["IDNo"])
        columns["Name"][heir] = names.person_names(rng, names.surnames(rng, len(heir)), female)
        columns["IDType"][heir] = "0"
    assert len(account) == size
    return {"DrawerIDType": columns["IDType"], "DrawerID": columns["IDNo"], "AccName": columns["Name"], "BankName": objects(bank.tolist()), "BankAccNo": objects(account.tolist())}
