"""Kinds of faults in call-backs and claims."""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa

from etl.demo.consequences import Cause, Spoilt, groups, here, of, original, there
from etl.demo.faults import Insurer, Kind, Row, both, digits, from_digits, is_in, later, setting, wrong_check

_CARD = is_in(IDType="11")
_PAID = is_in(GiveType=("A", "P"))


def _month(insurer: Insurer, table: sa.Table) -> list[sa.ColumnElement[bool]]:
    return [table.c.CallTime.like(f"{insurer.as_of:%Y/%m}/%"), table.c.SeqNo == 1, table.c.Success == "Y"]


def _call(name: str, item: str, rule: str, spoil, where=_month, copy: bool = False, also: tuple[Cause, ...] = ()) -> Kind:
    return Kind(name, "service.CallBack", f"KHHFB.{item}", f"EL20-KHHFB-{rule}", spoil, where, copy=copy, locks=("ContNo",), also=also)


def _moved(row: Row, day: date) -> str:
    return f"{day:%Y/%m/%d}{row['CallTime'][10:]}"


def _is_long(contract: Row) -> bool:
    return contract["EndDate"] > contract["CValiDate"] + timedelta(days=366)


def _late(insurer: Insurer, row: Row) -> Row | None:
    contract = insurer.one("life_admin.LCCont", ContNo=row["ContNo"])
    day = later(contract["GetPolDate"], contract["HesitateDays"] + 1)
    ended = contract["TerminateDate"] is not None
    return None if day > insurer.as_of or ended or not _is_long(contract) else {"CallTime": _moved(row, day), "InHesitate": "N"}


def _wrong_flag(insurer: Insurer, row: Row) -> Row | None:
    return {"InHesitate": "N"} if row["InHesitate"] == "Y" else None


def _too_early(insurer: Insurer, row: Row) -> Row | None:
    signed = insurer.one("life_admin.LCCont", ContNo=row["ContNo"])["SignDate"]
    return {"CallTime": _moved(row, later(signed, -1))} if later(signed, -1) >= insurer.month_start else None


def _person(name: str, item: str, rule: str, spoil, where=_CARD, also: tuple[Cause, ...] = ()) -> Kind:
    def closed(insurer: Insurer, row: Row) -> Row | None:
        return spoil(insurer, row) if row["CaseNo"] in insurer.single_line_cases else None

    def month(insurer: Insurer, table: sa.Table) -> list[sa.ColumnElement[bool]]:
        return [table.c.EndCaseDate.like(f"{insurer.month_digits}%")]

    return Kind(name, "claims.LLCase", f"CXRXXB.{item}", f"EL20-CXRXXB-{rule}", closed, both(month, where), locks=("CaseNo",), also=also)


def _claim(name: str, item: str, rule: str, spoil, where=_PAID, copy: bool = False, also: tuple[Cause, ...] = ()) -> Kind:
    def closed(insurer: Insurer, row: Row) -> Row | None:
        return spoil(insurer, row) if row["CaseNo"] in insurer.plain_cases else None

    # Benefit lines are numbered in the order of notification: the month's are among the notifications of the last weeks.
    def recent(insurer: Insurer, table: sa.Table) -> list[sa.ColumnElement[bool]]:
        return [table.c.AccDate >= digits(later(insurer.as_of, -110)), table.c.GiveType.is_not(None)]

    return Kind(name, "claims.LLClaimPolicy", f"LPBDMXB.{item}", f"EL20-LPBDMXB-{rule}", closed, both(recent, where), copy=copy, locks=("CaseNo",), also=also)


def _died_before_loss(insurer: Insurer, row: Row) -> Row:
    line = insurer.one("claims.LLClaimPolicy", CaseNo=row["CaseNo"])
    return {"DeathDate": digits(later(from_digits(line["AccDate"]), -2))}


def _before_cover(insurer: Insurer, row: Row) -> Row:
    return {"AccDate": digits(later(insurer.one("life_admin.LCPol", PolNo=row["PolNo"])["CValiDate"], -5))}


def _after_report(insurer: Insurer, row: Row) -> Row:
    return {"AccDate": digits(later(from_digits(insurer.one("claims.LLReport", RptNo=row["RptNo"])["RptDate"]), 1))}


def _closed_early(insurer: Insurer, row: Row) -> Row | None:
    """The line is hung on a registration made after its case was closed."""
    closed = insurer.one("claims.LLCase", CaseNo=row["CaseNo"])["EndCaseDate"]
    table = insurer.tables["claims"]["LLRegister"]
    later_one = insurer.connections["claims"].execute(
        sa.select(table.c.RgtNo).where(table.c.RgtDate > closed).order_by(table.c.RgtNo.desc()).limit(1)).scalar()
    return {"RgtNo": later_one} if later_one else None


