"""Holdings follow from trades, valuations from holdings."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

from tests.demo.rows import table

MONEY = {"HQ", "CK", "GQ", "BDC"}


def test_accounts_are_worth_their_holdings(book):
    total = defaultdict(lambda: [0, 0])
    assets = {row["AssetNo"]: row for row in table(book, "Asset")}
    accounts = {row["AcctNo"]: row for row in table(book, "InvAccount")}
    for row in table(book, "Position"):
        assert min(row["Quantity"], row["Cost"], row["BookValue"], row["FairValue"]) > 0
        assert assets[row["AssetNo"]]["Ccy"] == accounts[row["AcctNo"]]["Ccy"]
        assert assets[row["AssetNo"]]["Maturity"] is None or assets[row["AssetNo"]]["Maturity"] > row["PosDate"]
        total[row["AcctNo"], row["PosDate"]][0] += row["BookValue"]
        total[row["AcctNo"], row["PosDate"]][1] += row["Cost"]
    values = table(book, "AcctValue")
    assert len(values) == len(accounts) * 3
    for row in values:
        assert [row["Gross"], row["Cost"]] == total[row["AcctNo"], row["ValueDate"]]
        assert (row["Net"], row["Unrealised"]) == (row["Gross"] - row["Liabilities"], row["Gross"] - row["Cost"])


def test_holdings_move_with_the_trades_of_the_month(book):
    kinds = {row["AssetNo"]: row["AssetKind"] for row in table(book, "Asset")}
    held = {(row["AcctNo"], row["AssetNo"], row["PosDate"]): row for row in table(book, "Position")}
    units, cost = defaultdict(int), defaultdict(int)
    for row in table(book, "Trade"):
        if row["TradeDate"].endswith("/10/2026"):
            sign = {"B": 1, "SG": 1, "S": -1, "SH": -1}.get(row["Side"], 0)
            units[row["AcctNo"], row["AssetNo"]] += sign * row["Quantity"]
            # What is left of a sale after its gain is the cost that goes; deposits grow by what is paid in.
            cost[row["AcctNo"], row["AssetNo"]] += sign * (row["Settled"] - row["Gain"]) + (row["Settled"] if row["Side"] == "CR" else 0)
            cost[row["AcctNo"], f"CASH-{row['Ccy']}"] += row["Settled"] if row["Side"] in ("S", "SH", "LX", "FH") else -row["Settled"]
    compared = 0
    for (account, asset, day), row in held.items():
        if day == date(2026, 10, 31):
            before = held.get((account, asset, date(2026, 9, 30)), {"Quantity": 0, "Cost": 0})
            assert row["Cost"] - before["Cost"] == cost[account, asset], (account, asset)
            if kinds[asset] not in MONEY:
                assert row["Quantity"] - before["Quantity"] == units[account, asset], (account, asset)
                compared += units[account, asset] != 0
    assert compared >= 3


def test_trades_settle_with_their_costs(book):
    trades = table(book, "Trade")
    assert {row["Side"] for row in trades} >= {"B", "S", "SG", "SH", "LX"}
    for row in trades:
        out = row["Side"] in ("B", "SG", "CR")
        assert row["Settled"] == row["Amount"] + (row["Fee"] if out else -row["Fee"])
        assert not (out and row["Gain"])
        # Quantities have five decimals, prices six, amounts two.
        assert row["Quantity"] * row["Price"] == (row["Amount"] * 10**9 if row["Quantity"] else 0)
        traded, settled = (date(*map(int, reversed(row[name].split("/")))) for name in ("TradeDate", "SettleDate"))
        assert traded <= settled <= date(2026, 10, 31)
        assert traded.weekday() < 5 and settled.weekday() < 5


def test_mandates_are_split_over_their_assets(book):
    states = {row["MandateNo"]: row["State"] for row in table(book, "Mandate")}
    assert set(states.values()) == {"R", "E"}
    for row in table(book, "MandateValue"):
        assert row["Liquid"] + row["Fixed"] + row["Equity"] + row["Other"] == row["Gross"] >= row["Net"]
        assert (row["Gross"] == 0) == (states[row["MandateNo"]] == "E")
