"""Kinds of faults in the investment system (accounts, holdings, trades, mandates) and in the register of related parties."""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa

from etl.demo.consequences import Spoilt, groups, here, of
from etl.demo.faults import Condition, Insurer, Kind, Row, both, is_in, later, wrong_check

_BOUGHT, _SOLD = ("B", "SG"), ("S", "SH")
_PLAIN = is_in(Related="0")


def _value(name: str, item: str, rule: str, spoil) -> Kind:
    return Kind(name, "investment.AcctValue", f"ZZTZZHXXHZB.{item}", f"EL20-ZZTZZHXXHZB-{rule}", spoil, lambda i, t: [t.c.ValueDate == i.as_of], most=1)


def _holding(name: str, item: str, rule: str, spoil) -> Kind:
    return Kind(name, "investment.Position", f"ZZTZZHCCMXB.{item}", f"EL20-ZZTZZHCCMXB-{rule}", spoil, lambda i, t: [t.c.PosDate == i.as_of], most=3)


def _traded(insurer: Insurer, table: sa.Table) -> list[sa.ColumnElement[bool]]:
    return [table.c.TradeDate.like(f"%/{insurer.as_of:%m/%Y}")]


def _trade(name: str, item: str, rule: str, spoil, where: Condition = _PLAIN, most: int = 2, also=()) -> Kind:
    return Kind(name, "investment.Trade", f"ZZTZJYLSB.{item}", f"EL20-ZZTZJYLSB-{rule}", spoil, both(_traded, where), locks=("TradeNo",), most=most, also=also)


def _mandate(name: str, item: str, rule: str, spoil) -> Kind:
    return Kind(name, "investment.MandateValue", f"WTTZQKB.{item}", f"EL20-WTTZQKB-{rule}", spoil, lambda i, t: [t.c.ValueDate == i.as_of, t.c.Gross > 0], most=1)


def _party(name: str, item: str, rule: str, spoil, where, also=()) -> Kind:
    return Kind(name, "related.RelParty", f"GLFXXB.{item}", f"EL20-GLFXXB-{rule}", spoil, where, locks=("PartyNo",), most=1, also=also)


def _deal(name: str, item: str, rule: str, spoil) -> Kind:
    def material(insurer: Insurer, table: sa.Table) -> list[sa.ColumnElement[bool]]:
        return [table.c.Material == "Y", table.c.DealDate.between(insurer.month_start, insurer.as_of)]

    return Kind(name, "related.RelDeal", f"ZDGLJYB.{item}", f"EL20-ZDGLJYB-{rule}", spoil, material, locks=("DealNo",), most=1)


def _balance(name: str, item: str, rule: str, spoil, also=()) -> Kind:
    def small(insurer: Insurer, table: sa.Table) -> list[sa.ColumnElement[bool]]:
        # Kinds without a material transaction of the month, which would refer to the row.
        return [table.c.MonthEnd == insurer.as_of, table.c.DealKind.in_(("FW", "BX"))]

    return Kind(name, "related.RelBalance", f"GLJYHZB.{item}", f"EL20-GLJYHZB-{rule}", spoil, small, most=1, also=also)


def _slashes(text: str, days: int) -> str:
    day, month, year = map(int, text.split("/"))
    return f"{date(year, month, day) + timedelta(days=days):%d/%m/%Y}"


def _amid(spoilt: Spoilt) -> bool:
    """Whether other trades of the month have lower and higher numbers: then a number is missing."""
    numbers = [row["TradeNo"] for row in spoilt.look("investment.Trade") if row["TradeDate"].endswith(f"/{spoilt.as_of:%m/%Y}")]
    return min(numbers) < spoilt.before["TradeNo"] < max(numbers)


def _dearer(insurer: Insurer, row: Row) -> Row:
    more = round(row["Amount"] * 0.05, 2)
    return {"Amount": round(row["Amount"] + more, 2), "Settled": round(row["Settled"] + more, 2)}


def _written(text: str, years: int) -> str:
    return f"{int(text[:4]) + years:04d}{text[4:]}"


