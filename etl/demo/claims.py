"""Claims that agree with the policies they are made on; the claims system's four tables.

Dates run loss, (death), notification, registration, closing; a loss lies inside the cover and outside suspensions. Claims for
death and for critical illness end the policy on the day they are closed. The reported month always has its share of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etl.demo.columns import NAT, Frame, compact, days, numbered, objects, stream, take, uniform_days, weighted, years_between
from etl.demo.contracts import Contracts
from etl.demo.fates import CLAIM, COOLING_OFF, Fates
from etl.demo.organisation import HEAD_OFFICE, Organisation
from etl.demo.people import People
from etl.demo.products import CATALOGUE

DEATH, DISABILITY, ILLNESS, MEDICAL, ALLOWANCE = "100", "200", "300", "400", "500"
_LARGE = 300_000_00
# What may be paid for the death of a minor: below this age, at most so many cents.
_MINORS = ((10, 200_000_00), (18, 500_000_00))


@dataclass(frozen=True)
class Claims:
    """One entry per case in `policy`, `loss`, `reported`, `registered`, `closed` (NaT while open), `death` (NaT unless died),
    `reason`; one per benefit line in `line_*` (`line_case` into the cases, `line_cover` into the coverages; cents)."""

    policy: np.ndarray
    loss: np.ndarray
    reported: np.ndarray
    registered: np.ndarray
    closed: np.ndarray
    death: np.ndarray
    reason: np.ndarray
    line_case: np.ndarray
    line_cover: np.ndarray
    line_duty: np.ndarray
    line_assessed: np.ndarray
    line_paid: np.ndarray
    line_decision: np.ndarray


def draw_claims(seed: int, contracts: Contracts, fates: Fates, people: People, start: np.datetime64, end: np.datetime64) -> Claims:
    """Claims of the whole history; ends the policies concerned in `fates`."""
    rng = stream(seed, "claims")
    month = end.astype("datetime64[M]").astype("datetime64[D]")
    size = len(contracts.sign)
    kinds = np.array([_duty(n) for n in range(len(CATALOGUE))], dtype=object)[contracts.cover_product]
    wait = np.array([p.wait for p in CATALOGUE])[contracts.cover_product]
    row = contracts.cover_policy
    begin = np.maximum(contracts.valid[row] + days(wait), start)
    begin = np.where(np.isnat(fates.reinstate[row]), begin, np.maximum(begin, fates.reinstate[row] + days(1)))
    stop = np.minimum(contracts.cover_end - days(1), end)
    for limit in (fates.terminate[row], np.where(np.isnat(fates.reinstate[row]), fates.suspend[row], NAT)):
        stop = np.where(np.isnat(limit), stop, np.minimum(stop, limit - days(1)))
    links = np.bincount(contracts.insured, minlength=len(people.birth)) + np.bincount(people.spouse_row[people.spouse_row >= 0], minlength=len(people.birth))
    holdings = np.bincount(contracts.holder[contracts.holder >= 0], minlength=len(people.birth))
    own = (contracts.holder == contracts.insured)[row]
    person = contracts.insured[row]
    lonely = (links[person] == 1) & (holdings[person] == own) & (contracts.group[row] < 0)
    lonely &= ~np.concatenate([people.spouse_row >= 0, np.zeros(size - len(people.spouse_row), dtype=bool)])[row]
    alive = np.isnat(fates.terminate[row]) & np.isnat(fates.suspend[row]) & (contracts.group[row] < 0)
    main = ~contracts.cover_rider
    mortal = main & alive & lonely & np.array([p.kind in "LRA" for p in CATALOGUE])[contracts.cover_product]
    serious = main & alive & (kinds == ILLNESS)
    everyday = (kinds == MEDICAL) | (kinds == DISABILITY) | (kinds == ALLOWANCE)

    recent, earlier, waiting = max(34, size * 12 // 1000), size * 6 // 100, max(4, size * 4 // 1000)
    spent = np.zeros(size, dtype=bool)
    # A policy cancelled in the cooling-off period counts as never made: whatever happened meanwhile, nothing is paid.
    void = (fates.reason == COOLING_OFF)[row]
    found: list[Frame] = []
    for kind, eligible, count, first, last, final in (
            ("death", mortal, max(6, recent // 9), month, end, True), ("illness", serious, max(3, recent // 12), month, end, True),
            ("death", mortal, earlier // 25, start + days(120), month - days(1), True), ("illness", serious, earlier // 25, start + days(120), month - days(1), True),
            ("everyday", everyday, recent - recent // 9 - recent // 12, month, end, False), ("open", everyday, waiting, end, end, False),
            ("everyday", everyday, earlier, start + days(90), month - days(1), False)):
        cases = _draw(rng, kind, np.flatnonzero(eligible & ~spent[row]), count, row, begin, stop, void, first, last, end)
        if final:
            fates.terminate[cases["policy"]], fates.reason[cases["policy"]] = cases["closed"], CLAIM
        if first >= month or final:
            spent[cases["policy"]] = True
        found.append(cases)
    cases = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
    cases = take(cases, np.lexsort((cases["policy"], cases["reported"])))
    return _with_lines(stream(seed, "claim lines"), cases, contracts, kinds, people.birth)


def _duty(number: int) -> str | None:
    product = CATALOGUE[number]
    if product.code in ("EL3903", "EG3901"):
        return ALLOWANCE
    return {"H2": MEDICAL, "A1": DISABILITY, "H1": ILLNESS}.get(product.sub) if product.sub != "H1" or not product.rider else None


def _draw(rng: np.random.Generator, kind: str, candidates: np.ndarray, count: int, row: np.ndarray, begin: np.ndarray, stop: np.ndarray,
          void: np.ndarray, first: np.datetime64, last: np.datetime64, end: np.datetime64) -> Frame:
    """Up to `count` cases closed in [first, last] on different policies, none on `void` coverages; open ones were notified in the
    last three weeks."""
    size = len(candidates)
    to_report, to_register, to_close = rng.integers(0, 13, size), rng.integers(0, 5, size), rng.integers(1, 28, size)
    closed = uniform_days(rng, np.full(size, first), np.full(size, last))
    reported = closed - days(to_close + to_register)
    if kind == "open":
        reported, to_register = end - days(rng.integers(4, 21, size)), np.minimum(to_register, 3)
        closed = np.full(size, NAT)
    loss = reported - days(to_report)
    fits = np.flatnonzero((loss >= begin[candidates]) & (loss <= stop[candidates]))
    fits = rng.permutation(fits)
    fits = fits[~void[candidates[fits]]]
    _, once = np.unique(row[candidates[fits]], return_index=True)
    fits = fits[np.sort(once)][:count]
    died = loss + days((rng.random(size) * (to_report + 1)).astype(np.int64)) if kind == "death" else np.full(size, NAT)
    cover = candidates[fits]
    return {"policy": row[cover], "cover": cover, "loss": loss[fits], "reported": reported[fits], "registered": (reported + days(to_register))[fits],
            "closed": closed[fits], "death": died[fits], "kind": objects([kind] * len(fits))}


def _with_lines(rng: np.random.Generator, cases: Frame, contracts: Contracts, kinds: np.ndarray, birth: np.ndarray) -> Claims:
    size = len(cases["policy"])
    dead = cases["kind"] == "death"
    accident = np.isin(kinds[cases["cover"]], (DISABILITY, ALLOWANCE)) | (dead & (rng.random(size) < 0.3))
    reason = np.where(accident, "ACC", "ILL").astype(object)
    duty = np.where(dead, DEATH, kinds[cases["cover"]]).astype(object)
    # The policy's other products that answer for the same event give further lines.
    first_cover = np.searchsorted(contracts.cover_policy, cases["policy"])
    counts = np.searchsorted(contracts.cover_policy, cases["policy"], side="right") - first_cover
    case = np.repeat(np.arange(size), counts)
    cover = first_cover[case] + np.arange(len(case)) - np.repeat(np.cumsum(counts) - counts, counts)
    sub = np.array([p.sub for p in CATALOGUE], dtype=object)[contracts.cover_product[cover]]
    same = cover == cases["cover"][case]
    also_death = dead[case] & ~same & ((sub == "L1") | ((sub == "A1") & accident[case]))
    also_allowance = (duty[case] == DISABILITY) & (kinds[cover] == ALLOWANCE)
    keep = same | also_death | also_allowance
    case, cover = case[keep], cover[keep]
    line_duty = np.where(dead[case], DEATH, kinds[cover]).astype(object)
    assessed = _assess(rng, line_duty, contracts.cover_sum[cover])
    age = years_between(birth[contracts.insured[cases["policy"]]], np.where(dead, cases["death"], cases["loss"]))
    assessed = np.where(line_duty == DEATH, np.minimum(assessed, _most_for_death(age)[case]), assessed)
    final = np.isin(duty, (DEATH, ILLNESS))
    decision = weighted(rng, tuple("APRTC"), (80, 8, 8, 2, 2), size)
    decision[final] = "A"
    decision[np.isnat(cases["closed"])] = None
    each = decision[case]
    assessed[each == "R"] = 0
    paid = np.where(each == "P", assessed * 7 // 10, np.where((each == "T") | (each == "C"), assessed * 9 // 10, assessed))
    paid[each == None] = 0  # noqa: E711  (elementwise)
    return Claims(cases["policy"], cases["loss"], cases["reported"], cases["registered"], cases["closed"], cases["death"], reason,
                  case, cover, line_duty, assessed, paid, each)


def _assess(rng: np.random.Generator, duty: np.ndarray, insured: np.ndarray) -> np.ndarray:
    """Assessed amounts in cents: sums insured for death and illness, a share for disability, bills for the rest."""
    size = len(duty)
    bill = np.round(np.exp(rng.normal(8.6, 0.9, size)) * 100).astype(np.int64)
    stay = rng.integers(2, 25, size) * 15_000
    share = insured * rng.integers(1, 4, size) // 10
    amount = np.select([duty == DISABILITY, duty == MEDICAL, duty == ALLOWANCE], [share, np.minimum(bill, insured // 3), np.minimum(stay, insured // 2)], default=insured)
    return amount.astype(np.int64)


def _most_for_death(age: np.ndarray) -> np.ndarray:
    """The most that a product pays for a death at `age`, in cents; grown-ups have no limit."""
    return np.select([age < below for below, _ in _MINORS], [cents for _, cents in _MINORS], default=np.iinfo(np.int64).max)


def claim_frames(seed: int, claims: Claims, contracts: Contracts, people: People, organisation: Organisation) -> dict[str, Frame]:
    """LLReport, LLRegister, LLCase, LLClaimPolicy. Dates are text in this system; codes are its own."""
    rng = stream(seed, "claim frames")
    size = len(claims.policy)
    numbers = np.arange(size) + 1
    year = (claims.reported.astype("datetime64[Y]").astype(np.int64) + 1970).tolist()
    report, register, case = (objects([f"{head}{y}{n:08d}" for y, n in zip(year, numbers.tolist())]) for head in ("BA", "LA", "PA"))
    person = take(people.frame, contracts.insured[claims.policy])
    mother = contracts.branch[claims.policy]
    codes = objects(list(organisation.codes))
    street = people.frame["Street"][contracts.insured[claims.policy]].copy()
    street[rng.random(size) < 0.4] = None
    dead = ~np.isnat(claims.death)
    ids = {"0": "11", "1": "14", "2": "12", "3": "13", "8": "99"}
    cause = np.where(claims.reason == "ACC", "D2", "D1").astype(object)
    cause[~dead] = None
    reporter = person["Name"].copy()
    reporter[dead] = "家属"
    state = np.where(np.isnat(claims.closed), np.where(rng.random(size) < 0.5, "10", "30"), "50").astype(object)
    total = np.zeros(size, dtype=np.int64)
    np.add.at(total, claims.line_case, claims.line_paid)
    decided_by = np.where(total >= _LARGE, HEAD_OFFICE, codes[mother]).astype(object)
    decided_by[np.isnat(claims.closed)] = None
    line = claims.line_case
    return {
        "LLReport": {"RptNo": report, "AccDate": compact(claims.loss), "RptDate": compact(claims.reported), "RptorName": reporter,
                     "RptorPhone": person["Mobile"], "RptMode": weighted(rng, ("T", "W", "C"), (6, 3, 1), size), "AccAddress": street},
        "LLRegister": {"RgtNo": register, "RptNo": report, "RgtDate": compact(claims.registered), "MngCom": codes[mother],
                       "Operator": numbered("LP", rng.integers(1, 40, size), 4)},
        "LLCase": {"CaseNo": case, "RgtNo": register, "RptNo": report, "CustomerNo": person["CustomerNo"], "CustomerName": person["Name"],
                   "CustomerSex": np.where(person["Sex"] == "0", "M", "F").astype(object), "CustBirthday": compact(person["Birthday"]),
                   "IDType": objects([ids[k] for k in person["IDType"].tolist()]), "IDNo": person["IDNo"],
                   "DeathFlag": np.where(dead, "Y", "N").astype(object), "DeathDate": compact(claims.death), "DeathReason": cause, "CaseState": state,
                   "EndCaseDate": compact(claims.closed)},
        "LLClaimPolicy": {"ClmDetailNo": numbered("LD", np.arange(len(line)) + 1, 10), "CaseNo": case[line], "RgtNo": register[line], "RptNo": report[line],
                          "ContNo": contracts.number[claims.policy[line]], "PolNo": contracts.cover_number[claims.line_cover],
                          "RiskCode": objects([p.code for p in CATALOGUE])[contracts.cover_product[claims.line_cover]], "GetDutyKind": claims.line_duty,
                          "AccDate": compact(claims.loss)[line], "AccReason": claims.reason[line], "Currency": objects(["01"] * len(line)),
                          "StandPay": claims.line_assessed, "RealPay": claims.line_paid, "GiveType": claims.line_decision, "ApprCom": decided_by[line]},
    }
