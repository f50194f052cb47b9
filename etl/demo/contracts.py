"""Policies and their coverages: product, premium and dates as signed, before anything happens to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etl.demo import identity
from etl.demo.columns import NAT, OPEN, Frame, add_months, days, objects, stream, texts, uniform_days, weighted, years, years_between
from etl.demo.organisation import Organisation
from etl.demo.people import People
from etl.demo.products import BY_CODE, CATALOGUE, Plan, plans, sale_window
from etl.demo.sketch import Sketch

_CASH_LIMIT = 10_000_00
_FACTOR = {0: 1.0, -1: 1.0, 12: 1.0, 6: 0.52, 3: 0.265, 1: 0.09}


@dataclass(frozen=True)
class Contracts:
    """Policies (individual ones first, then certificates), one entry each: numbers, dates (datetime64[D]), months between
    payments (0 single), number of instalments, row of policyholder (-1 for an organisation) and insured in LDPerson.
    `group` is the index of the group policy or -1; `single_year` tells covers of at most a year.
    Coverages: `cover_*`, ordered by policy, main product first; premiums per instalment and sums insured in cents."""

    number: np.ndarray
    group: np.ndarray
    group_numbers: np.ndarray
    holder: np.ndarray
    insured: np.ndarray
    sub: np.ndarray
    branch: np.ndarray
    channel: np.ndarray
    apply: np.ndarray
    sign: np.ndarray
    valid: np.ndarray
    end: np.ndarray
    first_pay: np.ndarray
    receipt: np.ndarray
    cooling: np.ndarray
    months: np.ndarray
    instalments: np.ndarray
    product: np.ndarray
    flag: np.ndarray
    length: np.ndarray
    short: np.ndarray
    bank: np.ndarray
    account: np.ndarray
    way: np.ndarray
    cover_policy: np.ndarray
    cover_product: np.ndarray
    cover_rider: np.ndarray
    cover_number: np.ndarray
    cover_end: np.ndarray
    cover_years: np.ndarray
    cover_premium: np.ndarray
    cover_sum: np.ndarray


def build_contracts(seed: int, sketch: Sketch, people: People, organisation: Organisation, clients: Frame, client_sub: np.ndarray,
                    start: np.datetime64, end: np.datetime64) -> Contracts:
    """Everything agreed at signing, from the sketch of who buys when."""
    rng = stream(seed, "contracts")
    count, certificates = len(sketch.sign), len(sketch.group_of)
    of = sketch.group_of
    insured = np.concatenate([people.insured_row, people.member_row])
    group = np.concatenate([np.full(count, -1), of])
    sign = np.concatenate([sketch.sign, sketch.group_sign[of]])
    apply = np.concatenate([sketch.apply, sketch.group_apply[of]])
    sub = np.concatenate([sketch.sub, client_sub[sketch.group_client[of]]])
    channel = np.concatenate([sketch.channel, objects(["02"] * certificates)])
    age = years_between(people.birth[insured], sign)
    months, product, flag, length = _choose_plans(rng, sketch, age[:count], channel[:count], start)
    sold = _spread(rng, plans(group=True, old=False), len(sketch.group_sign))
    months, product, flag, length = (np.concatenate([a, b[of]]) for a, b in zip((months, product, flag, length), sold))
    late = np.select([rng.random(count) < 0.70, rng.random(count) < 0.5], [1, 0], default=rng.integers(2, 20, count))
    group_late = rng.integers(0, 3, len(sketch.group_sign))
    valid = sign + days(np.concatenate([late, group_late[of]]))
    first = uniform_days(rng, apply, sign)
    first[count:] = sketch.group_sign[of]
    single = months == 0
    pay_years = np.select([single, flag == "A"], [0, length - age], default=length)
    instalments = np.where(single, 1, np.where(months == -1, pay_years, pay_years * 12 // np.maximum(months, 1)))
    term = np.array([{"Y": p.term[1], "D": 0, "A": -1, "W": -2}[p.term[0]] for p in CATALOGUE])[product]
    until = np.array([p.term[1] if p.term[0] == "A" else 0 for p in CATALOGUE])[product]
    span = np.where(term == -1, until - age, term)
    ends = np.where(term == -2, OPEN, np.where(term == 0, valid + days(30), add_months(valid, np.maximum(span, 0) * 12)))
    branch = organisation.sub_parent[sub]
    number = _policy_numbers(organisation, branch, sign, group)
    order_groups = years(sketch.group_sign)
    group_numbers = objects([f"G{organisation.codes[b][2:]}{y}{n + 1:06d}" for n, (b, y) in enumerate(
        zip(organisation.sub_parent[client_sub[sketch.group_client]].tolist(), order_groups.tolist()))])
    cooling = np.where(channel == "03", 20, 15)
    receipt = valid + days(rng.integers(0, 8, len(sign)))
    receipt[(group >= 0) | (receipt > end)] = NAT
    # Who pays premiums from a sales person's account would be a finding.
    bank, account = identity.bank_cards(rng, len(sign), others=organisation.frames["LAAgent"]["BankAccNo"])
    way = weighted(rng, ("1", "2", "3", "4", "5"), (4, 74, 7, 13, 2), len(sign))
    way[channel == "07"] = "4"
    way[group >= 0] = "2"
    way[product == BY_CODE["EL3004"]] = "6"
    covers = _covers(stream(seed, "coverages"), product, months, pay_years, age, span, group, valid, ends)
    row, cover_product, rider, cover_years, cover_end = covers
    premium, insured_sum = _amounts(stream(seed, "amounts"), cover_product, months[row], pay_years[row], age[row], rider, group[row])
    # Cash is for small sums only; members of a group policy are paid for from their employer's account.
    premiums = np.bincount(row, weights=premium)
    way[(way == "1") & (premiums >= _CASH_LIMIT)] = "2"
    client = sketch.group_client[of]
    bank[count:], account[count:] = clients["_bank"][client], clients["_account"][client]
    position = np.arange(len(row)) - np.searchsorted(row, row) + 1
    return Contracts(
        number=number, group=group, group_numbers=group_numbers, holder=np.concatenate([people.holder_row[sketch.holder], np.full(certificates, -1)]),
        insured=insured, sub=sub, branch=branch, channel=channel, apply=apply, sign=sign, valid=valid, end=ends, first_pay=first, receipt=receipt,
        cooling=cooling, months=months, instalments=instalments, product=product, flag=flag, length=length, short=(term == 0) | (term == 1),
        bank=bank, account=account, way=way, cover_policy=row, cover_product=cover_product, cover_rider=rider,
        cover_number=objects([f"{n}{p:02d}" for n, p in zip(number[row].tolist(), position.tolist())]), cover_end=cover_end, cover_years=cover_years,
        cover_premium=premium, cover_sum=insured_sum,
    )


def _spread(rng: np.random.Generator, offered: tuple[Plan, ...], size: int) -> tuple[np.ndarray, ...]:
    weight = np.array([plan.weight for plan in offered])
    return _unfold(offered, rng.choice(len(offered), size=size, p=weight / weight.sum()))


def _unfold(offered: tuple[Plan, ...], picks: np.ndarray) -> tuple[np.ndarray, ...]:
    return (np.array([p.months for p in offered])[picks], np.array([p.product for p in offered])[picks], texts([p.flag for p in offered], picks),
            np.array([p.length for p in offered])[picks])


def _choose_plans(rng: np.random.Generator, sketch: Sketch, age: np.ndarray, channel: np.ndarray, start: np.datetime64) -> tuple[np.ndarray, ...]:
    """Months, product, unit and length of payment: what was on sale, for the insured's age, through the channel."""
    offered = plans(group=False, old=False) + plans(group=False, old=True)
    products = [CATALOGUE[plan.product] for plan in offered]
    low, high = np.array([p.ages[0] for p in products]), np.array([p.ages[1] for p in products])
    old = np.array([p.old for p in products])
    last = np.array([sale_window(p, start)[1] for p in products], dtype="datetime64[D]")
    withdrawn = min(day for day, is_old in zip(last, old) if not is_old and not np.isnat(day))
    # 0 the old products, 1 all the new ones, 2 the new ones without the one withdrawn half-way
    generation = np.where(sketch.sign < start, 0, np.where(sketch.sign > withdrawn, 2, 1))
    channels = sorted(set(channel.tolist()))
    channel_code = np.searchsorted(channels, channel.astype(str))
    combos, inverse = np.unique((generation * 200 + np.clip(age, 0, 199)) * 10 + channel_code, return_inverse=True)
    picks = np.zeros(len(age), dtype=np.int64)
    members = np.split(np.argsort(inverse, kind="stable"), np.cumsum(np.bincount(inverse))[:-1])
    for combo, where in zip(combos.tolist(), members):
        kind, years_old, via = combo // 2000, combo // 10 % 200, channels[combo % 10]
        weight = np.array([plan.weight * _affinity(plan, via) for plan in offered])
        weight[(old != (kind == 0)) | (low > years_old) | (high < years_old)] = 0
        if kind == 2:
            weight[~np.isnat(last)] = 0
        picks[where] = rng.choice(len(offered), size=len(where), p=weight / weight.sum())
    return _unfold(offered, picks)


