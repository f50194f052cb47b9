"""Customers: policyholders, their families and the people insured through their employers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etl.demo import identity, names
from etl.demo.columns import NULL, OPEN, Frame, add_months, days, numbered, objects, stream, texts, uniform_days, weighted, years_between
from etl.demo.organisation import Organisation
from etl.demo.places import ESTATES, ROADS, counties
from etl.demo.sketch import CHILD, PARENT, SECOND_CHILD, SELF, SPOUSE, Sketch, child_birth

_ADULT_JOBS = ("0001001", "0102003", "0203005", "0204001", "0204002", "0301007", "0401002", "0402006", "0403001", "0501001", "0601010", "0602004",
               "0701003", "0702001", "0804001", "0999999")
_ADULT_WEIGHTS = (5, 9, 7, 3, 4, 14, 10, 6, 10, 8, 10, 4, 3, 12, 4, 2)
_NATIONS = ("USA", "GBR", "JPN", "KOR", "CAN", "AUS", "SGP", "DEU", "FRA")


@dataclass(frozen=True)
class People:
    """Customers and who is who: `frame` is LDPerson, `birth` and `female` per person (row of the frame).
    `holder_row`: row of each policyholder; `insured_row`: of each individual policy's insured; `spouse_row`: of the insured
    spouse of a family policy (-1 otherwise); `member_row`: of each group certificate's insured."""

    frame: Frame
    birth: np.ndarray
    female: np.ndarray
    holder_row: np.ndarray
    insured_row: np.ndarray
    spouse_row: np.ndarray
    member_row: np.ndarray


def build_people(seed: int, sketch: Sketch, organisation: Organisation, client_sub: np.ndarray, end: np.datetime64) -> People:
    """All customers of the sketched book; every one is linked to a policy."""
    rng = stream(seed, "people")
    family_keys = np.concatenate([np.arange(sketch.holders) * 5 + SELF, sketch.holder * 5 + sketch.slot, sketch.holder[sketch.family] * 5 + SPOUSE])
    keys = np.unique(family_keys)
    holder, slot = keys // 5, keys % 5
    first = np.full(len(keys), end)
    np.minimum.at(first, np.searchsorted(keys, sketch.holder * 5 + sketch.slot), sketch.apply)
    np.minimum.at(first, np.searchsorted(keys, sketch.holder * 5), sketch.apply)
    np.minimum.at(first, np.searchsorted(keys, sketch.holder[sketch.family] * 5 + SPOUSE), sketch.apply[sketch.family])
    holder_female = rng.random(sketch.holders) < 0.53
    female = np.where(slot == SELF, holder_female[holder], np.where(slot == SPOUSE, ~holder_female[holder], rng.random(len(keys)) < 0.5))
    parent = sketch.birth[holder]
    birth = np.select(
        [slot == SELF, slot == SPOUSE, slot == PARENT], [parent, parent + days(rng.integers(-1500, 450, len(keys))), parent - days(rng.integers(21 * 366, 31 * 366, len(keys)))],
        default=child_birth(rng, first, parent))
    twin = _twins(keys, slot, birth, first, rng)
    birth[twin] = birth[twin - 1]
    surname = names.surnames(rng, len(keys))
    inherits = np.isin(slot, (CHILD, SECOND_CHILD)) & ~holder_female[holder]
    self_row = np.searchsorted(keys, holder * 5)
    surname = np.where(inherits, surname[self_row], surname)

    members, member_new = _members(seed, sketch, self_row[slot == SELF], holder_female, end)
    size, extra = len(keys), len(member_new["birth"])
    birth = np.concatenate([birth, member_new["birth"]])
    female = np.concatenate([female, member_new["female"]])
    surname = np.concatenate([surname, names.surnames(rng, extra)])
    first = np.concatenate([first, member_new["first"]])
    sub = np.concatenate([sketch.holder_sub[holder], client_sub[member_new["client"]]])
    married = np.isin(keys, np.concatenate([keys[slot == SPOUSE], holder[slot != SELF][slot[slot != SELF] != PARENT] * 5]))
    married = np.concatenate([married, np.zeros(extra, dtype=bool)])

    order = np.argsort(first, kind="stable")
    row_of = np.empty(len(order), dtype=np.int64)
    row_of[order] = np.arange(len(order))
    frame = _frame(stream(seed, "customers"), organisation, birth[order], female[order], surname[order], first[order], sub[order], married[order], end,
                   organisation.frames["LAAgent"]["IDNo"])
    members = np.where(members < 0, size - members - 1, members)
    return People(
        frame=frame, birth=birth[order], female=female[order], holder_row=row_of[np.searchsorted(keys, np.arange(sketch.holders) * 5)],
        insured_row=row_of[np.searchsorted(keys, sketch.holder * 5 + sketch.slot)],
        spouse_row=np.where(sketch.family, row_of[np.minimum(np.searchsorted(keys, sketch.holder * 5 + SPOUSE), size - 1)], -1),
        member_row=row_of[members],
    )


