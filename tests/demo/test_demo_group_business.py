"""Group business, commissions and who is paid: everything follows from the certificates, the premiums and the claims."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date

import numpy as np

from etl.demo.agencies import still_selling
from etl.demo.columns import objects
from tests.demo.rows import AS_OF, table


def certificates(book) -> dict[str, list[dict]]:
    found = defaultdict(list)
    for row in table(book, "LCCont"):
        if row["ContType"] == "2":
            found[row["GrpContNo"]].append(row)
    return found


def test_a_group_policy_is_the_sum_of_its_certificates(book):
    groups = {row["GrpContNo"]: row for row in table(book, "LCGrpCont")}
    found = certificates(book)
    assert set(groups) == set(found)
    for number, rows in found.items():
        group = groups[number]
        assert group["Peoples"] == len(rows) >= 3
        for name in ("Prem", "Amnt", "SumPrem"):
            assert group[name] == sum(row[name] for row in rows), (number, name)
        for name in ("AppntNo", "ManageCom", "AgentCode", "SignDate", "CValiDate", "State"):
            assert {row[name] for row in rows} == {group[name]}, (number, name)
        assert group["PolApplyDate"] <= group["UWDate"] <= group["SignDate"]
        assert (group["GetPolFlag"] == "1") == (group["GetPolDate"] is not None)
        assert (group["State"] == "4") == (group["TerminateDate"] is not None) == (group["CInValiDate"] <= AS_OF)


def test_products_of_a_group_policy_are_those_of_its_certificates(book):
    expected = defaultdict(lambda: [0, 0, 0, 0])
    for cover in table(book, "LCPol"):
        if cover["ContType"] == "2":
            for i, amount in enumerate((cover["Prem"], cover["SumPrem"], cover["Amnt"], 1)):
                expected[cover["GrpContNo"], cover["RiskCode"]][i] += amount
    products = table(book, "LCGrpPol")
    assert {(p["GrpContNo"], p["RiskCode"]): [p["Prem"], p["SumPrem"], p["Amnt"], p["Peoples"]] for p in products} == expected
    by_number = {p["GrpPolNo"]: p for p in products}
    for product in products:
        main = by_number[product["MainGrpPolNo"]]
        assert main["GrpContNo"] == product["GrpContNo"] and main["SubRiskFlag"] == "M"
        assert (main is product) == (product["SubRiskFlag"] == "M")


def test_a_client_pays_for_all_members_at_once(book):
    business, days = Counter(), defaultdict(set)
    for row in table(book, "LJAPay"):
        if row["ContType"] == "2":
            key = row["GrpContNo"], row["RiskCode"], row["PayCount"]
            business[key] += row["SumActuPayMoney"]
            days[key].add((row["EnterAccDate"], row["ConfDate"]))
    assert business and all(len(found) == 1 for found in days.values())
    paid = table(book, "LJAPayGrp")
    assert {(r["GrpContNo"], r["RiskCode"], r["PayCount"]): r["SumActuPayMoney"] for r in paid} == business
    assert any(date(2026, 10, 1) <= r["ConfDate"] <= AS_OF for r in paid)


def test_commissions_follow_the_premiums(book):
    payments = {row["PayNo"]: row for row in table(book, "LJAPay")}
    contracts = {row["ContNo"]: row for row in table(book, "LCCont")}
    rows = table(book, "LACommision")
    assert {row["CommisionType"] for row in rows} == {"1", "2", "3"}
    for row in rows:
        payment, contract = payments[row["PayNo"]], contracts[row["ContNo"]]
        assert row["TransMoney"] == payment["SumActuPayMoney"] and row["PolNo"] == payment["PolNo"]
        assert row["CalDate"] == max(payment["ConfDate"], contract["SignDate"])
        # cents, rounded half up; the rate has four places
        assert row["Commision"] == (row["TransMoney"] * row["FYCRate"] + 5000) // 10000 > 0
        assert (row["CommisionType"] == "3") == (contract["SaleChnl"] in ("03", "04", "05"))
        assert (row["CommisionType"] == "1") <= (row["PayYear"] == 1) and (row["CommisionType"] == "2") <= (row["PayYear"] > 1)
        assert row["AgentCode"] == contract["AgentCode"] and contract["TerminateReason"] != "03"
        assert (row["PayDate"] is None) == (row["CalDate"] >= date(2026, 10, 1))
    assert not any(contracts[row["ContNo"]]["SaleChnl"] in ("06", "07", "08") for row in rows)


def test_bank_policies_name_a_person_of_that_bank(book):
    desks = {row["BankAgentCode"]: row["AgentCom"] for row in table(book, "LABankAgent")}
    for row in table(book, "LCCont"):
        if row["SaleChnl"] == "03":
            assert desks[row["BankAgentCode"]] == row["AgentCom"]
        else:
            assert row["BankAgentCode"] is None


def test_nobody_sells_after_the_agreement_ended(book):
    ended = {row["AgentCom"]: row["ContractEnd"] for row in table(book, "LACom") if row["ContractEnd"] is not None}
    assert list(ended) == ["AC28671002"]
    assert all(row["AgentCom"] not in ended or row["SignDate"] < ended[row["AgentCom"]] for row in table(book, "LCCont"))
    agencies = objects(["AC28671002", "AC28671002", None, "AC18611001"])
    sign = np.array(["2026-08-17", "2026-08-16", "2026-10-01", "2026-10-01"], dtype="datetime64[D]")
    assert still_selling(agencies, sign, np.datetime64(AS_OF)).tolist() == ["AC28671001", "AC28671002", None, "AC18611001"]


def test_the_dead_are_not_paid(book):
    dead = {row["CaseNo"]: row["IDNo"] for row in table(book, "LLCase") if row["DeathFlag"] == "Y"}
    paid = [row for row in table(book, "LJAGet") if row["OtherNo"] in dead]
    assert paid and all(row["DrawerID"] != dead[row["OtherNo"]] for row in paid)
    closed = {row["CaseNo"]: row["EndCaseDate"] for row in table(book, "LLCase")}
    for row in table(book, "LJAGet"):
        if row["OtherNoType"] == "1":
            assert closed[row["OtherNo"]][:6] == f"{row['ConfDate']:%Y%m}"
