"""Kinds of faults in policies, coverages, insured persons and premium payments."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from etl.demo.consequences import Cause, Spoilt, groups, here, of, original, there
from etl.demo.faults import Insurer, Kind, Row, both, is_in, later, quietly, setting

_INDIVIDUAL = is_in(ContType="1", State="1")
_MAIN = is_in(ContType="1", State="A", SubRiskFlag="M")
_MAIN_INSURED = is_in(GrpContNo=None, InsuredType="1", State="1")
_OPEN = date(9999, 12, 31)


def _policy(name: str, item: str, rule: str, spoil, where=_INDIVIDUAL, also: tuple[Cause, ...] = ()) -> Kind:
    return Kind(name, "life_admin.LCCont", f"GRBDB.{item}", f"EL20-GRBDB-{rule}", quietly(spoil), where, locks=("ContNo",), also=also)


def _cover(name: str, item: str, rule: str, spoil, where=_MAIN, also: tuple[Cause, ...] = ()) -> Kind:
    return Kind(name, "life_admin.LCPol", f"GRXZB.{item}", f"EL20-GRXZB-{rule}", quietly(spoil), where, locks=("ContNo",), also=also)


def _insured(name: str, item: str, rule: str, spoil, where=_MAIN_INSURED, also: tuple[Cause, ...] = ()) -> Kind:
    return Kind(name, "life_admin.LCInsured", f"BBXRB.{item}", f"EL20-BBXRB-{rule}", quietly(spoil), where, locks=("ContNo",), also=also)


def _confirmed(insurer: Insurer, table: sa.Table) -> list[sa.ColumnElement[bool]]:
    return [table.c.ContType == "1", table.c.ConfDate.between(insurer.month_start, insurer.as_of)]


def _payment(name: str, item: str, rule: str, spoil, where=_confirmed, copy: bool = False, also: tuple[Cause, ...] = ()) -> Kind:
    return Kind(name, "life_admin.LJAPay", f"BFMXB.{item}", f"EL20-BFMXB-{rule}", spoil, where, copy=copy, locks=("ContNo",), also=also)


def _bounded(insurer: Insurer, table: sa.Table) -> list[sa.ColumnElement[bool]]:
    return [table.c.EndDate < _OPEN]


def _tied_to_nothing(spoilt: Spoilt, person: Row) -> bool:
    """A customer who has no other policy, as holder or insured."""
    number = person["CustomerNo"]
    return not spoilt.look("life_admin.LCAppnt", AppntNo=number) and not spoilt.look("life_admin.LCInsured", InsuredNo=number)


def _strays(spoilt: Spoilt) -> bool:
    """Whether certificates of other employers lost their group policy as well: together they look like one."""
    lost = spoilt.look("life_admin.LCCont", ContType="2", GrpContNo=None)
    return any(row["AppntNo"] != spoilt.before["AppntNo"] for row in lost)


def _dependant(spoilt: Spoilt, insured: Row) -> bool:
    return insured["InsuredType"] == "2"


def _level(spoilt: Spoilt) -> bool:
    """A renewal of a cover that is paid for in instalments."""
    covers = spoilt.look("life_admin.LCPol", PolNo=spoilt.before["PolNo"])
    return spoilt.before["PayType"] == "1" and any(cover["PayIntv"] in ("1", "3", "6", "12") for cover in covers)


def _first(spoilt: Spoilt) -> bool:
    return spoilt.before["PayType"] == "0"


def _renewal(spoilt: Spoilt) -> bool:
    return spoilt.before["PayType"] == "1"


def _premium_due(spoilt: Spoilt) -> bool:
    """A first premium of a cover with premiums of a fixed amount."""
    return _first(spoilt) and any(cover["PayIntv"] != "-1" for cover in spoilt.look("life_admin.LCPol", PolNo=spoilt.before["PolNo"]))


def _began_this_month(spoilt: Spoilt, cover: Row) -> bool:
    """A cover whose first premium must be among the month's."""
    began = cover["FirstPayDate"]
    return _first(spoilt) and cover["Prem"] > 0 and began is not None and spoilt.as_of.replace(day=1) <= began <= later(spoilt.as_of, -10)


