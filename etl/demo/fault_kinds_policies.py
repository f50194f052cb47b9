"""Kinds of faults in policies, coverages, insured persons and premium payments."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from etl.demo.faults import Insurer, Kind, Row, both, is_in, later, quietly, setting

_INDIVIDUAL = is_in(ContType="1", State="1")
_MAIN = is_in(ContType="1", State="A", SubRiskFlag="M")
_MAIN_INSURED = is_in(GrpContNo=None, InsuredType="1", State="1")
_OPEN = date(9999, 12, 31)


def _policy(name: str, item: str, rule: str, spoil, where=_INDIVIDUAL) -> Kind:
    return Kind(name, "life_admin.LCCont", f"GRBDB.{item}", f"EL20-GRBDB-{rule}", quietly(spoil), where, locks=("ContNo",))


def _cover(name: str, item: str, rule: str, spoil, where=_MAIN) -> Kind:
    return Kind(name, "life_admin.LCPol", f"GRXZB.{item}", f"EL20-GRXZB-{rule}", quietly(spoil), where, locks=("ContNo",))


def _insured(name: str, item: str, rule: str, spoil, where=_MAIN_INSURED) -> Kind:
    return Kind(name, "life_admin.LCInsured", f"BBXRB.{item}", f"EL20-BBXRB-{rule}", quietly(spoil), where, locks=("ContNo",))


def _confirmed(insurer: Insurer, table: sa.Table) -> list[sa.ColumnElement[bool]]:
    return [table.c.ContType == "1", table.c.ConfDate.between(insurer.month_start, insurer.as_of)]


def _payment(name: str, item: str, rule: str, spoil, where=_confirmed, copy: bool = False) -> Kind:
    return Kind(name, "life_admin.LJAPay", f"BFMXB.{item}", f"EL20-BFMXB-{rule}", spoil, where, copy=copy, locks=("ContNo",))


def _bounded(insurer: Insurer, table: sa.Table) -> list[sa.ColumnElement[bool]]:
    return [table.c.EndDate < _OPEN]


POLICY_KINDS: tuple[Kind, ...] = (
    _policy("policy_terminated_without_date", "BDZZRQ1", "BDZZRQ1-CR-01", setting(TerminateDate=None), is_in(ContType="1", State="4")),
    _policy("policy_terminated_without_reason", "BDZZYY", "BDZZYY-CR-01", setting(TerminateReason=None), is_in(ContType="1", State="4")),
    _policy("policy_suspended_without_date", "BDZZRQ2", "BDZZRQ2-CR-01", setting(SuspendDate=None), is_in(ContType="1", State="2")),
    _policy("policy_in_force_with_termination", "BDZZRQ1", "BDZZRQ1-CI-01", lambda i, r: {"TerminateDate": later(i.as_of, -1)}),
    _policy("policy_effective_before_signing", "BDSXRQ", "BDSXRQ-CI-01", lambda i, r: {"CValiDate": later(r["SignDate"], -1)}),
    _policy("policy_applied_for_after_signing", "QDRQ", "QDRQ-CI-01", lambda i, r: {"PolApplyDate": later(r["SignDate"], 3)},
            both(_INDIVIDUAL, lambda i, t: [t.c.SignDate < later(i.as_of, -90)])),
    _policy("policy_matures_before_it_begins", "BDMQRQ", "BDMQRQ-CI-01", lambda i, r: {"EndDate": later(r["CValiDate"], -1)}, both(is_in(ContType="1", State="4"), _bounded)),
    _policy("policy_signed_in_future", "QDRQ", "QDRQ-VR-01", lambda i, r: {"SignDate": later(i.as_of, 15)}),
    _policy("policy_sign_date_missing", "QDRQ", "QDRQ-REQ", setting(SignDate=None)),
    _policy("policy_premium_differs_from_products", "BF", "BF-RL-01", lambda i, r: {"Prem": round(r["Prem"] + 1, 2)}),
    _policy("policy_sum_insured_differs_from_products", "BE", "BE-RL-01", lambda i, r: {"Amnt": round(r["Amnt"] + 10000, 2)}),
    _policy("policy_paid_total_differs_from_products", "LJBF", "LJBF-RL-01", lambda i, r: {"SumPrem": round(r["SumPrem"] + 0.01, 2)}),
    _policy("policy_currency_unknown", "HBDM", "HBDM-MAP", setting(Currency="ZZZ")),
    _policy("policy_channel_unmappable", "XSQD", "XSQD-MAP", setting(SaleChnl="99")),
    _policy("policy_state_unmappable", "BDZT", "BDZT-MAP", setting(State="X")),
    _policy("policy_agency_missing", "DLJGBM", "DLJGBM-CR-01", setting(AgentCom=None), both(_INDIVIDUAL, is_in(SaleChnl=("03", "04", "05")))),
    _policy("policy_internet_on_paper", "BDXS", "BDXS-CI-01", setting(PolForm="0"), both(_INDIVIDUAL, is_in(InternetFlag="1"))),
    _policy("policy_jurisdiction_differs_from_branch", "JGXQDM", "JGXQDM-RL-01", lambda i, r: {"RegArea": "310000" if r["RegArea"] != "310000" else "110000"}),
    _policy("policy_fee_negative", "JBGLF", "JBGLF-VR-01", setting(HandleFee=-5.0)),
    _policy("certificate_without_group_policy", "TTBDH", "TTBDH-CI-02", setting(GrpContNo=None), is_in(ContType="2")),
    Kind("policyholder_unknown", "life_admin.LCAppnt", "KHBDDZB.KHBH", "EL20-KHBDDZB-KHBH-REF", quietly(setting(AppntNo="9999900001")), is_in(AppntType="P"), locks=("ContNo",)),
    _cover("rider_without_main_product", "ZXBXXZHM", "ZXBXXZHM-REF", lambda i, r: {"MainPolNo": r["MainPolNo"] + "99"}, is_in(ContType="1", SubRiskFlag="S")),
    _cover("product_of_policy_unknown", "CPBM", "CPBM-REF", setting(RiskCode="EL9999")),
    _cover("cover_sum_at_risk_negative", "FXBE", "FXBE-VR-01", lambda i, r: {"RiskAmnt": -abs(r["RiskAmnt"])}),
    _cover("cover_without_units", "FS", "FS-VR-01", setting(Mult=0)),
    _cover("cover_first_premium_date_missing", "SQJFRQ", "SQJFRQ-REQ", setting(FirstPayDate=None)),
    _cover("cover_payment_period_missing", "JFNQ", "JFNQ-CR-01", setting(PayEndYear=None), is_in(ContType="1", State="A", PayEndYearFlag="Y", PayEndYear=...)),
    _cover("cover_state_differs_from_policy", "BDXZZT", "BDXZZT-RL-02", setting(State="O")),
    _cover("cover_period_type_unmappable", "BXQJLX", "BXQJLX-MAP", setting(InsuYearFlag="Q")),
    _insured("insured_unknown_customer", "BBRKHBH", "BBRKHBH-REF", lambda i, r: {"InsuredNo": i.fresh("", 10)}),
    _insured("insured_relation_unmappable", "YTBRGX", "YTBRGX-MAP", setting(RelationToAppnt="55")),
    _insured("insured_of_unknown_branch", "GLJGDM", "GLJGDM-REF", setting(ManageCom="8699")),
    _insured("insured_active_in_terminated_policy", "BBXRZT", "BBXRZT-RL-01", setting(State="1"), is_in(GrpContNo=None, InsuredType="1", State="4")),
    _payment("payment_negative", "SJJE", "SJJE-VR-01", lambda i, r: {"SumActuPayMoney": -abs(r["SumActuPayMoney"])}),
    _payment("payment_confirmed_before_it_arrived", "QRRQ", "QRRQ-CI-01", lambda i, r: {"EnterAccDate": later(r["ConfDate"], 1)}),
    _payment("payment_twice", "GRBDH", "UNQ", lambda i, r: {**r, "PayNo": i.fresh("J", 10)}, copy=True),
    _payment("payment_for_unknown_product", "CPBM", "CPBM-REF", setting(RiskCode="EL9998")),
    _payment("payment_account_malformed", "YXZH", "YXZH-VR-01", lambda i, r: {"BankAccNo": r["BankAccNo"][:6] + "-ABC-" + r["BankAccNo"][-4:]}, both(_confirmed, is_in(BankAccNo=...))),
    _payment("payment_kind_unmappable", "BFYWLX", "BFYWLX-MAP", setting(PayType="7")),
    _payment("payment_holder_with_line_feed", "YXZHMC", "YXZHMC-FMT", lambda i, r: {"AccName": r["AccName"][:1] + "\n" + r["AccName"][1:]}, both(_confirmed, is_in(AccName=...))),
)


def ledger_kind(name: str, account: str, column: str, item: str, rule: str) -> Kind:
    """A monthly total of the ledger that differs from what business records add up to."""
    def change(insurer: Insurer, row: Row) -> Row:
        return {column: round(row[column] + 100, 2)}

    def month(insurer: Insurer, table: sa.Table) -> list[sa.ColumnElement[bool]]:
        return [table.c.AccountCode == account, table.c.PeriodEnd == insurer.as_of, table.c[column] > 0]

    return Kind(name, "finance.Balance", item, rule, change, month, locks=("BranchCode",), most=2)


LEDGER_KINDS: tuple[Kind, ...] = (
    ledger_kind("ledger_premiums_differ_from_business", "6031", "Credit", "BFMXB.SJJE", "EL20-BFMXB-SJJE-RC-01"),
    ledger_kind("ledger_claims_differ_from_business", "6511", "Debit", "LPBDMXB.PFJE", "EL20-LPBDMXB-PFJE-RC-01"),
)