def _twins(keys: np.ndarray, slot: np.ndarray, birth: np.ndarray, first: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions of second children that share the birthday of the first; the first such pair always does."""
    second = np.flatnonzero(slot == SECOND_CHILD)
    second = second[(second > 0) & (keys[second - 1] == keys[second] - 1)]
    old_enough = second[birth[second - 1] <= first[second] - days(30)]
    if not len(old_enough):
        return old_enough
    chosen = rng.random(len(old_enough)) < 0.3
    chosen[0] = True
    return old_enough[chosen]


def _members(seed: int, sketch: Sketch, holder_rows: np.ndarray, holder_female: np.ndarray, end: np.datetime64) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The insured of each group certificate: an index of an individual policyholder, or -(n + 1) for the n-th new person."""
    rng = stream(seed, "members")
    count = len(sketch.group_of)
    sign = sketch.group_apply[sketch.group_of]
    picks = -np.arange(count) - 1
    known = np.flatnonzero(rng.random(count) < 0.15)
    candidates = rng.permutation(sketch.holders)[: len(known)]
    age = years_between(sketch.birth[candidates], sign[known[: len(candidates)]])
    fits = (age >= 18) & (age <= 59)
    # Candidates differ, so nobody is twice in one group.
    picks[known[: len(candidates)][fits]] = holder_rows[candidates[fits]]
    new = np.flatnonzero(picks < 0)
    picks[new] = -np.arange(len(new)) - 1
    birth = sign[new] - days(rng.integers(19 * 366, 58 * 365, len(new)))
    return picks, {"birth": birth, "female": rng.random(len(new)) < 0.42, "first": sign[new], "client": sketch.group_client[sketch.group_of[new]]}


def _frame(rng: np.random.Generator, organisation: Organisation, birth: np.ndarray, female: np.ndarray, surname: np.ndarray, first: np.ndarray,
           sub: np.ndarray, married: np.ndarray, end: np.datetime64, sellers: np.ndarray) -> Frame:
    size = len(birth)
    age, age_then = years_between(birth, np.full(size, end)), years_between(birth, first)
    minor = age < 18
    name = names.person_names(rng, surname, female)
    areas = np.array([int(place.county) for place in counties()])
    provinces = np.array([int(p.county[:2]) for p in counties()])
    home = np.array([int(place.county[:2]) for place in organisation.sub_place])[sub]
    own = _area_near(rng, areas, provinces, home)
    born = np.where(rng.random(size) < 0.7, own, areas[rng.integers(0, len(areas), size)])
    number = identity.id_cards(born, birth, female, rng.integers(0, 499, size), others=sellers)
    kind = objects(["0"] * size)
    nation = objects(["CHN"] * size)
    adults = np.flatnonzero(age_then >= 20)
    foreign = adults[rng.random(len(adults)) < 0.012]
    foreign = np.union1d(foreign, adults[[5, len(adults) // 2]])
    other = np.setdiff1d(adults[rng.random(len(adults)) < 0.004], foreign)
    other = np.union1d(other, np.setdiff1d(adults[[8]], foreign))
    kind[foreign], number[foreign], name[foreign] = "1", identity.passports(rng, len(foreign)), names.foreign_names(rng, len(foreign))
    nation[foreign] = weighted(rng, _NATIONS, (25, 10, 14, 14, 10, 8, 8, 6, 5), len(foreign))
    kind[other], number[other] = "8", numbered("QT", rng.choice(10**8, size=len(other), replace=False), 8)
    issued, expires = _validity(rng, birth, kind, end)
    mobile = identity.mobiles(rng, size)
    phone_area = objects(list(organisation.phone_codes))[organisation.sub_parent[sub]]
    landline = identity.landlines(rng, phone_area)
    # Children have none of their own; whoever gave no mobile number left a landline.
    no_mobile = minor | (rng.random(size) < 0.05)
    mobile[no_mobile] = None
    landline[~no_mobile & (rng.random(size) > 0.12)] = None
    mail = objects([f"user{n:07d}@{host}" for n, host in zip(rng.integers(0, 10**7, size).tolist(), weighted(rng, ("qq.com", "163.com", "sina.cn", "outlook.com"), (5, 4, 1, 1), size).tolist())])
    mail[minor | (rng.random(size) < 0.7)] = None
    address = _addresses(rng, own, foreign)
    return {
        "CustomerNo": numbered("", np.arange(size) + 1, 10), "Name": name, "Sex": texts(("0", "1"), female.astype(np.int64)), "Birthday": birth,
        "IDType": kind, "IDNo": number, "IDStartDate": issued, "IDEndDate": expires, "OccupationCode": _jobs(rng, age), "NativePlace": nation,
        "Marriage": _marriage(rng, age, married), "Mobile": mobile, "Phone": landline, "EMail": mail, "Degree": _degrees(rng, age),
        "Salary": _salaries(rng, age), **address, "MakeDate": first,
    }


def _area_near(rng: np.random.Generator, areas: np.ndarray, provinces: np.ndarray, home: np.ndarray) -> np.ndarray:
    begin, stop = np.searchsorted(provinces, home, "left"), np.searchsorted(provinces, home, "right")
    return areas[begin + (rng.random(len(home)) * (stop - begin)).astype(np.int64)]


def _validity(rng: np.random.Generator, birth: np.ndarray, kind: np.ndarray, end: np.datetime64) -> tuple[np.ndarray, np.ndarray]:
    """Documents valid on `end`: cards for 5 years below 16, 10 below 26, 20 below 46, else for good; others for 10 years."""
    issued = uniform_days(rng, np.maximum(end - days(20 * 365), np.minimum(birth + days(20), end)), np.full(len(birth), end))
    card = kind == "0"
    while True:
        age = years_between(birth, issued)
        span = np.select([~card, age < 16, age < 26], [10, 5, 10], default=20)
        expires = np.where(card & (age >= 46), OPEN, add_months(issued, span * 12))
        over = expires <= end
        if not over.any():
            return issued, expires
        # Renewed on the day the old one ran out.
        issued = np.where(over, expires, issued)


def _jobs(rng: np.random.Generator, age: np.ndarray) -> np.ndarray:
    job = weighted(rng, _ADULT_JOBS, _ADULT_WEIGHTS, len(age))
    job[(age >= 60) & (rng.random(len(age)) < 0.85)] = "0803001"
    job[(age >= 6) & (age < 22)] = "0801001"
    job[age < 6] = "0802001"
    job[rng.random(len(age)) < 0.04] = None
    return job


def _marriage(rng: np.random.Generator, age: np.ndarray, married: np.ndarray) -> np.ndarray:
    single = np.where(rng.random(len(age)) < np.clip((age - 20) * 0.05, 0, 0.85), "1", "0").astype(object)
    single[(age >= 30) & (rng.random(len(age)) < 0.05)] = "2"
    single[(age >= 55) & (rng.random(len(age)) < 0.06)] = "3"
    single[(rng.random(len(age)) < 0.05) & (age >= 18)] = None
    single[age < 22] = "0"
    single[married & (age >= 22)] = "1"
    return single


def _degrees(rng: np.random.Generator, age: np.ndarray) -> np.ndarray:
    degree = weighted(rng, tuple("1234567"), (0.6, 4, 27, 26, 24, 14, 4), len(age))
    for below, code in ((22, "5"), (16, "6"), (13, "7"), (7, None)):
        degree[age < below] = code
    degree[rng.random(len(age)) < 0.06] = None
    return degree


def _salaries(rng: np.random.Generator, age: np.ndarray) -> np.ndarray:
    """Yearly income in cents; children and students earn nothing, some do not say."""
    income = np.round(np.exp(rng.normal(11.5, 0.55, len(age))), -2).astype(np.int64) * 100
    odd = rng.random(len(age)) < 0.2
    income[odd] += rng.integers(1, 9999, int(odd.sum()))
    income[age < 22] = 0
    income[rng.random(len(age)) < 0.08] = NULL
    return income


def _addresses(rng: np.random.Generator, area: np.ndarray, foreign: np.ndarray) -> Frame:
    size = len(area)
    places = counties()
    position = {int(place.county): i for i, place in enumerate(places)}
    at = np.array([position[code] for code in area.tolist()])
    road, number, estate = (rng.integers(0, 10**6, size).tolist() for _ in range(3))
    street = objects([f"{ROADS[r % len(ROADS)]}{n % 1200 + 1}号{ESTATES[e % len(ESTATES)]}{e % 38 + 1}幢{n % 3 + 1}单元{r % 32 + 1}0{e % 4 + 1}室"
                      for r, n, e in zip(road, number, estate)])
    street[rng.random(size) < 0.03] = None
    columns = {name: objects([getattr(place, field) for place in places])[at]
               for name, field in (("Province", "province"), ("City", "city"), ("County", "county"), ("ProvinceName", "province_name"),
                                   ("CityName", "city_name"), ("CountyName", "county_name"))}
    gone = np.union1d(np.flatnonzero(rng.random(size) < 0.01), foreign[::3])
    for column in columns.values():
        column[gone] = None
    street[gone] = None
    return {**columns, "Street": street}