def _earned(spoilt: Spoilt, commission: Row) -> bool:
    return spoilt.as_of.replace(day=1) <= commission["CalDate"] <= spoilt.as_of


def _paid_less(spoilt: Spoilt, cover: Row) -> bool:
    """A cover that was not paid for as often as the month's payments now say."""
    return cover["State"] != "T" and cover["SumPrem"] < 2 * spoilt.before["SumActuPayMoney"] - 0.005


def _paid_beyond(spoilt: Spoilt) -> bool:
    """Regular premiums are paid beyond the day on which the policy ends now."""
    return spoilt.before["PayIntv"] in ("1", "3", "6", "12") and spoilt.before["PaytoDate"] is not None and (spoilt.before["PaytoDate"] - spoilt.after["EndDate"]).days > 1


def _of_cover(spoilt: Spoilt, cover: Row) -> bool:
    return cover["SubRiskFlag"] == "M"


# What no longer agrees when the amount of a payment changes: the ledger, its vouchers, the commission on it.
_AMOUNT: tuple[Cause, ...] = (
    groups("BFMXB-SJJE-RC-01", of("ManageCom")), groups("BFMXB-SJJE-RC-02", of()), groups("BFMXB-SJJE-RC-03", of("ManageCom")),
    groups("CWPZXXB-JZRQ-RC-02", of("ManageCom", "ConfDate")), groups("CWPZXXB-BWBDF-RC-02", of("ManageCom", "RiskCode")),
    there("life_admin.LACommision", "BDYJXXB-JYBF-RL-01", by={"PayNo": "PayNo"}, only=_earned))
_POLICY = {"ContNo": "ContNo"}
# A policy missing in the run of the month's numbers.
_GAP = groups("GRBDB-GRBDH-RC-01", of("=个人"), when=lambda spoilt: spoilt.before["SignDate"] >= spoilt.as_of.replace(day=1))

