"""Pension security products and contracts: the group part sold to employers, the individual part to policyholders of the life
business. A product's assets are the balances of its contracts."""

from __future__ import annotations

import numpy as np

from etl.demo.columns import Frame, days, stream, years_between
from etl.demo.contracts import Contracts
from etl.demo.market import CUSTODIANS, OWN_MANAGER
from etl.demo.organisation import COMPANY, Organisation
from etl.demo.people import People
from etl.demo.rows import commas, month_ends, rows_frame, slashed, times

# Number, name, line (T group, G individual), open or closed, portfolio, days between the founding and the history, years, fee in 0.01 %.
_PRODUCTS = (
    ("YB0101", "东岸薪享团体养老保障管理产品", "T", "K", "HH", -2000, None, 60), ("YB0102", "东岸稳盈团体养老保障管理产品", "T", "F", "GS", 200, 4, 45),
    ("YB0201", "东岸安心宝个人养老保障管理产品", "G", "K", "HB", -1500, None, 30), ("YB0202", "东岸双季盈个人养老保障管理产品", "G", "K", "GS", -900, None, 50),
    ("YB0203", "东岸年年盈个人养老保障管理产品", "G", "F", "GS", 400, 5, 55),
)
_CYCLES = ("S", "M", "N", "Y")
_STATES_KEPT = 2


def product_frames(seed: int, policies: int, clients: list[dict], contracts: Contracts, people: People, organisation: Organisation, start: np.datetime64,
                   end: np.datetime64) -> dict[str, Frame]:
    """PenProduct, PenProductState and PenContract. Amounts of contracts are as of `end`."""
    rng = stream(seed, "pension products")
    products = []
    for n, (number, name, line, form, kind, offset, length, fee) in enumerate(_PRODUCTS):
        founded = start + days(offset)
        due = None if length is None else founded + days(365 * length)
        products.append({"ProductNo": number, "ProductName": name, "FilingNo": f"东岸养老保障备〔{str(founded)[:4]}〕{n + 3:02d}号", "FilingDate": slashed(founded - days(40)), "Line": line,
                         "OpenKind": form, "PortfolioKind": kind, "FoundDate": slashed(founded), "DueDate": slashed(due), "Custodian": CUSTODIANS[n % len(CUSTODIANS)],
                         "Manager": COMPANY if n % 2 else OWN_MANAGER, "FeePct": fee * 100, "_founded": founded, "_due": due})
    rows = _contracts(rng, max(14, min(500, policies // 20)), products, clients, contracts, people, organisation, end)
    return {
        "PenProduct": rows_frame("ProductNo ProductName FilingNo FilingDate Line OpenKind PortfolioKind FoundDate DueDate Custodian Manager FeePct", products, numbers="FeePct"),
        "PenProductState": rows_frame("ProductNo StatDate Contracts Units UnitValue NetAssets YearReturn", _states(rng, products, rows, end),
                                      numbers="Contracts Units UnitValue YearReturn"),
        "PenContract": rows_frame("ContractNo ProductNo HolderKind HolderNo BranchCode Channel SignDate BeginDate EndDate State Beneficiaries PayCycle MonthIn TotalIn MonthOut "
                                  "TotalOut Balance", rows, numbers="Beneficiaries"),
    }


def _contracts(rng: np.random.Generator, count: int, products: list[dict], clients: list[dict], contracts: Contracts, people: People, organisation: Organisation,
               end: np.datetime64) -> list[dict]:
    """Every product has contracts; one contract has not begun, some have ended."""
    grown = np.flatnonzero((contracts.holder >= 0) & (years_between(people.birth[np.maximum(contracts.holder, 0)], np.full(len(contracts.holder), end)) >= 18))
    policies = rng.choice(grown, size=count)
    rows = []
    for n in range(count):
        product = products[n % len(products)]
        group = product["Line"] == "T"
        since = product["_founded"]
        closed = product["_due"] is not None
        # Closed products are sold before they are founded, open ones at any time after.
        signed = since - days(int(rng.integers(1, 20))) if closed else since + days(int(rng.integers(0, int((end - since).astype(np.int64)) - 60)))
        begun = max(since, signed + days(int(rng.integers(0, 6))))
        state = "1"
        if n == 10 and not closed:
            signed, begun, state = end - days(3), end + days(4), "0"
        elif not closed and n % 7 == 3:
            state = "3"
        over = product["_due"] if closed else None
        if state == "3":
            over = begun + days(int(rng.integers(10, max(11, int((end - begun).astype(np.int64))))))
        heads = int(rng.integers(20, 900)) if group else 1
        amount = heads * int(rng.integers(5_000_00, 60_000_00))
        cycle = "S" if closed else _CYCLES[int(rng.integers(0, len(_CYCLES)))]
        month_in = month_out = total_in = total_out = balance = 0
        if state != "0":
            turns = max(1, int((end - begun).astype(np.int64)) // 31) if cycle == "M" and state == "1" else 1
            total_in = amount // 10 * turns if cycle == "M" else amount
            month_in = amount // 10 if cycle == "M" and state == "1" and turns > 1 else 0
            month_out = total_in // 50 if state == "1" and not closed and rng.random() < 0.25 else 0
            total_out = month_out + (total_in // 20 if month_out and rng.random() < 0.5 else 0)
            grown_to = times(total_in - total_out, 10_000 + int(rng.integers(50, 1200)))
            balance = grown_to if state == "1" else 0
            total_out = total_out if state == "1" else times(total_in, 10_000 + int(rng.integers(50, 900)))
        policy = int(policies[n])
        client = clients[n % len(clients)]
        branch = organisation.codes[int(contracts.branch[policy])]
        rows.append({"ContractNo": f"YB{branch[2:]}{str(signed)[:4]}{n + 1:06d}", "ProductNo": product["ProductNo"], "HolderKind": "J" if group else "G",
                     "HolderNo": client["ClientNo"] if group else people.frame["CustomerNo"][contracts.holder[policy]], "BranchCode": branch,
                     "Channel": "ZX" if group else ("DL", "YH", "WL")[n % 3], "SignDate": slashed(signed), "BeginDate": slashed(begun), "EndDate": slashed(over), "State": state,
                     "Beneficiaries": heads, "PayCycle": cycle, "MonthIn": commas(month_in), "TotalIn": commas(total_in), "MonthOut": commas(month_out),
                     "TotalOut": commas(total_out), "Balance": commas(balance), "_balance": balance})
    return rows


def _states(rng: np.random.Generator, products: list[dict], rows: list[dict], end: np.datetime64) -> list[dict]:
    """The last month ends; that of `end` agrees with the contracts, the one before was a little less."""
    states = []
    for product in products:
        running = [row for row in rows if row["ProductNo"] == product["ProductNo"] and row["State"] == "1"]
        assets = sum(row["_balance"] for row in running)
        gained, before = int(rng.integers(80, 420)) * 100, int(rng.integers(100, 3000)) * 100
        for back, close in enumerate(reversed(month_ends(end, _STATES_KEPT))):
            net, value = assets - times(assets, 20 * back), 1_000_000 + before + gained - 2000 * back
            # Units have five decimals: cents times 10**9 over the unit value in millionths.
            states.append({"ProductNo": product["ProductNo"], "StatDate": slashed(close), "Contracts": len(running), "Units": (net * 10**9 + value // 2) // value,
                           "UnitValue": value, "NetAssets": commas(net), "YearReturn": gained - 2000 * back})
    return states
