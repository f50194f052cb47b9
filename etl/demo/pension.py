"""The pension system: occupational annuity plans of employers, among them the life business's group clients, with their
movements, portfolios and month-end states. Pension security products are in `pension_products`.

Dates are text yyyy/mm/dd, amounts text with thousands separators, rates percentages. A plan's state follows from its
movements: what came in, what was paid out and what was earned since 1 January.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etl.demo import identity, names
from etl.demo.columns import Frame, days, stream
from etl.demo.contracts import Contracts
from etl.demo.market import CUSTODIAN_LICENCES, CUSTODIANS, PENSION_MANAGERS
from etl.demo.organisation import COMPANY, Organisation
from etl.demo.pension_products import product_frames
from etl.demo.people import People
from etl.demo.places import ROADS, counties_of
from etl.demo.rows import commas, last_day, rows_frame, slashed, times, year_start

_LEAST, _MOST = 9, 60
_MONTHS_KEPT = 3
_TITLES = {"G": "固定收益", "H": "混合", "L": "货币"}


@dataclass(frozen=True)
class Plan:
    """What the movements and states of a plan need: code, members, monthly contribution in cents with the employer's share in
    per mille, months between contributions, net assets on 1 January in cents, portfolios (number, name, kind, manager, weight)."""

    code: str
    members: int
    drawing: int
    monthly: int
    employer: int
    cycle: int
    opening: int
    portfolios: tuple[tuple[str, str, str, str, int], ...]


def pension_frames(seed: int, policies: int, groups: Frame, contracts: Contracts, people: People, organisation: Organisation, start: np.datetime64,
                   end: np.datetime64) -> dict[str, Frame]:
    """All tables of the system. `groups` is LDGrp: the group clients of the life business are the first trustors."""
    count = min(_MOST, max(_LEAST, policies // 40))
    clients = _clients(seed, count, groups)
    rows, plans = _plans(seed, clients, start, end)
    moves, states = _movements(stream(seed, "plan movements"), plans, end)
    numbers = "ManagerCount Employers Members Drawing EmployerPct MemberPct TrusteePct CustodyPct ManagePct"
    return {
        "PenClient": rows_frame("ClientNo ClientName Nature CertKind CertNo AreaCode Address Contact ContactPhone", clients),
        "AnnPlan": rows_frame(
            "PlanCode PlanName PlanKind PlanForm RegNo RegDate RegOrg State FoundDate EffectDate EndDate EndReason ClientNo Trustee TrusteeLicence Recorder "
            "RecorderLicence Custodian CustodianLicence CustodyAccount Managers ManagerCount AsTrustee AsRecorder AsManager ContractNo SignDate BeginDate DueDate "
            "Employers Members Drawing EmployerPct MemberPct PayCycle TrusteePct AccountFee CustodyPct ManagePct", rows, numbers=numbers),
        "PlanState": rows_frame("PlanCode StatDate Employers Members Drawing Accounts NetAssets EmployerBalance MemberBalance YearPaidIn YearPaidOut YearIncome",
                                _with_employers(states, rows), numbers="Employers Members Drawing Accounts"),
        "PlanMove": rows_frame("MoveNo PlanCode MoveKind BizDate CashDate Amount EmployerPart MemberPart Members DrawMode Tax State", moves, numbers="Members"),
        "PlanPortfolio": rows_frame("PlanCode PortfolioNo StatDate PortfolioName PortfolioKind Manager Gross Net UnitValue Equities YearReturn TotalReturn",
                                    _portfolios(stream(seed, "plan portfolios"), plans, states, end), numbers="UnitValue YearReturn TotalReturn"),
        **product_frames(seed, policies, clients, contracts, people, organisation, start, end),
    }


def _clients(seed: int, count: int, groups: Frame) -> list[dict]:
    """The trustors: group clients of the life business under their customer numbers, then clients of the pension business only."""
    rows = [{"ClientNo": number, "ClientName": name, "Nature": "QY" if nature == "E" else "SY", "CertKind": "TYXY", "CertNo": cert, "AreaCode": area, "Address": address,
             "Contact": person, "ContactPhone": phone}
            for number, name, nature, cert, area, address, person, phone in zip(*(groups[c][:count].tolist() for c in (
                "CustomerNo", "GrpName", "GrpNature", "CertNo", "RegArea", "Address", "LinkMan", "Mobile")))]
    rng = stream(seed, "pension clients")
    more = count - len(rows)
    pool = counties_of("31") + counties_of("32") + counties_of("33") + counties_of("44")
    places = [pool[i] for i in rng.integers(0, len(pool), more).tolist()]
    public = [n % 5 == 3 for n in range(more)]
    titles = names.organisation_names(rng, [p.province_name if p.city_name == "市辖区" else p.city_name for p in places], public)
    companies = identity.credit_codes(rng, "91", [p.county for p in places])
    bodies = identity.credit_codes(rng, "12", [p.county for p in places])
    persons = names.person_names(rng, names.surnames(rng, more), rng.random(more) < 0.5).tolist()
    phones = identity.mobiles(rng, more).tolist()
    for n, place in enumerate(places):
        city = "" if place.city_name == "市辖区" else place.city_name
        rows.append({"ClientNo": f"YG{n + 1:06d}", "ClientName": titles[n], "Nature": "SY" if public[n] else "QY", "CertKind": "TYXY",
                     "CertNo": bodies[n] if public[n] else companies[n], "AreaCode": place.county,
                     "Address": f"{place.province_name}{city}{place.county_name}{ROADS[n % len(ROADS)]}{10 + n * 7}号", "Contact": persons[n],
                     "ContactPhone": phones[n] if n % 6 else None})
    return rows


def _plans(seed: int, clients: list[dict], start: np.datetime64, end: np.datetime64) -> tuple[list[dict], list[Plan]]:
    """Rows of AnnPlan and the running plans. One plan is about to begin, one is suspended, one has ended; the others run."""
    rng = stream(seed, "annuity plans")
    fate = {3: "W", 5: "S", 7: "E"}
    rows, running = [], []
    for n, client in enumerate(clients):
        state = fate.get(n, "R")
        public, joint = client["Nature"] == "SY", n % 8 == 4
        founded = end - days(40) if state == "W" else year_start(end) - days(int(rng.integers(200, 3200)))
        # Every plan is as old as the contract under which the insurer serves it.
        signed = founded - days(int(rng.integers(20, 80)))
        effective = None if state == "W" else founded + days(int(rng.integers(0, 30)))
        ended = end - days(int(rng.integers(60, 200))) if state == "E" else None
        code = f"{'ZN' if public else 'QN'}{str(founded)[:4]}{n + 1:04d}"
        bank = int(rng.integers(0, len(CUSTODIANS)))
        trustee, recorder = n % 3 != 2, n % 2 == 0 or n % 3 == 2
        managers = [PENSION_MANAGERS[i] for i in sorted({0, 1 + n % 3} if n % 4 else {1 + n % 3, 1 + (n + 1) % 3})]
        members, share, own = int(rng.integers(80, 3000)), int(rng.choice([60, 70, 80])), int(rng.choice([10, 20, 40]))
        if public:
            # The rates of public bodies' plans are fixed by law.
            share, own = 80, 40
        cycle = ("M", "M", "Q", "M")[n % 4]
        kinds = ("G", "H", "L")[: len(managers) + n % 2]
        drawing = members // int(rng.integers(12, 30))
        rows.append({
            "PlanCode": code, "PlanName": f"{client['ClientName']}{'职业' if public else '企业'}年金{'集合' if joint else ''}计划", "PlanKind": "ZN" if public else "QN",
            "PlanForm": "J" if joint else "D", "RegNo": None if state == "W" else f"DJ{client['AreaCode']}{str(founded)[:4]}{n + 1:04d}",
            "RegDate": None if state == "W" else slashed(founded), "RegOrg": None if state == "W" else "人力资源和社会保障部门", "State": state, "FoundDate": slashed(founded),
            "EffectDate": slashed(effective), "EndDate": slashed(ended), "EndReason": "WT" if ended is not None else None, "ClientNo": client["ClientNo"],
            "Trustee": COMPANY if trustee else "明德养老金管理有限公司", "TrusteeLicence": "ST-0011" if trustee else "ST-0006",
            "Recorder": COMPANY if recorder else CUSTODIANS[(bank + 1) % len(CUSTODIANS)], "RecorderLicence": "ZG-0015" if recorder else f"ZG-{bank + 2:04d}",
            "Custodian": CUSTODIANS[bank], "CustodianLicence": CUSTODIAN_LICENCES[bank], "CustodyAccount": f"{1100 + bank}{int(rng.integers(10**12, 10**13)):013d}",
            "Managers": "、".join(managers), "ManagerCount": len(managers), "AsTrustee": "Y" if trustee else "N", "AsRecorder": "Y" if recorder else "N",
            "AsManager": "Y" if COMPANY in managers else "N", "ContractNo": f"东岸养老〔{str(signed)[:4]}〕年金{n + 1:03d}号", "SignDate": slashed(signed),
            "BeginDate": slashed(effective if effective is not None else founded), "DueDate": slashed(ended) if ended is not None else
            (slashed(end + days(int(rng.integers(100, 900)))) if n % 3 == 0 else None),
            "Employers": int(rng.integers(3, 25)) if joint else 1, "Members": members, "Drawing": 0 if state == "W" else drawing,
            "EmployerPct": share * 1000, "MemberPct": own * 1000, "PayCycle": cycle, "TrusteePct": int(rng.integers(8, 20)) * 100,
            "AccountFee": commas(int(rng.choice([200, 300, 500]))), "CustodyPct": int(rng.integers(5, 18)) * 100, "ManagePct": int(rng.integers(30, 110)) * 100,
        })
        if state == "R":
            months = int((end - founded).astype(np.int64)) // 30
            monthly = members * int(rng.integers(5500, 14000)) * 100 // 1000 * (share + own)
            portfolios = tuple((f"{code}-{i + 1:02d}", f"{client['ClientName'][:20]}{_TITLES[kind]}组合{i + 1:02d}号", kind,
                                managers[i % len(managers)], (55, 35, 10)[i]) for i, kind in enumerate(kinds))
            running.append(Plan(code, members, drawing, monthly, share * 1000 // (share + own), 1 if cycle == "M" else 3, monthly * max(months - 10, 3), portfolios))
    return rows, running


def _with_employers(states: list[dict], rows: list[dict]) -> list[dict]:
    employers = {row["PlanCode"]: row["Employers"] for row in rows}
    return [{**state, "Employers": employers[state["PlanCode"]]} for state in states]


def _movements(rng: np.random.Generator, plans: list[Plan], end: np.datetime64) -> tuple[list[dict], list[dict]]:
    """Movements since 1 January and the states at the last month ends that follow from them."""
    moves, states = [], []
    first = year_start(end)
    months = int((end.astype("datetime64[M]") - first.astype("datetime64[M]")).astype(np.int64)) + 1
    for plan in plans:
        net, employer = plan.opening, plan.opening * 8 // 100
        paid_in = paid_out = income = 0
        for n in range(months):
            begin = first.astype("datetime64[M]") + np.timedelta64(n, "M")
            close = last_day(begin)
            for kind, amount, ours, people_in, mode, tax in _month(rng, plan, n):
                # Early in the month, so that money has moved by its end; what begins on the last two days has not.
                late = kind == "ZR" and n == months - 1
                day = close - days(1) if late else begin.astype("datetime64[D]") + days(int(rng.integers(8, 22)))
                moves.append({"PlanCode": plan.code, "MoveKind": kind, "_day": day, "BizDate": slashed(day), "CashDate": None if late else slashed(day + days(int(rng.integers(0, 5)))),
                              "Amount": commas(amount), "EmployerPart": commas(ours), "MemberPart": commas(amount - ours), "Members": people_in, "DrawMode": mode,
                              "Tax": commas(tax), "State": "P" if late else "D"})
                if late:
                    continue
                sign = 1 if kind in ("JF", "ZR") else -1
                net += sign * amount
                paid_in += amount if kind == "JF" else 0
                paid_out += amount if kind == "DY" else 0
            earned = times(net, int(rng.integers(-12, 55)))
            net, income = net + earned, income + earned
            if n >= months - _MONTHS_KEPT:
                employer = net * 8 // 100
                states.append({"PlanCode": plan.code, "StatDate": slashed(close), "Members": plan.members, "Drawing": plan.drawing,
                               "Accounts": plan.members + plan.drawing + plan.members // 20, "NetAssets": commas(net), "EmployerBalance": commas(employer),
                               "MemberBalance": commas(net - employer), "YearPaidIn": commas(paid_in), "YearPaidOut": commas(paid_out), "YearIncome": commas(income), "_net": net})
    moves.sort(key=lambda row: (row["_day"], row["PlanCode"], row["MoveKind"]))
    return [{**row, "MoveNo": f"NJ{n + 1:010d}"} for n, row in enumerate(moves)], states


def _month(rng: np.random.Generator, plan: Plan, n: int):
    """(kind, amount, employer's part, members, way of drawing, tax) of a plan's movements in its n-th month of the year."""
    if (n + 1) % plan.cycle == 0:
        amount = plan.monthly * plan.cycle
        yield "JF", amount, amount * plan.employer // 1000, plan.members, None, 0
    if rng.random() < 0.7:
        heads = max(1, min(plan.drawing, int(rng.integers(1, 6))))
        amount = heads * int(rng.integers(900_00, 60_000_00))
        yield "DY", amount, amount * 3 // 10, heads, str(rng.choice(["L", "F", "F", "G"])), times(amount, 3, 100)
    if rng.random() < 0.25:
        amount = int(rng.integers(2_000_00, 80_000_00))
        yield "ZR", amount, amount * 6 // 10, 1, None, 0
    if rng.random() < 0.2:
        amount = int(rng.integers(2_000_00, 50_000_00))
        yield "ZC", amount, amount * 6 // 10, 1, None, 0
    if (n + 1) % 3 == 1:
        amount = times(plan.opening, 4) + 1
        yield "FY", amount, amount, 0, None, 0


def _portfolios(rng: np.random.Generator, plans: list[Plan], states: list[dict], end: np.datetime64) -> list[dict]:
    """The net assets of each plan at each month end, split over its portfolios to the cent."""
    rows = []
    for plan in plans:
        returns = {number: (int(rng.integers(50, 600)) * 100, int(rng.integers(0, 4500)) * 100) for number, *_ in plan.portfolios}
        weights = sum(weight for *_, weight in plan.portfolios)
        for state in (s for s in states if s["PlanCode"] == plan.code):
            left = state["_net"]
            for i, (number, name, kind, manager, weight) in enumerate(plan.portfolios):
                net = left if i == len(plan.portfolios) - 1 else state["_net"] * weight // weights
                left -= net
                whole_year, before = returns[number]
                # Earned evenly over the year.
                this_year = whole_year * int(state["StatDate"][5:7]) // 1200 * 100
                total = this_year + before
                rows.append({"PlanCode": plan.code, "PortfolioNo": number, "StatDate": state["StatDate"], "PortfolioName": name, "PortfolioKind": kind, "Manager": manager,
                             "Gross": commas(net + net * int(rng.integers(0, 4)) // 1000), "Net": commas(net), "UnitValue": 1_000_000 + total,
                             "Equities": commas(net * int(rng.integers(15, 38)) // 100 if kind == "H" else 0), "YearReturn": this_year, "TotalReturn": total})
    return rows