POLICY_KINDS: tuple[Kind, ...] = (
    _policy("policy_terminated_without_date", "BDZZRQ1", "BDZZRQ1-CR-01", setting(TerminateDate=None), is_in(ContType="1", State="4")),
    _policy("policy_terminated_without_reason", "BDZZYY", "BDZZYY-CR-01", setting(TerminateReason=None), is_in(ContType="1", State="4")),
    _policy("policy_suspended_without_date", "BDZZRQ2", "BDZZRQ2-CR-01", setting(SuspendDate=None), is_in(ContType="1", State="2")),
    _policy("policy_in_force_with_termination", "BDZZRQ1", "BDZZRQ1-CI-01", lambda i, r: {"TerminateDate": later(i.as_of, -1)}),
    _policy("policy_effective_before_signing", "BDSXRQ", "BDSXRQ-CI-01", lambda i, r: {"CValiDate": later(r["SignDate"], -1)},
          also=(there("life_admin.LCPol", "GRXZB-BXZRSXRQ-RL-02", by=_POLICY, only=_of_cover),)),
    _policy("policy_applied_for_after_signing", "QDRQ", "QDRQ-CI-01", lambda i, r: {"PolApplyDate": later(r["SignDate"], 3)},
            both(_INDIVIDUAL, lambda i, t: [t.c.SignDate < later(i.as_of, -90)]),
          also=(here("GRBDB-SQJFRQ-CI-01", when=lambda s: s.before["FirstPayDate"] < s.after["PolApplyDate"]),)),
    _policy("policy_matures_before_it_begins", "BDMQRQ", "BDMQRQ-CI-01", lambda i, r: {"EndDate": later(r["CValiDate"], -1)}, both(is_in(ContType="1", State="4"), _bounded),
          also=(here("GRBDB-BDZZRQ1-CI-03", when=lambda s: s.before["TerminateReason"] == "01"),
                  here("GRBDB-BDZZRQ1-CI-04", when=lambda s: s.before["TerminateReason"] in ("02", "03", "05", "07") and s.before["TerminateDate"] > s.after["EndDate"]),
                  here("GRBDB-JZRQ-CI-04", when=_paid_beyond))),
    _policy("policy_signed_in_future", "QDRQ", "QDRQ-VR-01", lambda i, r: {"SignDate": later(i.as_of, 15)},
          also=(_GAP, here("GRBDB-BDSXRQ-CI-01"), here("GRBDB-QDRQ-CI-02", when=lambda s: (s.after["SignDate"] - s.before["PolApplyDate"]).days > 180))),
    _policy("policy_sign_date_missing", "QDRQ", "QDRQ-REQ", setting(SignDate=None), also=(_GAP,)),
    _policy("policy_premium_differs_from_products", "BF", "BF-RL-01", lambda i, r: {"Prem": round(r["Prem"] + 1, 2)},
            # Where one instalment only was paid.
            also=(here("GRBDB-LJBF-CI-01", when=lambda s: s.before["SumPrem"] < s.after["Prem"]),)),
    _policy("policy_sum_insured_differs_from_products", "BE", "BE-RL-01", lambda i, r: {"Amnt": round(r["Amnt"] + 10000, 2)}),
    _policy("policy_paid_total_differs_from_products", "LJBF", "LJBF-RL-01", lambda i, r: {"SumPrem": round(r["SumPrem"] + 0.01, 2)}),
    _policy("policy_currency_unknown", "HBDM", "HBDM-MAP", setting(Currency="ZZZ")),
    _policy("policy_channel_unmappable", "XSQD", "XSQD-MAP", setting(SaleChnl="99"),
            # Sales persons of banks belong to policies sold by banks.
            also=(groups("BDXSRYGLB-YYXSRYDM-RC-01", of("ContNo"), when=lambda s: s.before["SaleChnl"] == "03" and s.before["BankAgentCode"]),)),
    _policy("policy_state_unmappable", "BDZT", "BDZT-MAP", setting(State="X"),
          also=(groups("GRXZB-BDXZZT-RC-01", of("ManageCom", "=有效"), of("ManageCom", "=")), there("life_admin.LCAppnt", "KHBDDZB-BDZT-MAP", by=_POLICY),
                  there("life_admin.LCInsured", "KHBDDZB-BDZT-MAP", by=_POLICY))),
    _policy("policy_agency_missing", "DLJGBM", "DLJGBM-CR-01", setting(AgentCom=None), both(_INDIVIDUAL, is_in(SaleChnl=("03", "04", "05")))),
    _policy("policy_internet_on_paper", "BDXS", "BDXS-CI-01", setting(PolForm="0"), both(_INDIVIDUAL, is_in(InternetFlag="1"))),
    _policy("policy_jurisdiction_differs_from_branch", "JGXQDM", "JGXQDM-RL-01", lambda i, r: {"RegArea": "310000" if r["RegArea"] != "310000" else "110000"},
          also=(here("GRBDB-CBDQ-CI-01", when=lambda s: s.before["InternetFlag"] == "0" and s.before["SignArea"] is not None),)),
    _policy("policy_fee_negative", "JBGLF", "JBGLF-VR-01", setting(HandleFee=-5.0),
          also=(here("GRBDB-JBGLF-CI-01"),)),
    _policy("certificate_without_group_policy", "TTBDH", "TTBDH-CI-02", setting(GrpContNo=None), is_in(ContType="2"),
          also=(there("life_admin.LCInsured", "BBXRB-TTBDH-RL-01", "KHBDDZB-TTBDH-RL-01", by=_POLICY), there("life_admin.LCAppnt", "KHBDDZB-TTBDH-RL-01", by=_POLICY),
                  there("life_admin.LCPol", "GRXZB-TTBDH-RL-01", by=_POLICY), there("life_admin.LCGrpCont", "TTBDB-BF-RL-02", "TTBDB-TBZRS-RL-01", by={"GrpContNo": "GrpContNo"}),
                  here("GRBDB-TBRKHBH-RL-02", when=_strays))),
    Kind("policyholder_unknown", "life_admin.LCAppnt", "KHBDDZB.KHBH", "EL20-KHBDDZB-KHBH-REF", quietly(setting(AppntNo="9999900001")), is_in(AppntType="P"), locks=("ContNo",),
         also=(there("life_admin.LCInsured", "BBXRB-YTBRGX-RL-02", by=_POLICY, only=lambda s, row: row["RelationToAppnt"] == "00"), there("life_admin.LCCont", "GRBDB-TBRKHBH-REF", by=_POLICY),
               there("life_admin.LDPerson", "GRKHXXB-KHBH-RL-01", by={"CustomerNo": "AppntNo"}, only=_tied_to_nothing),
               groups("KHBDDZB-KHBH-RC-01", of("AppntNo", changed=True)), groups("KHBDDZB-KHBH-RC-01", of("AppntNo"), when=lambda s: _tied_to_nothing(s, {"CustomerNo": s.before["AppntNo"]})))),
    _cover("rider_without_main_product", "ZXBXXZHM", "ZXBXXZHM-REF", lambda i, r: {"MainPolNo": r["MainPolNo"] + "99"}, is_in(ContType="1", SubRiskFlag="S")),
    _cover("product_of_policy_unknown", "CPBM", "CPBM-REF", setting(RiskCode="EL9999")),
    _cover("cover_sum_at_risk_negative", "FXBE", "FXBE-VR-01", lambda i, r: {"RiskAmnt": -abs(r["RiskAmnt"])}),
    _cover("cover_without_units", "FS", "FS-VR-01", setting(Mult=0)),
    _cover("cover_first_premium_date_missing", "SQJFRQ", "SQJFRQ-REQ", setting(FirstPayDate=None)),
    _cover("cover_payment_period_missing", "JFNQ", "JFNQ-CR-01", setting(PayEndYear=None), is_in(ContType="1", State="A", PayEndYearFlag="Y", PayEndYear=...)),
    _cover("cover_state_differs_from_policy", "BDXZZT", "BDXZZT-RL-02", setting(State="O"),
           also=(groups("GRXZB-BDXZZT-RC-01", of("ManageCom", "=有效"), of("ManageCom", "=其他")),)),
    _cover("cover_period_type_unmappable", "BXQJLX", "BXQJLX-MAP", setting(InsuYearFlag="Q")),
    _insured("insured_unknown_customer", "BBRKHBH", "BBRKHBH-REF", lambda i, r: {"InsuredNo": i.fresh("", 10)},
          also=(here("KHBDDZB-KHBH-REF", "BBXRB-ZBBRKHH-CI-01"), there("life_admin.LCInsured", "BBXRB-ZBBRKHH-RL-01", by={"ContNo": "ContNo", "MainInsuredNo": "InsuredNo"}, only=_dependant),
                   here("BBXRB-YTBRGX-RL-02", when=lambda s: s.before["RelationToAppnt"] == "00"),
                   there("life_admin.LDPerson", "GRKHXXB-KHBH-RL-01", by={"CustomerNo": "InsuredNo"}, only=_tied_to_nothing),
                   groups("KHBDDZB-KHBH-RC-01", of("InsuredNo", changed=True)),
                   groups("KHBDDZB-KHBH-RC-01", of("InsuredNo"), when=lambda s: _tied_to_nothing(s, {"CustomerNo": s.before["InsuredNo"]})))),
    _insured("insured_relation_unmappable", "YTBRGX", "YTBRGX-MAP", setting(RelationToAppnt="55")),
    _insured("insured_of_unknown_branch", "GLJGDM", "GLJGDM-REF", setting(ManageCom="8699"),
          also=(here("BBXRB-GLJGDM-RL-01", "BBXRB-GLJGMC-REQ"), groups("BBXRB-GRBDH-RC-01", of("ManageCom"), of("ManageCom", changed=True)))),
    _insured("insured_active_in_terminated_policy", "BBXRZT", "BBXRZT-RL-01", setting(State="1"), is_in(GrpContNo=None, InsuredType="1", State="4")),
    _payment("payment_negative", "SJJE", "SJJE-VR-01", lambda i, r: {"SumActuPayMoney": -abs(r["SumActuPayMoney"])},
          also=(here("BFMXB-SJJE-RL-02", when=_level), here("BFMXB-SJJE-RL-01", when=_premium_due), *_AMOUNT)),
    _payment("payment_confirmed_before_it_arrived", "QRRQ", "QRRQ-CI-01", lambda i, r: {"EnterAccDate": later(r["ConfDate"], 1)}),
    _payment("payment_twice", "GRBDH", "UNQ", lambda i, r: {**r, "PayNo": i.fresh("J", 10)}, copy=True,
          also=(original("BFMXB-UNQ"), original("BFMXB-GDBXXZHM-UQ-01", when=_first), here("BFMXB-GDBXXZHM-UQ-01", when=_first), *_AMOUNT,
                   groups("BFMXB-JFXH-RC-01", of("PolNo")), original("BFMXB-SJJE-UQ-01", when=_renewal), here("BFMXB-SJJE-UQ-01", when=_renewal),
                   there("life_admin.LCPol", "GRXZB-LJBF-RL-01", by={"PolNo": "PolNo"}, only=_paid_less))),
    _payment("payment_for_unknown_product", "CPBM", "CPBM-REF", setting(RiskCode="EL9998"),
          also=(here("BFMXB-CPBM-RL-01"), groups("CWPZXXB-BWBDF-RC-02", of("ManageCom", "RiskCode"), of("ManageCom", "RiskCode", changed=True)))),
    _payment("payment_account_malformed", "YXZH", "YXZH-VR-01", lambda i, r: {"BankAccNo": r["BankAccNo"][:6] + "-ABC-" + r["BankAccNo"][-4:]}, both(_confirmed, is_in(BankAccNo=...))),
    _payment("payment_kind_unmappable", "BFYWLX", "BFYWLX-MAP", setting(PayType="7"),
             also=(there("life_admin.LCPol", "GRXZB-SQJFRQ-RL-02", by={"PolNo": "PolNo"}, only=_began_this_month),)),
    _payment("payment_holder_with_line_feed", "YXZHMC", "YXZHMC-FMT", lambda i, r: {"AccName": r["AccName"][:1] + "\n" + r["AccName"][1:]}, both(_confirmed, is_in(AccName=...))),
)


