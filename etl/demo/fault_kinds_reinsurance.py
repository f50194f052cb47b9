"""Kinds of faults in the reinsurance system: who shares a treaty, what it covers, what is accounted under it."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from etl.demo.consequences import here, there
from etl.demo.faults import Condition, Insurer, Kind, Row, both, is_in

_SHARE = "reinsurance.TreatyShare"


def _share(name: str, item: str, rule: str, spoil, where) -> Kind:
    # The rule looks at the treaty as a whole: every reinsurer of it is reported.
    return Kind(name, _SHARE, f"ZBHTXXB.{item}", f"EL20-ZBHTXXB-{rule}", spoil, where, locks=("TreatyNo",), most=1,
                also=(there(_SHARE, f"ZBHTXXB-{rule}", by={"TreatyNo": "TreatyNo"}),))


def _product(name: str, item: str, rule: str, spoil, where) -> Kind:
    return Kind(name, "reinsurance.TreatyProduct", f"ZBCPXXB.{item}", f"EL20-ZBCPXXB-{rule}", spoil, where, locks=("ReProductNo",), most=2)


def _of_month(insurer: Insurer, table: sa.Table) -> list[sa.ColumnElement[bool]]:
    accounts = insurer.column("reinsurance.ReAccount", "AccountNo", lambda t: t.c.IssueDate.like(f"{insurer.month_digits}%"))
    return [table.c.AccountNo.in_(sorted(accounts))]


def _line(name: str, item: str, rule: str, spoil, where: Condition = lambda insurer, table: [], also=()) -> Kind:
    return Kind(name, "reinsurance.ReAccountLine", f"ZBZDXXB.{item}", f"EL20-ZBZDXXB-{rule}", spoil, both(_of_month, where), most=3, also=also)


def _commission(insurer: Insurer, row: Row) -> Row | None:
    rate = insurer.one("reinsurance.TreatyProduct", ReProductNo=row["ReProductNo"])["CommPct"]
    return None if rate is None else {"Commission": round(row["Commission"] + 88, 2), "Balance": round(row["Balance"] - 88, 2)}


def _ended(insurer: Insurer, row: Row) -> Row | None:
    end = row["EndDate"]
    return {"State": "A"} if date(int(end[:4]), int(end[4:6]), int(end[6:])) < insurer.as_of else None


REINSURANCE_KINDS: tuple[Kind, ...] = (
    _share("treaty_shares_do_not_add_up", "ZBFE", "ZBFE-RL-01", lambda i, r: {"SharePct": round(r["SharePct"] - 5, 4)}, lambda i, t: [t.c.SharePct < 100]),
    _share("treaty_with_two_leaders", "SXZBRBZ", "SXZBRBZ-RL-01", lambda i, r: {"LeadFlag": "Y"}, is_in(LeadFlag="N")),
    _product("reinsured_parts_do_not_add_up", "FBBL", "FBBL-CI-01", lambda i, r: {"KeepPct": round(r["KeepPct"] + 10, 4)}, is_in(CedePct=...)),
    _product("reinsured_product_without_retention", "ZLE", "ZLE-CR-01", lambda i, r: {"Retention": None}, is_in(Method=("SP", "QX"), State=("A", "S"))),
    _product("reinsured_product_in_force_after_its_end", "ZBCPZT", "ZBCPZT-CI-02", _ended, is_in(State="T", EndDate=...)),
    _product("excess_of_loss_on_original_terms", "FBJSJC", "FBJSJC-CD-01", lambda i, r: {"Basis": "OT"}, is_in(Method="XL")),
    _line("account_balance_wrong", "ZDYE", "ZDYE-CI-01", lambda i, r: {"Balance": round(r["Balance"] + 100, 2)}),
    _line("account_commission_against_rate", "FBYJ", "FBYJ-RL-01", _commission),
    _line("account_claims_negative", "FBF", "FBF-VR-01", lambda i, r: {"Claims": -500.0, "Balance": round(r["Balance"] + r["Claims"] + 500, 2)}),
    _line("account_of_unknown_product", "ZBCPBM", "ZBCPBM-REF", lambda i, r: {"ReProductNo": r["ReProductNo"] + "X"}, also=(here("ZBZDXXB-ZBCPBM-RL-01"),)),
)