def _affinity(plan: Plan, channel: str) -> float:
    """How much a channel likes a plan: banks sell savings at one go, the web sells small one-year covers."""
    product = CATALOGUE[plan.product]
    if not product.old and channel not in product.channels.split(";"):
        return 0.0
    if channel == "03":
        return 3.0 if product.design in "234" else 0.3
    if channel == "07":
        return 4.0 if product.term[1] <= 1 or product.term[0] == "D" else 0.3
    return 1.0


def _policy_numbers(organisation: Organisation, branch: np.ndarray, sign: np.ndarray, group: np.ndarray) -> np.ndarray:
    codes = [code[2:] for code in organisation.codes]
    year = years(sign).tolist()
    return objects([f"{'P' if g < 0 else 'C'}{codes[b]}{y}{n + 1:08d}" for n, (b, y, g) in enumerate(zip(branch.tolist(), year, group.tolist()))])


def _covers(rng: np.random.Generator, product: np.ndarray, months: np.ndarray, pay_years: np.ndarray, age: np.ndarray, span: np.ndarray,
            group: np.ndarray, valid: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, ...]:
    """Coverages ordered by policy: (policy, product, is rider, years of cover, end of cover)."""
    count = len(product)
    rows, products, riders = [np.arange(count)], [product], [np.zeros(count, dtype=bool)]
    old = np.array([p.old for p in CATALOGUE])[product]
    long_regular = (months != 0) & (np.array([p.kind in "LRH" and not p.group and p.term != ("Y", 1) for p in CATALOGUE])[product])
    chances = (
        ("EL3901", long_regular & ~old & (age <= 55) & ~np.isin(product, [BY_CODE["EL3001"]]), 0.24), ("EL3902", long_regular & ~old & (age <= 60), 0.26),
        ("EL4901", long_regular & ~old & (age <= 65), 0.18), ("EL1901", long_regular & ~old & (age >= 18) & (age <= 55), 0.08),
        ("EO3901", long_regular & old, 0.3), ("EL3903", product == BY_CODE["EL4001"], 0.35),
        ("EG3901", (group >= 0) & np.isin(product, [BY_CODE["EG4001"], BY_CODE["EG1001"]]), 0.4),
    )
    for code, eligible, chance in chances:
        drawn = rng.random(count) < chance
        # All members of a group policy have the same products.
        if code.startswith("EG"):
            drawn = (group % 5) < 2
        at = np.flatnonzero(eligible & drawn)
        rows.append(at)
        products.append(np.full(len(at), BY_CODE[code]))
        riders.append(np.ones(len(at), dtype=bool))
    row, cover, rider = np.concatenate(rows), np.concatenate(products), np.concatenate(riders)
    order = np.lexsort((cover, rider, row))
    row, cover, rider = row[order], cover[order], rider[order]
    years_of = np.where(rider, np.where(span[row] == 1, 1, np.maximum(pay_years[row], np.where(span[row] == -2, 20, np.minimum(20, span[row])))), span[row])
    end = np.where(rider, add_months(valid[row], np.maximum(years_of, 0) * 12), ends[row])
    return row, cover, rider, years_of, end


