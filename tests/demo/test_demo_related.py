"""Related parties are those that the other systems know, and what was transacted with them agrees with those systems."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

from tests.demo.rows import table


def test_holders_and_officers_are_those_of_the_people_system(book):
    parties = table(book, "RelParty")
    holders = {row["HolderName"]: row for row in table(book, "Shareholder")}
    by_name = {row["PartyName"]: row for row in parties}
    for name, holder in holders.items():
        assert (name in by_name) == (holder["ShareRatio"] >= 50_000)
        if name in by_name:
            assert (by_name[name]["CertNo"], by_name[name]["SharePct"]) == (holder["OrgCertNo"], holder["ShareRatio"])
    senior = {row["IDNo"] for row in table(book, "Staff") if row["SeniorFlag"] == "1" and row["OrgCode"] == "86"}
    assert {row["CertNo"] for row in parties if row["Relation"] == "40"} == senior
    assert [row["PartyNo"] for row in parties if row["Relation"] == "00"] == ["000999"]
    assert len({row["CertNo"] for row in parties}) == len(parties)
    assert all(row["FromDate"] < row["ToDate"] for row in parties if row["ToDate"])


def test_parties_are_not_all_of_one_country_and_document(book):
    parties = table(book, "RelParty")
    assert {(row["PartyKind"], row["CertKind"], row["Country"]) for row in parties} == {
        ("F", "XYDM", "CHN"), ("F", "ZC", "HKG"), ("Z", "SFZ", "CHN"), ("Z", "HZ", "SGP")}


def test_managers_of_mandates_are_marked_as_the_register_says(book):
    codes = {row["CertNo"] for row in table(book, "RelParty")}
    for row in table(book, "Mandate"):
        assert (row["Related"] == "1") == (row["ManagerCode"] in codes)


def test_the_related_trade_is_in_the_register_with_its_amount(book):
    parties = {row["PartyNo"]: row["PartyName"] for row in table(book, "RelParty")}
    trades = [row for row in table(book, "Trade") if row["Related"] == "1"]
    deals = [row for row in table(book, "RelDeal") if row["DealKind"] == "ZJ"]
    assert len(trades) == len(deals) == 1
    assert (parties[deals[0]["PartyNo"]], deals[0]["Amount"]) == (trades[0]["Counterparty"], trades[0]["Settled"])
    assert f"{deals[0]['DealDate']:%d/%m/%Y}" == trades[0]["TradeDate"]
    names = set(parties.values())
    assert all((row["Counterparty"] in names) == (row["Related"] == "1") for row in table(book, "Trade"))


def test_material_deals_are_large_and_approved_before(book):
    deals = table(book, "RelDeal")
    for row in deals:
        assert (row["Material"] == "Y") == (row["Amount"] >= 30_000_000_00) == (row["ApprovedOn"] is not None)
        assert row["ApprovedOn"] is None or row["ApprovedOn"] < row["DealDate"]
    assert sum(row["Material"] == "Y" and row["DealDate"] >= date(2026, 10, 1) for row in deals) == 2


def test_balances_are_kept_for_every_party_and_kind_of_the_year(book):
    kinds = defaultdict(set)
    for row in table(book, "RelDeal"):
        kinds[date(2026, 10, 31)].add((row["PartyNo"], row["DealKind"]))
        if row["DealDate"] <= date(2026, 9, 30):
            kinds[date(2026, 9, 30)].add((row["PartyNo"], row["DealKind"]))
    found = defaultdict(set)
    for row in table(book, "RelBalance"):
        assert row["Outstanding"] >= 0
        found[row["MonthEnd"]].add((row["PartyNo"], row["DealKind"]))
    assert found == kinds
