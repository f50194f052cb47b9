"""Make a demo insurer: nine core systems that agree with each other, with planted faults on request; and repair it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np

from etl.demo import LEAST_SYSTEMS, SYSTEMS
from etl.demo.agencies import agency_frames
from etl.demo.claims import claim_frames, draw_claims
from etl.demo.columns import Frame, add_months, blank, days, objects, take
from etl.demo.commissions import commission_frame
from etl.demo.contracts import build_contracts
from etl.demo.errors import DemoTruthMissing, DemoUrlMissing, TooFewPolicies
from etl.demo.fates import draw_fates
from etl.demo.finance import finance_frames
from etl.demo.groups import client_details, group_frames
from etl.demo.investment import investment_frames
from etl.demo.organisation import build_organisation, build_organisations
from etl.demo.pension import pension_frames
from etl.demo.people import build_people
from etl.demo.policy_frames import payout_frames, policy_frames
from etl.demo.premiums import draw_payments, payment_frame
from etl.demo.products import CATALOGUE, product_frame
from etl.demo.reinsurance import reinsurance_frames
from etl.demo.related import related_frames
from etl.demo.service import service_frames
from etl.demo.sketch import draw_sketch
from etl.demo.staff import staff_frames
from etl.demo.stamps import stamped
from etl.demo.store import create_indexes, create_tables, open_database, relations, write_table

LEAST_POLICIES = 50
HISTORY_YEARS = 3
# What other tables follow from: of policies, premiums and commissions.
_SELLER = ("AgentCode", "AgentCom")
_PREMIUM = ("PayNo", "ContNo", "PolNo", "RiskCode", "ManageCom", "PayCount", "SumActuPayMoney", "Currency", "ConfDate", "PayMode", "_channel", "_policy", "_paykind")
_FEE = ("ManageCom", "RiskCode", "CommisionType", "Commision", "CalDate", "_channel")
Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class InsurerSummary:
    """What was made: rows per system and table, policies, faults planted (0 on a clean insurer)."""

    policies: int
    seed: int
    as_of: date
    rows: dict[str, dict[str, int]]
    faults: int


def create_insurer(urls: dict[str, str], *, policies: int = 2000, seed: int = 20261031, fault_rate: float = 0.0, as_of: date = date(2026, 10, 31),
                   truth: Path | None = None, progress: Progress | None = None) -> InsurerSummary:
    """Fill the systems' databases with an insurer as of `as_of`, the last day of the month to be reported.

    urls: a database URL or SQLite path per system (etl.demo.SYSTEMS; all but the first four may be left out). Existing tables of these
    names are replaced. Systems may share a PostgreSQL database: their table names differ, and a search_path in the URL is honoured.
    policies: individual policies and group certificates, at least 50 (about 300 if faults are wanted). fault_rate: planted faults per policy; at least one of
    every kind when above 0. truth: path of faults.csv, or the folder to hold it; what `repair_insurer`
    needs is kept beside it. progress: called with
    "system.table" and its number of rows after each table. The same arguments give the same rows.
    Raises TooFewPolicies, DemoUrlMissing, DemoTruthMissing, FaultHasNoRow.
    """
    if policies < LEAST_POLICIES:
        raise TooFewPolicies(least=LEAST_POLICIES, given=policies)
    missing = [system for system in LEAST_SYSTEMS if system not in urls]
    if missing:
        raise DemoUrlMissing(missing=", ".join(missing))
    if fault_rate > 0 and truth is None:
        raise DemoTruthMissing()
    from etl.sources.loader import load_source

    rows: dict[str, dict[str, int]] = {}
    for system, made in groupby(_made(policies, seed, as_of), key=itemgetter(0)):
        if system not in urls:
            continue
        contract = load_source(system)
        engine = open_database(urls[system])
        tables = relations(contract)
        create_tables(engine, tables)
        rows[system] = {}
        for _, name, frame in made:
            rows[system][name] = write_table(engine, tables[name], contract.tables[name], frame)
            if progress:
                progress(f"{system}.{name}", rows[system][name])
        create_indexes(engine, tables)
        engine.dispose()
    planted = 0
    if truth is not None:
        from etl.demo.planting import forget, plant

        forget(truth)
        if fault_rate > 0:
            planted = plant(urls, policies=policies, seed=seed, rate=fault_rate, as_of=as_of, truth=truth)
    return InsurerSummary(policies, seed, as_of, rows, planted)


def repair_insurer(urls: dict[str, str], *, truth: Path) -> int:
    """Undo every planted fault in place; afterwards the databases equal a clean insurer of the same seed.

    truth: the place given to `create_insurer`. Returns the number of faults undone; 0 when there are none (any more).
    Raises RepairMismatch when a changed row is gone.
    """
    from etl.demo.planting import undo

    return undo(urls, truth=truth)


def build_frames(*, policies: int, seed: int, as_of: date) -> dict[tuple[str, str], Frame]:
    """All tables of a clean insurer by (system, table), rows in key order."""
    return {(system, name): frame for system, name, frame in _made(policies, seed, as_of)}


def _made(policies: int, seed: int, as_of: date) -> Iterator[tuple[str, str, Frame]]:
    """The tables as they are stored: with the time of the last change, where their systems keep one."""
    from etl.sources.loader import load_source

    end, contracts = np.datetime64(as_of, "D"), {system: load_source(system) for system in SYSTEMS}
    for system, name, frame in _drawn(policies, seed, as_of):
        yield system, name, stamped(contracts[system].tables[name], frame, end)


def _drawn(policies: int, seed: int, as_of: date) -> Iterator[tuple[str, str, Frame]]:
    """The tables (system, name, frame), system by system in the order of their contracts. Whoever writes them as they come need not
    hold all of a large insurer: of the largest, only the columns that later tables follow from are kept."""
    from etl.sources.loader import load_source

    end = np.datetime64(as_of, "D")
    start = add_months(np.array([end + days(1)]), -12 * HISTORY_YEARS)[0]
    organisation = build_organisation(seed, policies, start, as_of)
    sketch = draw_sketch(seed, policies, organisation, start, end)
    clients, client_sub = build_organisations(seed, sketch.clients, organisation, start)
    people = build_people(seed, sketch, organisation, client_sub, end)
    contracts = build_contracts(seed, sketch, people, organisation, clients, client_sub, start, end)
    fates = draw_fates(seed, contracts, end)
    claims = draw_claims(seed, contracts, fates, people, start, end)
    payments = draw_payments(seed, contracts, fates, end)
    claim_tables = claim_frames(seed, claims, contracts, people, organisation)
    decided_by = _first_per_case(claim_tables["LLClaimPolicy"]["ApprCom"], claims.line_case)
    life = {**organisation.frames, **agency_frames(seed, organisation.frames["LACom"], end), "LDPerson": people.frame, "LMRisk": product_frame(start),
            **policy_frames(seed, sketch, contracts, fates, payments, people, organisation, clients, end),
            **payout_frames(seed, contracts, fates, payments, claims, people, organisation, claim_tables["LLCase"]["CaseNo"], decided_by, end)}
    grouped = contracts.group >= 0
    holder_names, group_numbers = blank(len(grouped)), life["LCCont"]["GrpContNo"]
    holder_names[~grouped] = people.frame["Name"][contracts.holder[~grouped]]
    holder_names[grouped] = clients["GrpName"][sketch.group_client[contracts.group[grouped]]]
    paid = payment_frame(seed, contracts, payments, holder_names, group_numbers)
    paid["ManageCom"] = objects(list(organisation.codes))[paid["ManageCom"]]
    life["LJAPay"] = paid
    life["LDGrp"] = {name: column for name, column in {**clients, **client_details(seed, clients, client_sub, organisation, end)}.items() if not name.startswith("_")}
    life.update(group_frames(seed, sketch, contracts, organisation, life, clients, end))
    kept = {"LDCom": life["LDCom"], "LDGrp": life["LDGrp"], "LJAGet": life["LJAGet"], "LCCont": _columns(life["LCCont"], _SELLER), "LJAPay": _columns(paid, _PREMIUM)}
    del payments, paid, holder_names, group_numbers
    for name in load_source("life_admin").tables:
        if name == "LACommision":
            life[name] = commission_frame(contracts, fates, kept["LJAPay"], kept["LCCont"], end)
            kept[name] = _columns(life[name], _FEE)
        yield "life_admin", name, life.pop(name)
    settled = np.flatnonzero(claims.line_paid > 0)
    case = claims.line_case[settled]
    claim_lines = {"day": claims.closed[case], "branch": decided_by[case], "channel": contracts.channel[claims.policy[case]], "cents": claims.line_paid[settled],
                   "product": objects([p.code for p in CATALOGUE])[contracts.cover_product[claims.line_cover[settled]]]}
    known = np.concatenate([people.frame["IDNo"], organisation.frames["LAAgent"]["IDNo"]])
    staff = staff_frames(seed, organisation.frames["LDCom"], known, start, end)
    ledger = finance_frames(seed, kept["LJAPay"], kept["LJAGet"], kept["LACommision"], claim_lines, _heads(staff["Staff"]["OrgCode"], organisation), organisation, start, end)
    investment = investment_frames(seed, policies, end)
    rest = {"claims": claim_tables, "service": service_frames(seed, contracts, fates, people, start, end), "finance": ledger, "hr": staff,
            "reinsurance": reinsurance_frames(seed, contracts, claims, kept["LJAPay"], kept["LJAGet"], start, end),
            "pension": pension_frames(seed, policies, kept["LDGrp"], contracts, people, organisation, start, end), "investment": investment,
            "related": related_frames(seed, kept["LDCom"], staff, investment, start, end)}
    for system in SYSTEMS[1:]:
        for name in load_source(system).tables:
            yield system, name, rest[system].pop(name)


def _columns(frame: Frame, names: tuple[str, ...]) -> Frame:
    return {name: frame[name] for name in names}


def _heads(units: np.ndarray, organisation) -> np.ndarray:
    """Employees of the head office and of each reporting branch with the units below it."""
    places = ["86", *organisation.codes]
    return np.bincount([places.index(code[:4]) for code in units.tolist()], minlength=len(places))


def _first_per_case(values: np.ndarray, case: np.ndarray) -> np.ndarray:
    cases, first = np.unique(case, return_index=True)
    assert len(cases) == 0 or cases[-1] == len(cases) - 1, "every case has a line"
    return take({"value": values}, first)["value"]
