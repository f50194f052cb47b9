"""Customer service: call-backs inside the cooling-off period, enquiries and complaints. Times are text in this system."""

from __future__ import annotations

import numpy as np

from etl.demo import names
from etl.demo.columns import NAT, Frame, blank, dated, days, numbered, objects, stream, take, uniform_days, weighted
from etl.demo.contracts import Contracts
from etl.demo.fates import COOLING_OFF, Fates
from etl.demo.people import People

_OPERATORS = 48


def service_frames(seed: int, contracts: Contracts, fates: Fates, people: People, start: np.datetime64, end: np.datetime64) -> dict[str, Frame]:
    """Operator, CallBack, Enquiry and Complaint."""
    return {"Operator": _operators(seed), "CallBack": _call_backs(seed, contracts, fates, people, start, end),
            **_contacts(seed, contracts, people, start, end)}


def _operators(seed: int) -> Frame:
    rng = stream(seed, "operators")
    number = np.arange(_OPERATORS)
    female = rng.random(_OPERATORS) < 0.75
    # One team lead to eleven agents.
    leader = numbered("S", number // 12 * 12 + 1, 3)
    leader[number % 12 == 0] = None
    return {"OperatorId": numbered("S", number + 1, 3), "Name": names.person_names(rng, names.surnames(rng, _OPERATORS), female),
            "Sex": np.where(female, "女", "男").astype(object), "Post": objects(["ZX", "HF", "HF", "TS", "BA", "BQ"])[number % 6], "LeaderId": leader}


def _times(rng: np.random.Generator, day: np.ndarray, shift: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Moments in office hours of `day` (seconds since the epoch), and as text; with `shift`, that many seconds later."""
    moment = day.astype("datetime64[s]").astype(np.int64) + rng.integers(9 * 3600, 20 * 3600, len(day))
    if shift is not None:
        moment = moment + shift
    return moment, render_times(moment.astype("datetime64[s]"))


def render_times(moment: np.ndarray) -> np.ndarray:
    """yyyy/mm/dd HH:MM:SS, None for NaT."""
    day = dated(moment.astype("datetime64[D]"), lambda text: text.replace("-", "/"))
    clock = (moment - moment.astype("datetime64[D]")).astype("timedelta64[s]").astype(np.int64).tolist()
    return objects([None if d is None else f"{d} {c // 3600:02d}:{c // 60 % 60:02d}:{c % 60:02d}" for d, c in zip(day.tolist(), clock)])


def _call_backs(seed: int, contracts: Contracts, fates: Fates, people: People, start: np.datetime64, end: np.datetime64) -> Frame:
    rng = stream(seed, "call-backs")
    size = len(contracts.sign)
    wanted = ~np.isnat(contracts.receipt) & (contracts.sign >= start) & (~contracts.short | (rng.random(size) < 0.1))
    policy = np.flatnonzero(wanted)
    receipt, cooling = contracts.receipt[policy], contracts.cooling[policy]
    last = receipt + days(cooling)
    # A surrender inside the cooling-off period comes after the call.
    gone = np.where(fates.reason[policy] == COOLING_OFF, fates.terminate[policy], NAT)
    last = np.where(np.isnat(gone), last, np.minimum(last, gone))
    done = uniform_days(rng, receipt, np.minimum(last, receipt + days(12)))
    tardy = contracts.short[policy] & (rng.random(len(policy)) < 0.4)
    done = np.where(tardy, last + days(rng.integers(1, 15, len(policy))), done)
    retry = (rng.random(len(policy)) < 0.18) & ~tardy & (done > receipt)
    before = uniform_days(rng, receipt, done - days(1))
    missed = np.flatnonzero(retry)
    who = np.concatenate([policy[missed], policy])
    day = np.concatenate([before[missed], done])
    turn = np.concatenate([np.ones(len(missed), dtype=np.int64), np.where(retry, 2, 1)])
    success = np.concatenate([np.zeros(len(missed), dtype=bool), np.ones(len(policy), dtype=bool)])
    known = day <= end
    order = np.flatnonzero(known)[np.lexsort((turn[known], who[known], day[known]))]
    who, day, turn, success = who[order], day[order], turn[order], success[order]
    person = take(people.frame, contracts.holder[who])
    # Some are called on the landline although they have a mobile telephone.
    other = (rng.random(len(who)) < 0.1) & (person["Phone"] != None)  # noqa: E711  (elementwise)
    phone = np.where((person["Mobile"] == None) | other, person["Phone"], person["Mobile"])  # noqa: E711
    web = (contracts.channel[who] == "07") | (rng.random(len(who)) < 0.25)
    kind = np.where(web, "E", "T").astype(object)
    caller = numbered("S", rng.integers(0, _OPERATORS // 6, len(who)) * 6 + 2, 3)
    caller[web] = None
    note = blank(len(who))
    note[~success] = "无人接听"
    _, clock = _times(rng, day)
    return {
        "CallId": numbered("HF", np.arange(len(who)) + 1, 10), "ContNo": contracts.number[who], "SeqNo": turn, "CustomerNo": person["CustomerNo"],
        "CustomerSex": np.where(person["Sex"] == "1", "女", "男").astype(object), "CallType": kind, "Phone": phone, "CallTime": clock,
        "InHesitate": np.where(day <= contracts.receipt[who] + days(contracts.cooling[who]), "Y", "N").astype(object),
        "Success": np.where(success, "Y", "N").astype(object), "Result": note, "OperatorId": caller,
    }


def _contacts(seed: int, contracts: Contracts, people: People, start: np.datetime64, end: np.datetime64) -> dict[str, Frame]:
    rng = stream(seed, "contacts")
    own = np.flatnonzero((contracts.holder >= 0) & (contracts.valid < end - days(3)))
    policy = rng.choice(own, size=len(own) * 16 // 100)
    day = uniform_days(rng, np.maximum(contracts.valid[policy], start), np.full(len(policy), end - days(1)))
    order = np.lexsort((policy, day))
    policy, day = policy[order], day[order]
    person = take(people.frame, contracts.holder[policy])
    sex = np.where(person["Sex"] == "1", "女", "男").astype(object)
    sex[rng.random(len(sex)) < 0.05] = "未知"
    count = len(policy)
    opened, opening = _times(rng, day)
    replied = render_times((opened + np.minimum(rng.exponential(5400, count).astype(np.int64) + 40, 86_000)).astype("datetime64[s]"))
    contract, customer = contracts.number[policy], person["CustomerNo"].copy()
    contract[rng.random(count) < 0.12] = None
    customer[rng.random(count) < 0.06] = None
    enquiry = {"EnquiryId": numbered("ZX", np.arange(count) + 1, 10), "ContNo": contract, "CustomerNo": customer, "CallerSex": sex,
               "Channel": weighted(rng, ("TEL", "WEB", "APP", "CTR"), (5, 1, 3, 1), count), "Topic": weighted(rng, ("01", "02", "03", "04", "05"), (4, 3, 2, 2, 1), count),
               "OpenTime": opening, "ReplyTime": replied, "OperatorId": numbered("S", rng.integers(0, _OPERATORS // 6, count) * 6 + 1, 3)}
    # However small the insurer, there are complaints in the last weeks.
    angry = np.unique(np.concatenate([rng.choice(count, size=max(3, count // 16), replace=False), np.maximum(count - np.array([1, 3, 6]), 0)]))
    size = len(angry)
    opened, opening = _times(rng, day[angry])
    major = rng.random(size) < 0.1
    closed = opened + np.where(major, rng.integers(3600, 47 * 3600, size), rng.integers(3600, 12 * 86400, size))
    pending = closed >= (end + days(1)).astype("datetime64[s]").astype(np.int64)
    closing = render_times(closed.astype("datetime64[s]"))
    result = weighted(rng, ("1", "2", "3"), (2, 3, 5), size)
    closing[pending], result[pending] = None, None
    source = weighted(rng, ("SELF", "GOV", "MED"), (7, 2.7, 0.3), size)
    way = weighted(rng, ("T", "L", "V", "W"), (6, 0.5, 1.5, 2), size)
    way[source == "GOV"], way[source == "MED"] = "G", "W"
    complaint = {"ComplaintId": numbered("TS", np.arange(size) + 1, 10), "ContNo": contracts.number[policy[angry]], "CustomerNo": person["CustomerNo"][angry],
                 "CallerSex": sex[angry], "Source": source, "Way": way, "Capacity": weighted(rng, ("A", "I", "B", "R"), (80, 8, 4, 8), size), "Kind": weighted(rng, tuple("SCPF"), (5, 2, 2, 1), size),
                 "Major": np.where(major, "Y", "N").astype(object), "OpenTime": opening, "CloseTime": closing, "Result": result,
                 "OperatorId": numbered("S", rng.integers(0, _OPERATORS // 6, size) * 6 + 4, 3)}
    return {"Enquiry": enquiry, "Complaint": complaint}