def _whole(spoilt: Spoilt) -> bool:
    """Decided to be paid in full."""
    return spoilt.before["GiveType"] == "A"


def _telephoned(spoilt: Spoilt) -> bool:
    return spoilt.before["CallType"] == "T" and spoilt.before["Phone"] is not None


def _in_part(spoilt: Spoilt) -> bool:
    return spoilt.before["GiveType"] == "P"


def _long_policy(spoilt: Spoilt) -> bool:
    return any(row["ContType"] == "1" and _is_long(row) for row in spoilt.look("life_admin.LCCont", ContNo=spoilt.before["ContNo"]))


def _dead_by_then(spoilt: Spoilt, case: Row) -> bool:
    return case["DeathFlag"] == "Y" and (case["DeathDate"] or "99991231") < spoilt.after["AccDate"]


def _long_after_accident(spoilt: Spoilt, case: Row) -> bool:
    """A death of which the accident is now said to be more than 180 days ago."""
    line = spoilt.after
    return bool(case["DeathDate"]) and (line["AccReason"], line["GetDutyKind"]) == ("ACC", "100") and (from_digits(case["DeathDate"]) - from_digits(line["AccDate"])).days > 180


def _lump_sum(spoilt: Spoilt) -> bool:
    return spoilt.before["GetDutyKind"] in ("100", "300")


def _paid_to_the_dead(spoilt: Spoilt, payout: Row) -> bool:
    return payout["OtherNoType"] == "1" and payout["DrawerID"] == spoilt.before["IDNo"]


# What no longer agrees when the amount of a claim changes: the ledger, its vouchers and the money paid out.
_AMOUNT: tuple[Cause, ...] = (
    groups("LPBDMXB-PFJE-RC-01", of("ApprCom")), groups("LPBDMXB-PFJE-RC-02", of("ApprCom")), groups("CWPZXXB-BWBJF-RC-02", of("ApprCom", "RiskCode")),
    groups("FFMXB-SFJE-RC-01", of("CaseNo")))
# A claim of one line has the same numbers in both tables.
_NUMBERS, _NEW_NUMBERS = groups("CXRXXB-BAH-RC-01", of("RptNo", "RgtNo", "CaseNo")), groups("CXRXXB-BAH-RC-01", of("RptNo", "RgtNo", "CaseNo", changed=True))
# What a call-back shows of its policy.
_OF_POLICY = ("BDSXRQ-REQ", "GLJGDM-REQ", "GLJGMC-REQ", "QDRQ-REQ", "TBDSQRQ-REQ", "XSQD-REQ", "YYQTS-REQ", "TBRKHBH-RL-02", "BDHZKHQSRQ-CR-02")