ASSET_KINDS: tuple[Kind, ...] = (
    _value("account_net_against_liabilities", "ZCJZ", "ZCJZ-CI-01", lambda i, r: {"Net": round(r["Net"] + 10_000, 2)}),
    _value("account_assets_differ_from_holdings", "ZCZZ", "ZCZZ-RL-01", lambda i, r: {name: round(r[name] + 10_000, 2) for name in ("Gross", "Net", "Unrealised")}),
    _holding("holding_of_nothing", "CCSL", "CCSL-VR-01", lambda i, r: {"Quantity": 0}),
    _holding("holding_fair_value_negative", "ZMJZ", "ZMJZ-VR-01", lambda i, r: {"FairValue": -abs(r["FairValue"])}),
    _trade("trade_with_related_party_not_flagged", "GLJYBZ", "GLJYBZ-RL-02", lambda i, r: {"Related": "0"}, is_in(Related="1"), most=1),
    _trade("trade_flagged_with_an_outsider", "GLJYBZ", "GLJYBZ-RL-01", lambda i, r: {"Related": "1"}, is_in(Related="0", Counterparty=...)),
    _trade("trade_settled_before_it_was_made", "JGRQ", "JGRQ-CI-01", lambda i, r: {"SettleDate": _slashes(r["TradeDate"], -2)}),
    _trade("trade_amount_against_price", "TZJYJE", "TZJYJE-CI-01", _dearer, is_in(Related="0", Side=(*_BOUGHT, *_SOLD))),
    _trade("trade_settled_at_another_amount", "JSJE", "JSJE-CI-01", lambda i, r: {"Settled": round(r["Settled"] + 50, 2)}, is_in(Related="0", Side=_BOUGHT)),
    _trade("purchase_with_a_gain", "SXYK", "SXYK-CI-01", lambda i, r: {"Gain": 5000.0}, is_in(Related="0", Side=_BOUGHT)),
    _trade("trade_in_another_currency_than_its_account", "HBDM", "HBDM-RL-01", lambda i, r: {"Ccy": "HKD"}, is_in(Related="0", Ccy="CNY")),
    _trade("trade_of_unknown_account", "ZHDM", "ZHDM-REF", lambda i, r: {"AcctNo": "P99"}),
    _trade("trade_date_unreadable", "TZJYRQ", "TZJYRQ-TYPE", lambda i, r: {"TradeDate": f"32/{i.as_of:%m/%Y}"},
           also=(groups("ZZTZJYLSB-TZJYLSH-RC-01", of(), when=_amid),)),
    _mandate("mandate_assets_do_not_add_up", "ZCZZ", "ZCZZ-CI-01", lambda i, r: {"Other": round(r["Other"] + 10_000, 2)}),
    _mandate("mandate_net_above_gross", "ZCJZ", "ZCJZ-CI-01", lambda i, r: {"Net": round(r["Gross"] * 1.01, 2)}),
    _party("party_credit_code_wrong_check", "GLFZJHM", "GLFZJHM-CI-02", lambda i, r: {"CertNo": wrong_check(r["CertNo"])}, is_in(PartyKind="F", CertKind="XYDM", Relation=("20", "50"))),
    _party("party_id_wrong_check", "GLFZJHM", "GLFZJHM-CI-01", lambda i, r: {"CertNo": wrong_check(r["CertNo"])}, is_in(PartyKind="Z", CertKind="SFZ", Relation=("41", "42"))),
    _party("party_relation_unmappable", "GLGXLX", "GLGXLX-MAP", lambda i, r: {"Relation": "77"}, is_in(Relation=("41", "42", "50"), ToDate=None)),
    _party("party_relation_ends_before_it_begins", "GLGXZZRQ", "GLGXZZRQ-CI-01", lambda i, r: {"ToDate": _written(r["FromDate"], -1)}, is_in(Relation=("41", "42"))),
    _party("party_shareholding_below_five_percent", "CGBL", "CGBL-VR-01", lambda i, r: {"SharePct": 4.5}, is_in(Relation="11"),
           also=(here("GLFXXB-CGBL-RL-01"), groups("GLFXXB-CGBL-RC-01", of()))),
    _party("party_shareholding_differs_from_register", "CGBL", "CGBL-RL-01", lambda i, r: {"SharePct": round(r["SharePct"] + 1, 4)}, is_in(Relation=("10", "11")),
           also=(groups("GLFXXB-CGBL-RC-01", of()),)),
    _deal("major_transaction_without_approval", "SPRQ", "SPRQ-CR-01", lambda i, r: {"ApprovedOn": None}),
    _deal("major_transaction_approved_afterwards", "SPRQ", "SPRQ-CI-01", lambda i, r: {"ApprovedOn": later(r["DealDate"], 5)}),
    _balance("related_balance_negative", "GLJYJE", "GLJYJE-VR-01", lambda i, r: {"Outstanding": -1.0}),
    _balance("related_balance_of_unknown_party", "KHBH", "KHBH-REF", lambda i, r: {"PartyNo": "GF9999"},
             also=(here("GLJYHZB-GLJYYE-CI-01", when=lambda s: not s.before["Outstanding"]),)),
)
