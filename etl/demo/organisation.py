"""The insurer itself: branches in several jurisdictions, sales persons, agencies and client organisations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from etl.demo import identity, names
from etl.demo.columns import NAT, OPEN, Frame, blank, days, numbered, objects, stream, texts, uniform_days, weighted
from etl.demo.places import ESTATES, ROADS, Place, counties_of

COMPANY = "东岸人寿保险股份有限公司"
HEAD_OFFICE = "86"
# Branches that report to their own bureau: code, name, jurisdiction, area prefixes served, telephone code, share of business.
_BRANCHES = (
    ("8611", "北京", "110000", ("1101",), "010", 10), ("8631", "上海", "310000", ("3101",), "021", 18),
    ("8632", "江苏", "320000", ("3201", "3205"), "025", 15), ("8633", "浙江", "330000", ("3301", "3303"), "0571", 11),
    ("8637", "山东", "370000", ("3701", "3706"), "0531", 9), ("8642", "湖北", "420000", ("4201", "4205"), "027", 7),
    ("8644", "广东", "440000", ("4401", "4406"), "020", 13), ("8651", "四川", "510000", ("5101", "5107"), "028", 8),
    ("8671", "宁波", "330200", ("3302",), "0574", 4), ("8673", "深圳", "440300", ("4403",), "0755", 7),
)


@dataclass(frozen=True)
class Organisation:
    """What the other parts need to know about the insurer.

    `sub_codes`, `sub_parent` (index into `codes`), `sub_place` and `sub_weight` describe the selling units; `phone_codes`
    the telephone area of each reporting branch; `agent_*` the sales persons; `agency_*` the agencies by reporting branch.
    """

    frames: dict[str, Frame]
    codes: tuple[str, ...]
    regions: tuple[str, ...]
    phone_codes: tuple[str, ...]
    sub_codes: np.ndarray
    sub_parent: np.ndarray
    sub_place: tuple[Place, ...]
    sub_weight: np.ndarray
    agent_codes: np.ndarray
    agent_sub: np.ndarray
    agent_kind: np.ndarray
    agent_from: np.ndarray
    agent_to: np.ndarray
    agency_codes: dict[tuple[int, str], tuple[str, ...]]


def build_organisation(seed: int, policies: int, start: np.datetime64, as_of: date) -> Organisation:
    """Branches, sales persons and agencies of an insurer with `policies` policies; history begins at `start`."""
    rng = stream(seed, "organisation")
    rows: list[dict] = [_unit(HEAD_OFFICE, COMPANY, "东岸人寿总公司", "1", None, "310000", HEAD_OFFICE, counties_of("3101")[10], "2003-05-18")]
    subs: list[tuple[str, int, Place, float]] = []
    for index, (code, name, region, prefixes, _, share) in enumerate(_BRANCHES):
        title = f"{COMPANY}{name}分公司"
        rows.append(_unit(code, title, f"{name}分公司", "2", HEAD_OFFICE, region, code, counties_of(prefixes[0])[0], f"{2003 + index % 2}-{9 + index % 4:02d}-{11 + index}"))
        for n, prefix in enumerate(prefixes):
            places = counties_of(prefix)
            # Four municipalities and the two separately planned cities have no city level between branch and sub-branch.
            middle, short = code, name
            if len(prefixes) > 1:
                middle, short = f"{code}{n + 1:02d}", places[0].city_name.removesuffix("市")
                rows.append(_unit(middle, f"{title}{short}中心支公司", f"{short}中支", "3", code, region, code, places[0], f"{2005 + n}-0{2 + n}-2{index % 8}"))
            count = 4 if len(prefixes) == 1 else 3
            for m, chosen in enumerate(rng.choice(np.arange(1, len(places)), size=count, replace=False).tolist()):
                place = places[chosen]
                grade, kind = ("4", "支公司") if m < 2 else ("5", "营销服务部")
                own = f"{middle}{m + 1:02d}" if middle != code else f"{code}00{m + 1:02d}"
                town = place.county_name.removesuffix("区").removesuffix("县").removesuffix("市") if len(place.county_name) > 2 else place.county_name
                rows.append(_unit(own, f"{title}{short if middle != code else ''}{town}{kind}", f"{town}{kind}", grade,
                                  middle, region, code, place, f"{2006 + (index + m) % 2}-{8 + m:02d}-0{index % 9 + 1}"))
                subs.append((own, index, place, share * (1.6 if m == 0 else 1.0) / (count * len(prefixes))))
    frame = _branch_frame(rng, rows, as_of)
    closed = set(frame["ComCode"][frame["State"] != "0"].tolist())
    subs = [sub for sub in subs if sub[0] not in closed]
    sub_codes = objects([sub[0] for sub in subs])
    weight = np.array([sub[3] for sub in subs])
    agents, picks = _agents(seed, policies, sub_codes, weight / weight.sum(), start, as_of)
    agencies, by_branch = _agencies(seed, start)
    return Organisation(
        frames={"LDCom": frame, "LAAgent": agents, "LACom": agencies},
        codes=tuple(b[0] for b in _BRANCHES), regions=tuple(b[2] for b in _BRANCHES), phone_codes=tuple(b[4] for b in _BRANCHES),
        sub_codes=sub_codes, sub_parent=np.array([sub[1] for sub in subs]), sub_place=tuple(sub[2] for sub in subs),
        sub_weight=weight / weight.sum(), agent_codes=agents["AgentCode"], agent_sub=picks, agent_kind=agents["BranchType"],
        agent_from=agents["EmployDate"], agent_to=np.where(np.isnat(agents["OutWorkDate"]), OPEN, agents["OutWorkDate"]),
        agency_codes=by_branch,
    )


def _unit(code: str, name: str, short: str, grade: str, up: str | None, region: str, report: str, place: Place, founded: str) -> dict:
    return {"ComCode": code, "Name": name, "ShortName": short, "ComGrade": grade, "UpComCode": up, "RegArea": region,
            "ReportCom": report, "place": place, "FoundDate": founded}


def _branch_frame(rng: np.random.Generator, rows: list[dict], as_of: date) -> Frame:
    count = len(rows)
    founded = np.array([row["FoundDate"] for row in rows], dtype="datetime64[D]")
    grades = np.array([row["ComGrade"] for row in rows])
    state = objects(["0"] * count)
    ended = np.full(count, NAT)
    # Two small units no longer sell: one closed for good with its licence returned, one suspended.
    gone, paused = np.flatnonzero(grades == "5")[[-1, -3]]
    state[gone], state[paused] = "2", "1"
    ended[gone] = np.datetime64(as_of) - days(200)
    violation = blank(count)
    violation[[2, 5]] = "2025年3月因编制虚假资料被所在地监管局处以罚款10万元"
    return {
        "ComCode": objects([row["ComCode"] for row in rows]), "Name": objects([row["Name"] for row in rows]),
        "ShortName": objects([row["ShortName"] for row in rows]), "ComGrade": objects(grades.tolist()),
        "UpComCode": objects([row["UpComCode"] for row in rows]), "State": state, "FoundDate": founded,
        "CertType": objects(["A"] * count), "CertNo": objects(identity.credit_codes(rng, "91", [row["place"].county for row in rows])),
        "RegArea": objects([row["RegArea"] for row in rows]), "ReportCom": objects([row["ReportCom"] for row in rows]),
        "Address": objects([_address(rng, row["place"]) for row in rows]),
        "LicenceNo": objects([f"{n + 1:06d}{row['RegArea']}{800 + n}" for n, row in enumerate(rows)]),
        "LicenceDate": founded + days(rng.integers(0, 25, count)), "LicenceEndDate": ended,
        "ChiefCode": numbered("E", np.arange(count) * 7 + 12, 6), "Violation": violation,
    }


def _address(rng: np.random.Generator, place: Place) -> str:
    road, number, floor = ROADS[int(rng.integers(len(ROADS)))], int(rng.integers(1, 900)), int(rng.integers(3, 30))
    city = "" if place.city_name == "市辖区" else place.city_name
    return f"{place.province_name}{city}{place.county_name}{road}{number}号{floor}层"


def _agents(seed: int, policies: int, subs: np.ndarray, weight: np.ndarray, start: np.datetime64, as_of: date) -> tuple[Frame, np.ndarray]:
    rng = stream(seed, "agents")
    end = np.datetime64(as_of)
    # At least one long-serving agent in each selling unit, so that every policy finds its seller.
    core = np.arange(len(subs))
    extra = max(20, policies // 45)
    sub = np.concatenate([core, rng.choice(len(subs), size=extra, p=weight)])
    size = len(sub)
    employed = uniform_days(rng, np.full(size, start - days(3000)), np.full(size, end - days(100)))
    employed[: len(core)] = start - days(5600) + days(rng.integers(0, 40, len(core)))
    left = np.where((rng.random(size) < 0.2) & (np.arange(size) >= len(core)), uniform_days(rng, employed + days(60), np.full(size, end)), NAT)
    female = rng.random(size) < 0.62
    birth = employed - days(rng.integers(19 * 366, 45 * 366, size))
    birth[: len(core)] = employed[: len(core)] - days(rng.integers(19 * 366, 28 * 366, len(core)))
    place_rng = stream(seed, "agent places")
    areas = np.array([int(p.county) for p in counties_of("3") + counties_of("4") + counties_of("5")])
    kind = weighted(rng, ("1", "2", "3", "4", "5"), (66, 14, 6, 9, 5), size)
    kind[: len(core)] = "1"
    bank, card = identity.bank_cards(rng, size)
    surname = names.surnames(rng, size)
    name = names.person_names(stream(seed, "agent names"), surname, female)
    codes = numbered("A", np.arange(size) + 1, 7)
    leader = texts(codes, rng.integers(0, len(core), size))
    violation = blank(size)
    violation[rng.random(size) < 0.01] = "2024年因代签名被公司警告处分"
    past = blank(size)
    past[rng.random(size) < 0.3] = "曾任其他人身险公司营销员"
    frame = {
        "AgentCode": codes, "ManageCom": subs[sub], "Name": name, "Sex": texts(("0", "1"), female.astype(int)), "Birthday": birth,
        "Degree": weighted(rng, tuple("BCDEFZ"), (2, 24, 38, 30, 5, 1), size), "IDType": objects(["0"] * size),
        "IDNo": identity.id_cards(areas[place_rng.integers(0, len(areas), size)], birth, female, rng.integers(0, 499, size)),
        "Phone": identity.mobiles(rng, size, staff=True), "BranchType": kind, "QualifNo": numbered("0202", np.arange(size) * 13 + 100019, 18),
        # First-year commission is earned up to a year after somebody has left: the licence runs on that long.
        "QualifDate": employed, "QualifEndDate": np.where(np.isnat(left), end + days(rng.integers(90, 1500, size)), left + days(400 + rng.integers(1, 400, size))),
        "EmployDate": employed, "OutWorkDate": left, "UpAgent": np.where((leader == codes) | (np.arange(size) < len(core)), None, leader),
        "Violation": violation, "PastWork": past, "BankName": bank, "BankAccNo": card, "AccName": name,
    }
    return frame, sub


def _agencies(seed: int, start: np.datetime64) -> tuple[Frame, dict[tuple[int, str], tuple[str, ...]]]:
    rng = stream(seed, "agencies")
    rows, by_branch = [], {}
    for index, (code, name, _, prefixes, _, _) in enumerate(_BRANCHES):
        place = counties_of(prefixes[0])[2]
        for kind, titles in (("1", (f"中国工商银行股份有限公司{name}分行", f"招商银行股份有限公司{name}分行", f"中国邮政储蓄银行股份有限公司{name}分行")),
                             ("2", (f"{name}泛洋保险代理有限公司", f"{name}众诚保险销售服务有限公司")), ("3", (f"{name}明睿保险经纪有限公司",))):
            found = []
            for title in titles:
                agency = f"AC{kind}{code}{len(found) + 1:03d}"
                rows.append((agency, title, kind, code, place.county))
                found.append(agency)
            by_branch[index, kind] = tuple(found)
    count = len(rows)
    return {
        "AgentCom": objects([r[0] for r in rows]), "Name": objects([r[1] for r in rows]), "ACType": objects([r[2] for r in rows]),
        "ManageCom": objects([r[3] for r in rows]), "CertNo": objects(identity.credit_codes(rng, "91", [r[4] for r in rows])),
        "LicenceNo": numbered("2", np.arange(count) * 31 + 10**10, 11), "SignDate": start - days(rng.integers(5600, 6000, count)),
    }, by_branch


def build_organisations(seed: int, count: int, organisation: Organisation, start: np.datetime64) -> tuple[Frame, np.ndarray]:
    """Client organisations (LDGrp) and the index of the selling unit that serves each."""
    rng = stream(seed, "client organisations")
    sub = rng.choice(len(organisation.sub_codes), size=count, p=organisation.sub_weight)
    places = [organisation.sub_place[i] for i in sub.tolist()]
    public = (np.arange(count) % 9 == 4).tolist()
    cities = [p.province_name if p.city_name == "市辖区" else p.city_name for p in places]
    companies = identity.credit_codes(rng, "91", [p.county for p in places])
    bodies = identity.credit_codes(rng, "12", [p.county for p in places])
    bank, account = identity.bank_cards(rng, count, others=organisation.frames["LAAgent"]["BankAccNo"])
    surname = names.surnames(rng, count)
    return {
        "CustomerNo": numbered("G", np.arange(count) + 1, 9), "GrpName": objects(names.organisation_names(rng, cities, public)),
        "GrpNature": objects(["N" if p else "E" for p in public]), "CertType": objects(["A"] * count),
        "CertNo": objects([b if p else c for p, b, c in zip(public, bodies, companies)]), "FoundDate": start - days(rng.integers(400, 9000, count)),
        "RegArea": objects([p.county for p in places]),
        "Address": objects([_address(rng, p) + ESTATES[i % len(ESTATES)] for i, p in enumerate(places)]),
        "LinkMan": names.person_names(rng, surname, rng.random(count) < 0.5), "Mobile": identity.mobiles(rng, count),
        "_bank": bank, "_account": account,
    }, sub