def ledger_kind(name: str, account: str, column: str, item: str, rule: str, also: tuple[Cause, ...] = ()) -> Kind:
    """A monthly total of the ledger that differs from what business records add up to."""
    # No fault of a claim or payment changes an amount by as much: two differences must not make up for each other.
    def change(insurer: Insurer, row: Row) -> Row:
        return {column: round(row[column] + 137.31, 2)}

    def month(insurer: Insurer, table: sa.Table) -> list[sa.ColumnElement[bool]]:
        return [table.c.AccountCode == account, table.c.PeriodEnd == insurer.as_of, table.c[column] > 0]

    return Kind(name, "finance.Balance", item, rule, change, month, locks=("BranchCode",), most=2,
                also=(groups(rule.removeprefix("EL20-"), of("BranchCode")), groups("ZZKJQKMB-BQDFFSE-RC-01", of("=B01", "BranchCode", "=156")), here("ZZKJQKMB-QMJFYE-CI-01"), *also))


LEDGER_KINDS: tuple[Kind, ...] = (
    ledger_kind("ledger_premiums_differ_from_business", "6031", "Credit", "BFMXB.SJJE", "EL20-BFMXB-SJJE-RC-01", also=(groups("BFMXB-SJJE-RC-02", of()), groups("BFMXB-SJJE-RC-03", of("BranchCode")))),
    ledger_kind("ledger_claims_differ_from_business", "6511", "Debit", "LPBDMXB.PFJE", "EL20-LPBDMXB-PFJE-RC-01",
                also=(groups("CWPZXXB-BWBJF-RC-01", of("=B01", "BranchCode")), groups("LPBDMXB-PFJE-RC-02", of("BranchCode")))),
)