EVENT_KINDS: tuple[Kind, ...] = (
    _call("call_back_late", "YYQNHFBZ", "YYQNHFBZ-RL-01", _late),
    _call("call_back_flag_against_dates", "YYQNHFBZ", "YYQNHFBZ-CI-02", _wrong_flag,
          also=(here("KHHFB-YYQNHFBZ-RL-01", when=_long_policy),)),
    _call("call_back_before_signing", "HFRQ", "HFRQ-CI-01", _too_early,
          also=(here("KHHFB-HFRQ-CI-02"),)),
    _call("call_back_number_twice", "GRBDH", "UNQ", lambda i, r: {**r, "CallId": i.fresh("HF", 10)}, copy=True,
          also=(original("KHHFB-UNQ"), here("KHHFB-HFDH-UQ-01", when=_telephoned), original("KHHFB-HFDH-UQ-01", when=_telephoned),
                here("KHHFB-HFCGBZ-UQ-01", "KHHFB-HFSXH-RL-02"), original("KHHFB-HFCGBZ-UQ-01", "KHHFB-HFSXH-RL-02"))),
    _call("call_back_time_unreadable", "HFRQ", "HFRQ-TYPE", lambda i, r: {"CallTime": f"{i.as_of:%Y/%m}/32 25:61:00"}),
    _call("call_back_kind_unmappable", "HFLX", "HFLX-MAP", setting(CallType="X")),
    _call("call_back_telephone_malformed", "HFDH", "HFDH-VR-01", lambda i, r: {"Phone": r["Phone"][:5]}, both(_month, is_in(Phone=...)),
          also=(here("KHHFB-HFDH-RL-01", when=lambda s: s.before["CallType"] == "T"),)),
    _call("call_back_of_unknown_policy", "GRBDH", "GRBDH-REF", lambda i, r: {"ContNo": i.fresh("P31", 12)},
          also=(here(*(f"KHHFB-{rule}" for rule in _OF_POLICY)),)),
    _person("death_without_date", "SWRQ", "SWRQ-CR-01", setting(DeathFlag="Y", DeathReason="D1"), is_in(DeathFlag="N", IDType="11"),
          also=(there("life_admin.LJAGet", "FFMXB-ZJHM-RL-01", by={"OtherNo": "CaseNo"}, only=_paid_to_the_dead),)),
    _person("loss_after_death", "SWRQ", "SWRQ-RL-01", _died_before_loss, is_in(DeathFlag="Y")),
    _person("claimant_name_differs_from_customer", "CXRXM", "CXRXM-RL-01", lambda i, r: {"CustomerName": r["CustomerName"] + "娃"}),
    _person("claimant_id_wrong_check", "CXRZJHM", "CXRZJHM-CI-01", lambda i, r: {"IDNo": wrong_check(r["IDNo"])},
          also=(here("CXRXXB-CXRZJHM-RL-01"),)),
    _person("claimant_sex_unmappable", "CXRXB", "CXRXB-MAP", setting(CustomerSex="X")),
    _person("claimant_birth_unreadable", "CXRCSRQ", "CXRCSRQ-TYPE", lambda i, r: {"CustBirthday": r["CustBirthday"][:4] + "1332"}, also=(_NUMBERS,)),
    _claim("claim_before_cover", "CXRQ", "CXRQ-RL-01", _before_cover,
           also=(there("claims.LLCase", "CXRXXB-SWRQ-RL-04", by={"CaseNo": "CaseNo"}, only=_long_after_accident),)),
    _claim("claim_loss_after_notification", "BARQ", "BARQ-CI-01", _after_report,
          also=(there("claims.LLCase", "CXRXXB-SWRQ-RL-01", by={"CaseNo": "CaseNo"}, only=_dead_by_then),)),
    _claim("claim_closed_before_registration", "JARQ", "JARQ-CI-01", _closed_early,
          also=(here("LPBDMXB-LAH-RL-01"), _NUMBERS, _NEW_NUMBERS)),
    _claim("claim_loss_date_unreadable", "CXRQ", "CXRQ-TYPE", lambda i, r: {"AccDate": r["AccDate"][:4] + "1301"},
          also=(_NUMBERS, *_AMOUNT)),
    _claim("claim_paid_above_assessed", "PFJE", "PFJE-CI-01", lambda i, r: {"RealPay": round(r["StandPay"] + 100, 2)},
          also=(here("LPBDMXB-LPJL-CI-01", when=_whole), here("LPBDMXB-LPJL-CI-02", when=_in_part), *_AMOUNT)),
    _claim("claim_rejected_but_paid", "PFJE", "PFJE-CI-02", setting(GiveType="R")),
    _claim("claim_amount_negative", "HSPFJE", "HSPFJE-VR-01", lambda i, r: {"StandPay": -abs(r["StandPay"])},
          also=(here("LPBDMXB-PFJE-CI-01"), here("LPBDMXB-LPJL-CI-01", when=_whole), here("LPBDMXB-LPJL-CI-02", when=_in_part))),
    _claim("claim_decision_unmappable", "LPJL", "LPJL-MAP", setting(GiveType="Z")),
    _claim("claim_currency_unknown", "HBDM", "HBDM-MAP", setting(Currency="99")),
    _claim("claim_decided_by_unknown_branch", "HPJGDM", "HPJGDM-REF", setting(ApprCom="8699"),
          also=(here("LPBDMXB-HPJGMC-REQ"), groups("LPBDMXB-PFJE-RC-01", of("ApprCom"), of("ApprCom", changed=True)), groups("LPBDMXB-PFJE-RC-02", of("ApprCom"), of("ApprCom", changed=True)),
                groups("CWPZXXB-BWBJF-RC-02", of("ApprCom", "RiskCode"), of("ApprCom", "RiskCode", changed=True)))),
    _claim("claim_benefit_twice", "PAH", "UNQ", lambda i, r: {**r, "ClmDetailNo": i.fresh("LD", 10)}, copy=True,
          also=(original("LPBDMXB-UNQ"), here("LPBDMXB-GDBXXZHM-UQ-01", when=_lump_sum), original("LPBDMXB-GDBXXZHM-UQ-01", when=_lump_sum), *_AMOUNT)),
    _claim("claim_without_notification", "BAH", "BAH-RL-01", setting(RptNo="BA0"),
          also=(here("LPBDMXB-BARQ-REQ"), _NUMBERS, _NEW_NUMBERS)),
    _claim("claim_on_unknown_product_number", "GDBXXZHM", "GDBXXZHM-REF", lambda i, r: {"PolNo": r["PolNo"] + "99"}),
)
