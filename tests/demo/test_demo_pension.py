"""States of annuity plans follow from their movements; pension security products are worth what their contracts are."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from etl.demo.columns import objects
from etl.demo.pension import _clients
from tests.demo.rows import SEED, table


def cents(text: str) -> int:
    return round(float(text.replace(",", "")) * 100)


def test_group_clients_of_the_life_business_are_the_first_trustors(book):
    life = {row["CustomerNo"]: row for row in table(book, "LDGrp")}
    clients = {row["ClientNo"]: row for row in table(book, "PenClient")}
    assert set(life) <= set(clients)
    for number, row in life.items():
        assert (clients[number]["ClientName"], clients[number]["CertNo"], clients[number]["AreaCode"]) == (row["GrpName"], row["CertNo"], row["RegArea"])
    assert len({row["CertNo"] for row in clients.values()}) == len(clients)


def test_a_large_insurer_has_no_other_trustors_than_its_clients():
    columns = ("CustomerNo", "GrpName", "GrpNature", "CertNo", "RegArea", "Address", "LinkMan", "Mobile")
    groups = {name: objects([f"{name}{n}" for n in range(70)]) for name in columns}
    assert [row["ClientNo"] for row in _clients(SEED, 60, groups)] == [f"CustomerNo{n}" for n in range(60)]


def test_every_state_of_a_plan_occurs_and_only_running_plans_have_figures(book):
    plans = {row["PlanCode"]: row for row in table(book, "AnnPlan")}
    assert {row["State"] for row in plans.values()} == {"W", "R", "S", "E"}
    running = {code for code, row in plans.items() if row["State"] == "R"}
    for name in ("PlanState", "PlanMove", "PlanPortfolio"):
        assert {row["PlanCode"] for row in table(book, name)} == running
    for row in plans.values():
        assert row["SignDate"] <= row["BeginDate"] and row["SignDate"] <= row["FoundDate"]
        assert "Y" in (row["AsTrustee"], row["AsRecorder"], row["AsManager"])
        assert row["Custodian"] != row["Recorder"] and row["Custodian"] not in row["Managers"]
        assert row["EmployerPct"] <= 80_000 and row["EmployerPct"] + row["MemberPct"] <= 120_000


def test_states_follow_from_movements(book):
    moved = defaultdict(lambda: defaultdict(int))
    for row in table(book, "PlanMove"):
        assert cents(row["EmployerPart"]) + cents(row["MemberPart"]) == cents(row["Amount"]) > 0
        assert (row["DrawMode"] is None) == (row["MoveKind"] != "DY")
        if row["State"] == "D":
            assert row["BizDate"] <= row["CashDate"] <= "2026/10/31"
            moved[row["PlanCode"]][row["MoveKind"]] += cents(row["Amount"])
        else:
            assert row["CashDate"] is None
    last = [row for row in table(book, "PlanState") if row["StatDate"] == "2026/10/31"]
    assert len(last) == len(moved)
    for row in last:
        assert cents(row["YearPaidIn"]) == moved[row["PlanCode"]]["JF"]
        assert cents(row["YearPaidOut"]) == moved[row["PlanCode"]]["DY"]
        assert cents(row["EmployerBalance"]) + cents(row["MemberBalance"]) == cents(row["NetAssets"])


def test_portfolios_add_up_to_the_plan(book):
    net = defaultdict(int)
    for row in table(book, "PlanPortfolio"):
        net[row["PlanCode"], row["StatDate"]] += cents(row["Net"])
        assert row["UnitValue"] == 1_000_000 + row["TotalReturn"]
        assert cents(row["Equities"]) <= (0.4 * cents(row["Net"]) if row["PortfolioKind"] == "H" else 0)
    states = {(row["PlanCode"], row["StatDate"]): cents(row["NetAssets"]) for row in table(book, "PlanState")}
    assert net == states


def test_products_are_worth_what_their_contracts_are(book):
    balance, running = defaultdict(int), defaultdict(int)
    life = {row["CustomerNo"] for row in table(book, "LDPerson")}
    clients = {row["ClientNo"] for row in table(book, "PenClient")}
    branches = {row["ComCode"] for row in table(book, "LDCom")}
    contracts = table(book, "PenContract")
    assert {row["State"] for row in contracts} >= {"1", "3"} and {row["HolderKind"] for row in contracts} == {"G", "J"}
    for row in contracts:
        assert row["HolderNo"] in (life if row["HolderKind"] == "G" else clients)
        assert row["BranchCode"] in branches
        assert row["State"] == "1" or cents(row["Balance"]) == 0
        balance[row["ProductNo"]] += cents(row["Balance"])
        running[row["ProductNo"]] += row["State"] == "1"
    last = [row for row in table(book, "PenProductState") if row["StatDate"] == "2026/10/31"]
    assert len(last) == len(table(book, "PenProduct"))
    for row in last:
        assert (cents(row["NetAssets"]), row["Contracts"]) == (balance[row["ProductNo"]], running[row["ProductNo"]])
        # Five decimals of units times six of their value, against cents.
        assert np.isclose(row["Units"] / 1e5 * row["UnitValue"] / 1e6, cents(row["NetAssets"]) / 100, atol=0.01)
