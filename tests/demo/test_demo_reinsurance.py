"""Cessions are of real coverages, and accounts follow from the premiums and benefits on them."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

from etl.demo.reinsurance import _TREATIES
from tests.demo.rows import AS_OF, table


def test_only_reinsured_products_are_ceded(book):
    marked = {row["RiskCode"] for row in table(book, "LMRisk") if row["ReinsFlag"] == "1"}
    assert {row["RiskCode"] for row in table(book, "TreatyProduct")} <= marked


def test_a_contract_is_placed_in_full_with_one_leader(book):
    shares, leaders = defaultdict(int), defaultdict(int)
    for row in table(book, "TreatyShare"):
        shares[row["TreatyNo"]] += row["SharePct"]
        leaders[row["TreatyNo"]] += row["LeadFlag"] == "Y"
    assert set(shares) == {row["TreatyNo"] for row in table(book, "Treaty")}
    assert set(shares.values()) == {1_000_000}
    assert set(leaders.values()) == {1}


def test_cessions_are_of_coverages_in_the_book(book):
    covers = {row["PolNo"]: row for row in table(book, "LCPol")}
    products = {row["ReProductNo"]: row for row in table(book, "TreatyProduct")}
    seen = defaultdict(int)
    for row in table(book, "Cession"):
        cover, product = covers[row["PolNo"]], products[row["ReProductNo"]]
        assert (cover["ContNo"], cover["Amnt"], cover["RiskCode"]) == (row["ContNo"], row["SumInsured"], product["RiskCode"])
        assert row["BeginDate"] >= max(product["BeginDate"], f"{cover['CValiDate']:%Y%m%d}")
        if product["Method"] == "QS":
            # 40 % of critical illness, 30 % of medical expenses
            assert row["SumCeded"] == row["SumInsured"] * (40 if product["RiskCode"] in ("EL3001", "EL3901") else 30) // 100
        elif product["Method"] == "SP":
            assert row["SumCeded"] == row["SumInsured"] - product["Retention"] * 100
        seen[product["Method"]] += 1
    assert set(seen) >= {"QS", "SP", "QX"}
    assert {row["PolNo"] for row in table(book, "LCPol") if row["RiskCode"] == "EL3001"} <= {row["PolNo"] for row in table(book, "Cession")}


def test_monthly_accounts_are_thirty_percent_of_medical_premiums(book):
    accounts = {row["AccountNo"]: row for row in table(book, "ReAccount") if row["AccountKind"] == "M"}
    assert len(accounts) == 13
    premiums, benefits = defaultdict(int), defaultdict(int)
    cases = {row["CaseNo"]: row for row in table(book, "LLCase")}
    for row in table(book, "LJAPay"):
        premiums[row["RiskCode"], f"{row['ConfDate']:%Y%m}"] += row["SumActuPayMoney"] * 3 // 10
    for row in table(book, "LLClaimPolicy"):
        closed = cases[row["CaseNo"]]["EndCaseDate"]
        if closed:
            benefits[row["RiskCode"], closed[:6]] += row["RealPay"] * 3 // 10
    busy = 0
    for line in table(book, "ReAccountLine"):
        if line["AccountNo"] in accounts:
            key = line["ReProductNo"].split("-")[1], accounts[line["AccountNo"]]["ToDate"][:6]
            # Shares are computed payment by payment in floating point and cut to cents.
            assert abs(line["Premium"] - premiums[key]) <= 30, key
            assert abs(line["Claims"] - benefits[key]) <= 5, key
            busy += line["Premium"] > 0
    assert busy > 10


def test_accounts_balance_and_are_issued_after_their_period(book):
    for line in table(book, "ReAccountLine"):
        assert line["Balance"] == line["Premium"] - line["Commission"] - line["ProfitComm"] - line["Claims"] - line["Surrenders"] - line["Survivals"] + line["Adjustment"]
    accounts = table(book, "ReAccount")
    for row in accounts:
        assert row["FromDate"] < row["ToDate"] < row["IssueDate"] <= f"{AS_OF:%Y%m%d}"
        assert (row["SettleState"] == "N") == (row["SettleDate"] is None)
        assert row["SettleDate"] is None or row["IssueDate"] <= row["SettleDate"] <= f"{AS_OF:%Y%m%d}"
        if row["AccountKind"] == "Q":
            assert row["FromDate"][4:] in ("0101", "0401", "0701", "1001")
    ended = {f"TR2007{n + 1:02d}" for n, treaty in enumerate(_TREATIES) if treaty.state == "T"}
    assert ended and not ended & {row["TreatyNo"] for row in accounts}
    assert any(row["IssueDate"].startswith(f"{date(2026, 10, 1):%Y%m}") for row in accounts)
