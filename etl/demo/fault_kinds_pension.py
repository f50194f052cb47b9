"""Kinds of faults in the pension system: annuity plans with their movements, states and portfolios; pension products and contracts."""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa

from etl.demo.consequences import Spoilt, groups, here, of, there
from etl.demo.faults import Condition, Insurer, Kind, Row, both, is_in
from etl.demo.rows import commas


def _plan(name: str, item: str, rule: str, spoil, where, also=()) -> Kind:
    return Kind(name, "pension.AnnPlan", f"NJJHXXB.{item}", f"EL20-NJJHXXB-{rule}", spoil, where, locks=("PlanCode",), most=2, also=also)


def _state(name: str, item: str, rule: str, spoil) -> Kind:
    return Kind(name, "pension.PlanState", f"NJJHGLQKB.{item}", f"EL20-NJJHGLQKB-{rule}", spoil, _at_end, most=2)


def _move(name: str, item: str, rule: str, spoil, where, also=()) -> Kind:
    return Kind(name, "pension.PlanMove", f"NJJHYYMXB.{item}", f"EL20-NJJHYYMXB-{rule}", spoil, both(_in_month, where), locks=("MoveNo",), most=3, also=also)


def _portfolio(name: str, item: str, rule: str, spoil, where: Condition = lambda insurer, table: []) -> Kind:
    return Kind(name, "pension.PlanPortfolio", f"NJTZQKB.{item}", f"EL20-NJTZQKB-{rule}", spoil, both(_at_end, where), most=3)


def _product(name: str, item: str, rule: str, spoil) -> Kind:
    return Kind(name, "pension.PenProductState", f"YLBZCPXXQKB.{item}", f"EL20-YLBZCPXXQKB-{rule}", spoil, _at_end, most=1)


def _contract(name: str, item: str, rule: str, spoil, where, most: int | None = 3, also=()) -> Kind:
    return Kind(name, "pension.PenContract", f"YLBZYWXXB.{item}", f"EL20-YLBZYWXXB-{rule}", spoil, where, locks=("ContractNo",), most=most, also=also)


def _at_end(insurer: Insurer, table: sa.Table) -> list[sa.ColumnElement[bool]]:
    return [table.c.StatDate == f"{insurer.as_of:%Y/%m/%d}"]


def _in_month(insurer: Insurer, table: sa.Table) -> list[sa.ColumnElement[bool]]:
    return [table.c.BizDate.like(f"{insurer.as_of:%Y/%m}/%")]


def _cents(text: str) -> int:
    return int(text.replace(",", "").replace(".", ""))


def _slashed(text: str, days: int) -> str:
    day = date(*map(int, text.split("/"))) + timedelta(days=days)
    return f"{day:%Y/%m/%d}"


def _amid(spoilt: Spoilt) -> bool:
    """Whether other movements of the month have lower and higher numbers: then a number is missing."""
    numbers = [row["MoveNo"] for row in spoilt.look("pension.PlanMove") if row["BizDate"].startswith(f"{spoilt.as_of:%Y/%m}/")]
    return min(numbers) < spoilt.before["MoveNo"] < max(numbers)


def _trustee_denied(insurer: Insurer, row: Row) -> Row | None:
    """The insurer keeps another office in the plan, so that its not being the trustee is all that is wrong."""
    return {"AsTrustee": "N"} if "Y" in (row["AsRecorder"], row["AsManager"]) else None


def _nothing_paid_in(insurer: Insurer, row: Row) -> Row | None:
    moved = insurer.column("pension.PlanMove", "PlanCode", lambda t: t.c.MoveKind == "JF", lambda t: t.c.State == "D", lambda t: t.c.BizDate.like(f"{insurer.as_of:%Y/%m}/%"))
    return {"YearPaidIn": "0.00"} if row["PlanCode"] in moved else None