def _amounts(rng: np.random.Generator, cover: np.ndarray, months: np.ndarray, pay_years: np.ndarray, age: np.ndarray, rider: np.ndarray,
             group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Premium per instalment and sum insured in cents. Within a group policy everybody has the same plan."""
    size = len(cover)
    luck = rng.random(size)
    plan = np.where(group >= 0, (group * 37 % 100) / 100, luck)
    pick = np.array([len(p.sums) for p in CATALOGUE])[cover]
    widest = max(len(p.sums) for p in CATALOGUE)
    table = np.array([list(p.sums) + [0] * (widest - len(p.sums)) for p in CATALOGUE], dtype=np.int64)
    insured = table[cover, np.minimum((plan * pick).astype(np.int64), pick - 1)] * 100
    rate = np.array([p.rate for p in CATALOGUE])[cover]
    steep = np.array([0.034 if p.sub in ("L1", "H1", "H2", "H3", "L2") else 0.004 for p in CATALOGUE])[cover]
    short = np.array([p.term == ("Y", 1) or p.term[0] == "D" for p in CATALOGUE])[cover]
    by_length = np.where(short, 1.0, np.where(months == 0, 13.5, (20 / np.maximum(pay_years, 1)) ** 0.9))
    yearly = insured / 1000 * rate * np.exp(steep * (np.clip(age, 1, 75) - 30)) * by_length * np.where(group >= 0, 1.0, 1 + 0.2 * (rng.random(size) - 0.5))
    factor = np.select([months == key for key in _FACTOR], list(_FACTOR.values()))
    return np.maximum(np.round(yearly * factor).astype(np.int64), 100), insured
