"""Who buys when: the skeleton of the book before products, premiums or names exist.

Individual policies come first (in order of their sign dates), group certificates after them. A customer may hold several
policies; the insured is the policyholder or one of the family, each family member being one person however many policies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etl.demo.columns import days, objects, stream, uniform_days, weighted, years_between
from etl.demo.organisation import Organisation

SELF, SPOUSE, CHILD, SECOND_CHILD, PARENT = range(5)
# The commonest age of a child at its first policy is below this; a person is grown up from 18.
_CHILD_AGE = 15


@dataclass(frozen=True)
class Sketch:
    """Individual policies: one entry per policy in `apply`, `sign`, `holder` (index of the policyholder), `slot` (who of the
    family is insured), `family` (also the spouse is insured), `sub` (selling unit), `channel`.
    `first_sign`, `birth` are per policyholder. Group certificates: `group_of` (index of the group policy) per certificate;
    `group_sign`, `group_apply`, `group_client` per group policy."""

    apply: np.ndarray
    sign: np.ndarray
    holder: np.ndarray
    slot: np.ndarray
    family: np.ndarray
    sub: np.ndarray
    channel: np.ndarray
    holders: int
    holder_sub: np.ndarray
    first_sign: np.ndarray
    birth: np.ndarray
    group_of: np.ndarray
    group_sign: np.ndarray
    group_apply: np.ndarray
    group_client: np.ndarray
    clients: int


def draw_sketch(seed: int, policies: int, organisation: Organisation, start: np.datetime64, end: np.datetime64) -> Sketch:
    """Skeleton of `policies` policies, about 5 % of them group certificates; history from `start` to `end`."""
    rng = stream(seed, "sketch")
    certificates = max(12, round(policies * 0.05))
    count = policies - certificates
    sign = _sign_dates(rng, count, start, end)
    apply = sign - days(rng.integers(0, 9, count))
    holders = int(count * 0.78)
    holder = np.concatenate([np.arange(holders), rng.integers(0, holders, count - holders)])
    rng.shuffle(holder)
    first_sign = np.full(holders, end)
    np.minimum.at(first_sign, holder, apply)
    age = np.clip(np.round(rng.normal(37, 9, holders)), 20, 57).astype(np.int64)
    birth = first_sign - days(age * 36525 // 100 + rng.integers(1, 360, holders))
    slot = rng.choice(5, size=count, p=(0.70, 0.10, 0.11, 0.05, 0.04))
    _plant_twins(holder, slot, sign, start)
    slot = _plausible(slot, years_between(birth[holder], apply), apply < start)
    holder_sub = rng.choice(len(organisation.sub_codes), size=holders, p=organisation.sub_weight)
    channel = weighted(rng, ("01", "03", "04", "05", "06", "07", "08"), (55, 20, 5, 3, 6, 8, 3), count)
    groups = max(2, certificates // 14)
    clients = max(2, groups * 2 // 3)
    share = rng.dirichlet(np.full(groups, 1.6))
    # A group insurance needs several members.
    group_of = np.sort(np.concatenate([np.repeat(np.arange(groups), 5), rng.choice(groups, size=certificates - 5 * groups, p=share)]))
    group_sign = np.sort(uniform_days(rng, np.full(groups, start + days(5)), np.full(groups, end - days(3))))
    group_sign[-1] = end - days(12)
    return Sketch(
        apply=apply, sign=sign, holder=holder, slot=slot, family=(slot == SELF) & (rng.random(count) < 0.05) & (years_between(birth[holder], apply) > 24),
        sub=holder_sub[holder], channel=channel, holders=holders, holder_sub=holder_sub, first_sign=first_sign, birth=birth,
        group_of=group_of, group_sign=group_sign, group_apply=group_sign - days(rng.integers(1, 12, groups)),
        group_client=np.arange(groups) % clients, clients=clients,
    )


def _sign_dates(rng: np.random.Generator, count: int, start: np.datetime64, end: np.datetime64) -> np.ndarray:
    old, fresh = round(count * 0.06), round(count * 0.10)
    parts = ((old, start - days(4400), start - days(1)), (fresh, end - days(55), end), (count - old - fresh, start, end))
    return np.sort(np.concatenate([uniform_days(rng, np.full(n, a), np.full(n, b)) for n, a, b in parts]))


def _plant_twins(holder: np.ndarray, slot: np.ndarray, sign: np.ndarray, start: np.datetime64) -> None:
    """However small the insurer, one policyholder insures both of a pair of children."""
    recent = np.flatnonzero(sign > start)
    one, two = recent[len(recent) // 3], recent[len(recent) // 2]
    holder_counts = np.bincount(holder)
    # The second policy changes hands only if its policyholder keeps another one; every customer holds a policy.
    spare = [i for i in recent[len(recent) // 2:].tolist() if holder_counts[holder[i]] > 1]
    two = spare[0] if spare else two
    if holder_counts[holder[two]] > 1:
        holder[two] = holder[one]
        slot[one], slot[two] = CHILD, SECOND_CHILD


def _plausible(slot: np.ndarray, age: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Relations that the policyholder's age does not allow become policies on the own life."""
    impossible = ((slot == SPOUSE) & (age < 24)) | (((slot == CHILD) | (slot == SECOND_CHILD)) & (age < 22)) | ((slot == PARENT) & ((age > 38) | old))
    return np.where(impossible, SELF, slot)


def child_birth(rng: np.random.Generator, first_sign: np.ndarray, parent_birth: np.ndarray) -> np.ndarray:
    """Birth dates of children insured first on `first_sign`: at least 35 days and at most 15 years old, parent at least 20."""
    earliest = np.maximum(first_sign - days(_CHILD_AGE * 365), parent_birth + days(20 * 366))
    latest = np.maximum(first_sign - days(35), earliest)
    return uniform_days(rng, earliest, latest)


def relation_codes(slot: np.ndarray, female: np.ndarray) -> np.ndarray:
    """What the insured is to the policyholder, in the life administration system's codes."""
    table = objects(["00", "00", "01", "01", "02", "03", "02", "03", "04", "05"])
    return table[slot * 2 + female.astype(np.int64)]