PENSION_KINDS: tuple[Kind, ...] = (
    _plan("plan_running_unregistered", "NJJHDJH", "NJJHDJH-CR-01", lambda i, r: {"RegNo": None}, is_in(State="R")),
    _plan("plan_trustee_against_flag", "STRMC", "STRMC-CI-01", _trustee_denied, is_in(AsTrustee="Y")),
    _plan("plan_employer_rate_too_high", "DWJFBL", "DWJFBL-VR-01", lambda i, r: {"EmployerPct": 9.0}, is_in(PlanKind="QN"),
          also=(here("NJJHXXB-GRJFBL-CI-01", when=lambda s: s.before["MemberPct"] > 3),)),
    _plan("plan_managers_miscounted", "TZGLRSL", "TZGLRSL-CI-01", lambda i, r: {"ManagerCount": r["ManagerCount"] + 1}, is_in(Managers=...)),
    _plan("plan_contract_due_before_it_begins", "GLHTDQRQ", "GLHTDQRQ-CI-01", lambda i, r: {"DueDate": _slashed(r["BeginDate"], -1)}, is_in(BeginDate=...)),
    _state("plan_accounts_above_net_assets", "JHZCJZ", "JHZCJZ-CI-01", lambda i, r: {"EmployerBalance": commas(_cents(r["EmployerBalance"]) * 2)}),
    _state("plan_fewer_accounts_than_members", "GRZHSL", "GRZHSL-CI-01", lambda i, r: {"Accounts": r["Members"] - 1}),
    _state("plan_members_differ_from_plan", "CJZGRS", "CJZGRS-RL-01", lambda i, r: {"Members": r["Members"] + 1}),
    _state("plan_contributions_below_movements", "BNJFJE", "BNJFJE-RL-01", _nothing_paid_in),
    _move("movement_benefit_without_way", "DYLQFS", "DYLQFS-CR-01", lambda i, r: {"DrawMode": None}, is_in(MoveKind="DY")),
    _move("movement_parts_do_not_add_up", "YYJE", "YYJE-CI-01", lambda i, r: {"MemberPart": commas(_cents(r["MemberPart"]) + 100_00)}, is_in(MoveKind=("JF", "ZR", "ZC"))),
    _move("movement_done_without_money", "ZJDZRQ", "ZJDZRQ-CR-01", lambda i, r: {"CashDate": None}, is_in(State="D")),
    # Contributions are left alone: the states are measured by them.
    _move("movement_amount_unreadable", "YYJE", "YYJE-TYPE", lambda i, r: {"Amount": r["Amount"].replace(".", ",") + "元"}, is_in(MoveKind=("DY", "ZR", "ZC", "FY")),
          also=(groups("NJJHYYMXB-YYLSH-RC-01", of(), when=_amid),)),
    _portfolio("portfolio_net_above_gross", "ZCJZ", "ZCJZ-CI-01", lambda i, r: {"Gross": commas(_cents(r["Net"]) * 99 // 100)}),
    _portfolio("portfolio_equities_above_limit", "QYLZCJE", "QYLZCJE-CI-01", lambda i, r: {"Equities": commas(_cents(r["Net"]) * 45 // 100)}, is_in(PortfolioKind="H")),
    _portfolio("portfolio_of_a_manager_outside_the_plan", "TZGLRMC", "TZGLRMC-RL-01", lambda i, r: {"Manager": "滨湖基金管理有限公司"}),
    _product("pension_units_against_net_assets", "CPZCJZ", "CPZCJZ-CI-01", lambda i, r: {"Units": round(r["Units"] * 1.1, 5)}),
    _product("pension_contracts_miscounted", "CXHTSL", "CXHTSL-RL-01", lambda i, r: {"Contracts": r["Contracts"] + 1}),
    _contract("pension_contract_ended_with_balance", "ZHYE", "ZHYE-CI-01", lambda i, r: {"Balance": "88,000.00"}, is_in(State="3"), most=1,
              also=(there("pension.PenProductState", "YLBZCPXXQKB-CPZCJZ-RL-01", by={"ProductNo": "ProductNo"}, only=lambda s, row: row["StatDate"] == f"{s.as_of:%Y/%m/%d}"),)),
    _contract("pension_contract_several_beneficiaries", "SYRRS", "SYRRS-CI-01", lambda i, r: {"Beneficiaries": 3}, is_in(HolderKind="G", State="1")),
    _contract("pension_contract_of_unknown_branch", "SSFZJGDM", "SSFZJGDM-REF", lambda i, r: {"BranchCode": "8698"}, is_in(State="1")),
    _contract("pension_contract_begins_before_signing", "HTSXRQ", "HTSXRQ-CI-01", lambda i, r: {"SignDate": _slashed(r["BeginDate"], 3)}, is_in(State="1")),
)
