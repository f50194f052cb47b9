"""The people and governance system: employees of every branch, directors and senior managers, and who owns the insurer.

Dates are text yyyy.mm.dd in this system; its codes are its own.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from etl.demo import identity, names
from etl.demo.columns import NAT, Frame, blank, dated, days, numbered, objects, stream, texts, uniform_days, weighted
from etl.demo.organisation import HEAD_OFFICE
from etl.demo.places import ROADS, counties_of

CAPITAL = 2_000_000_000_00
# Officers of the head office in the order of their staff numbers; the twelfth is the person in charge of it.
_OFFICERS = ("董事长", "执行董事", "非执行董事", "非执行董事", "独立董事", "独立董事", "监事会主席", "职工监事", "外部监事", "副总经理", "总精算师", "总经理",
             "财务负责人", "合规负责人", "董事会秘书", "审计责任人")
_POSTS = ("运营管理岗", "核保岗", "理赔岗", "保全岗", "财务会计岗", "渠道管理岗", "培训岗", "客户服务岗", "信息技术岗", "综合行政岗")
_CHIEFS = {"1": "总经理", "2": "分公司总经理", "3": "中心支公司总经理", "4": "支公司经理", "5": "营销服务部负责人"}
_SENIOR_GRADES = ("1", "2", "3")
_HOLDERS = (("东岸国有资产经营集团有限公司", "310101", 50, 0.0), ("华东海运控股股份有限公司", "310115", 20, 0.25), ("江海能源投资有限公司", "320102", 12, 0.0),
            ("浙东商贸集团有限公司", "330102", 8, 0.5), ("岭南实业投资控股有限公司", "440106", 6, 0.0), ("东岸信托有限责任公司", "310106", 4, 0.0))


def staff_frames(seed: int, branches: Frame, others: Iterable[str | None], start: np.datetime64, end: np.datetime64) -> dict[str, Frame]:
    """Staff, Appointment, Punishment and Shareholder. `branches` is LDCom, whose ChiefCode names employees; `others`: document
    numbers of customers and sales persons, which no employee has."""
    staff, appointments = _people(seed, branches, others, start, end)
    return {"Staff": staff, "Appointment": appointments, "Punishment": _punishments(appointments, end), "Shareholder": _shareholders(seed, start)}


def _dots(day: np.ndarray) -> np.ndarray:
    return dated(day, lambda text: text.replace("-", "."))


def _people(seed: int, branches: Frame, others: Iterable[str | None], start: np.datetime64, end: np.datetime64) -> tuple[Frame, Frame]:
    rng = stream(seed, "staff")
    chief_of = {int(code[1:]): unit for unit, code in enumerate(branches["ChiefCode"].tolist())}
    size = max(max(chief_of), len(_OFFICERS)) + 5
    number = np.arange(size) + 1
    grades = branches["ComGrade"].tolist()
    weight = np.array([{"1": 30.0, "2": 8.0, "3": 5.0}.get(grade, 2.0) if state == "0" else 0.0 for grade, state in zip(grades, branches["State"].tolist())])
    unit = rng.choice(len(grades), size=size, p=weight / weight.sum())
    unit[: len(_OFFICERS)] = 0
    post = texts(_POSTS, rng.integers(0, len(_POSTS), size))
    post[: len(_OFFICERS)] = _OFFICERS
    for n, at in chief_of.items():
        unit[n - 1], post[n - 1] = at, _CHIEFS[grades[at]]
    chief = np.isin(number, list(chief_of))
    senior = (number <= len(_OFFICERS)) | (chief & np.isin(np.array(grades)[unit], _SENIOR_GRADES))
    founded = branches["FoundDate"][unit]
    hired = uniform_days(rng, np.maximum(founded, start - days(5000)), np.full(size, end - days(40)))
    hired[chief | senior] = (founded + days(rng.integers(0, 300, size)))[chief | senior]
    birth = hired - days(rng.integers(22 * 366, 38 * 366, size))
    birth = np.where(chief | senior, hired - days(rng.integers(27 * 366, 34 * 366, size)), birth)
    left = np.where((rng.random(size) < 0.12) & ~chief & ~senior, uniform_days(rng, np.minimum(hired + days(30), end), np.full(size, end)), NAT)
    female = rng.random(size) < 0.5
    politics = weighted(rng, ("01", "02", "03", "07", "12", "13"), (38, 2, 12, 2, 1, 45), size)
    # League membership ends at 28.
    politics[(politics == "03") & (birth + days(28 * 366) < end)] = "13"
    member = np.isin(politics, ("01", "02", "07"))
    joined = np.where(member, np.maximum(birth + days(19 * 366 + rng.integers(0, 2500, size)), birth + days(18 * 366)), NAT)
    joined = np.where(member, np.minimum(joined, end - days(10)), NAT)
    areas = np.array([int(p.county) for p in counties_of("3") + counties_of("4") + counties_of("5")])
    surname = names.surnames(rng, size)
    phones = identity.mobiles(rng, size, staff=True)
    phones[~np.isnat(left)] = None
    cards = identity.id_cards(areas[rng.integers(0, len(areas), size)], birth, female, rng.integers(0, 499, size), others=others)
    # A few colleagues come from Hong Kong or abroad: other documents, no party.
    outside = np.flatnonzero((number % 43 == 7) & ~chief & ~senior)
    document = objects(["S"] * size)
    document[outside], politics[outside], joined[outside] = "P", "13", NAT
    cards[outside] = [f"E{20_000_000 + 7_919 * n:08d}" for n in number[outside].tolist()]
    document[outside[::2]] = "G"
    cards[outside[::2]] = [f"H{3_000_000 + 6_007 * n:08d}" for n in number[outside[::2]].tolist()]
    title = weighted(rng, ("S1", "S2", "S3", None), (6, 22, 25, 47), size)
    people = {
        "StaffNo": numbered("E", number, 6), "OrgCode": branches["ComCode"][unit], "Name": names.person_names(rng, surname, female),
        "Sex": np.where(female, "2", "1").astype(object), "Nation": weighted(rng, ("HA", "HU", "MA", "ZH", "TJ", "MH", "MG", "UG", "YI", "ZA"), (90, 3, 2, 1, 1, 1, 1, .4, .4, .2), size),
        "Birthday": _dots(birth), "Politics": politics, "PartyDate": _dots(joined), "IDType": document,
        "IDNo": cards, "Mobile": phones,
        "Education": weighted(rng, ("10", "11", "21", "31", "61"), (2, 22, 58, 16, 2), size), "Title": title,
        "SeniorFlag": np.where(senior, "1", "0").astype(object), "Post": post, "HireDate": _dots(hired), "LeaveDate": _dots(left),
    }
    return people, _appointments(rng, people, np.flatnonzero(senior), hired, end)


def _appointments(rng: np.random.Generator, people: Frame, senior: np.ndarray, hired: np.ndarray, end: np.datetime64) -> Frame:
    """A running term of office per director or senior manager, approved before it began; some held another office before."""
    count = len(senior)
    begun = np.minimum(hired[senior] + days(rng.integers(200, 3000, count)), end - days(rng.integers(20, 400, count)))
    earlier = np.flatnonzero((rng.random(count) < 0.3) & (begun - days(150) > hired[senior]))
    who = np.concatenate([senior, senior[earlier]])
    first = np.concatenate([begun, hired[senior[earlier]] + days(60)])
    last = np.concatenate([np.full(count, NAT), begun[earlier] - days(1)])
    office = np.concatenate([people["Post"][senior], objects(["总经理助理"] * len(earlier))])
    order = np.lexsort((first, who))
    who, first, last, office = who[order], first[order], last[order], office[order]
    past = texts(("曾任其他人身险公司省级分公司副总经理", "曾任银行支行行长", "曾任本公司部门总经理", "曾任会计师事务所合伙人"), rng.integers(0, 4, len(who)))
    past[rng.random(len(who)) < 0.2] = None
    return {"AppointNo": numbered("RZ", np.arange(len(who)) + 1, 6), "StaffNo": people["StaffNo"][who], "OrgCode": people["OrgCode"][who], "Office": office,
            "ApprovalDate": _dots(first - days(rng.integers(3, 45, len(who)))), "StartDate": _dots(first), "EndDate": _dots(last), "PastWork": past}


def _punishments(appointments: Frame, end: np.datetime64) -> Frame:
    """A few managers of branches were punished while in office."""
    running = np.flatnonzero((appointments["EndDate"] == None) & (appointments["OrgCode"] != HEAD_OFFICE))  # noqa: E711  (elementwise)
    chosen = running[[2 % len(running), 5 % len(running), 7 % len(running)]]
    began = np.array([text.replace(".", "-") for text in appointments["StartDate"][chosen].tolist()], dtype="datetime64[D]")
    kind = objects(["F", "J", "F"])
    return {"PunishNo": numbered("CF", np.arange(3) + 1, 4), "StaffNo": appointments["StaffNo"][chosen], "OrgCode": appointments["OrgCode"][chosen],
            "Office": appointments["Office"][chosen], "DecideDate": _dots(began + (end - began) // 2), "Authority": objects(["国家金融监督管理总局派出机构"] * 3), "Kind": kind,
            "Reason": objects(["编制虚假资料", "未按规定使用经备案的保险条款", "给予投保人合同约定以外的利益"]), "Fine": np.where(kind == "F", 1_000_000, 0)}


def _shareholders(seed: int, start: np.datetime64) -> Frame:
    rng = stream(seed, "shareholders")
    count = len(_HOLDERS)
    amount = np.array([CAPITAL // 100 * holder[2] for holder in _HOLDERS], dtype=np.int64)
    pledged = np.array([round(a * holder[3]) for a, holder in zip(amount.tolist(), _HOLDERS)], dtype=np.int64)
    remark = blank(count)
    remark[pledged > 0] = "质押已向监管机构报告"
    place = {p.county: p for p in counties_of("3") + counties_of("4")}
    addresses = [f"{place[h[1]].province_name}{place[h[1]].county_name}{ROADS[n]}{100 + n * 17}号" for n, h in enumerate(_HOLDERS)]
    return {
        "HolderNo": numbered("GD", np.arange(count) + 1, 4), "HolderName": objects([holder[0] for holder in _HOLDERS]), "HolderKind": objects(["O"] * count),
        "OrgCertType": objects(["A"] * count), "OrgCertNo": objects(identity.credit_codes(rng, "91", [holder[1] for holder in _HOLDERS])), "IDType": blank(count),
        "IDNo": blank(count), "Address": objects(addresses), "RegCapital": amount * rng.integers(2, 9, count), "ShareDate": _dots(start - days(rng.integers(900, 5000, count))),
        "Shares": amount, "ShareRatio": np.array([holder[2] * 10_000 for holder in _HOLDERS], dtype=np.int64), "PaidAmount": amount, "Pledged": pledged, "Remark": remark,
    }
