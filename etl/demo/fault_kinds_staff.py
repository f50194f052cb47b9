"""Kinds of faults in the people and governance system: employees, terms of office, punishments, shareholders."""

from __future__ import annotations

from datetime import date, timedelta

from etl.demo.consequences import Spoilt, groups, here, of, original
from etl.demo.faults import Insurer, Kind, Row, is_in, wrong_check

# Nobody whom another table names: neither in charge of a unit, nor a director or senior manager, nor a party member.
_PLAIN = ("运营管理岗", "核保岗", "理赔岗", "保全岗", "财务会计岗", "渠道管理岗", "培训岗", "客户服务岗", "信息技术岗", "综合行政岗")
_STAFF = is_in(SeniorFlag="0", LeaveDate=None, IDType="S", Post=_PLAIN)


def _staff(name: str, item: str, rule: str, spoil, where=_STAFF, copy: bool = False, also=()) -> Kind:
    return Kind(name, "hr.Staff", f"YGXXB.{item}", f"EL20-YGXXB-{rule}", spoil, where, copy=copy, locks=("StaffNo",), also=also)


def _term(name: str, item: str, rule: str, spoil, where) -> Kind:
    return Kind(name, "hr.Appointment", f"DJGLZXXB.{item}", f"EL20-DJGLZXXB-{rule}", spoil, where, locks=("AppointNo",), most=3)


def _punishment(name: str, item: str, rule: str, spoil, where) -> Kind:
    return Kind(name, "hr.Punishment", f"DJGLZXXB.{item}", f"EL20-DJGLZXXB-{rule}", spoil, where, locks=("PunishNo",), most=1)


def _holder(name: str, item: str, rule: str, spoil, where, also=()) -> Kind:
    return Kind(name, "hr.Shareholder", f"JGGQXXB.{item}", f"EL20-JGGQXXB-{rule}", spoil, where, locks=("HolderNo",), most=1, also=also)


def dotted(text: str, days: int) -> str:
    """A date of this system, `days` later."""
    day = date(*map(int, text.split("."))) + timedelta(days=days)
    return f"{day:%Y.%m.%d}"


def _born_a_day_later(insurer: Insurer, row: Row) -> Row:
    return {"Birthday": dotted(row["Birthday"], 1)}


def _reachable(spoilt: Spoilt) -> bool:
    return spoilt.before["Mobile"] is not None


STAFF_KINDS: tuple[Kind, ...] = (
    _staff("staff_id_wrong_check", "ZJHM", "ZJHM-VR-01", lambda i, r: {"IDNo": wrong_check(r["IDNo"])}),
    _staff("staff_birth_against_id", "CSRQ", "CSRQ-CI-01", _born_a_day_later),
    _staff("staff_sex_against_id", "XB", "XB-CI-01", lambda i, r: {"Sex": "1" if r["Sex"] == "2" else "2"}),
    _staff("staff_employed_twice", "ZJHM", "ZJHM-UQ-01", lambda i, r: {**r, "StaffNo": i.fresh("E", 6)}, copy=True,
           also=(original("YGXXB-ZJHM-UQ-01"), original("YGXXB-LXDH-UQ-01", when=_reachable), here("YGXXB-LXDH-UQ-01", when=_reachable))),
    _staff("staff_party_member_without_date", "CJZDRQ", "CJZDRQ-CR-01", lambda i, r: {"PartyDate": None},
           is_in(SeniorFlag="0", LeaveDate=None, IDType="S", Post=_PLAIN, PartyDate=...)),
    _staff("staff_left_before_joining", "LSRQ", "LSRQ-CI-01", lambda i, r: {"LeaveDate": dotted(r["HireDate"], -15)}, is_in(SeniorFlag="0", LeaveDate=..., Post=_PLAIN)),
    _staff("staff_employed_as_a_child", "RSRQ", "RSRQ-CI-01", lambda i, r: {"HireDate": dotted(r["Birthday"], 365 * 9)}),
    _staff("staff_of_unknown_branch", "SSFZJGDM", "SSFZJGDM-REF", lambda i, r: {"OrgCode": "86999901"}),
    _staff("staff_hire_date_unreadable", "RSRQ", "RSRQ-TYPE", lambda i, r: {"HireDate": r["HireDate"][:4] + ".13.32"}),
    _staff("staff_flagged_senior_without_office", "DJGBZ", "DJGBZ-RL-01", lambda i, r: {"SeniorFlag": "1"}, also=(groups("DJGLZXXB-YGDM-RC-01", of("OrgCode", "StaffNo")),)),
    _staff("staff_education_unmappable", "XL", "XL-MAP", lambda i, r: {"Education": "ZZ"}),
    _term("office_approved_after_taking_it", "PFRQ", "PFRQ-CI-01", lambda i, r: {"ApprovalDate": dotted(r["StartDate"], 20)}, is_in(EndDate=None)),
    _term("office_ends_before_it_begins", "JSRQ", "JSRQ-CI-01", lambda i, r: {"EndDate": dotted(r["StartDate"], -10)}, is_in(EndDate=...)),
    _term("office_without_title", "SRZW", "SRZW-CR-01", lambda i, r: {"Office": None}, is_in(EndDate=None)),
    _punishment("fine_without_amount", "CFJE", "CFJE-CI-01", lambda i, r: {"Fine": 0}, is_in(Kind="F")),
    _punishment("punishment_without_reason", "CFJG", "CFJG-CR-01", lambda i, r: {"Reason": None}, is_in(Reason=...)),
    _holder("shareholdings_do_not_add_up", "CGBL", "CGBL-RC-01", lambda i, r: {"ShareRatio": round(r["ShareRatio"] - 0.01, 6)},
            # The smallest holding is below the threshold of the related parties' register.
            lambda i, t: [t.c.ShareRatio < 0.045], also=(groups("JGGQXXB-CGBL-RC-01", of()),)),
    _holder("capital_paid_differs_from_ledger", "CZJE", "CZJE-RC-01", lambda i, r: {"PaidAmount": round(r["PaidAmount"] + 1000, 2)}, is_in(HolderKind="O"),
            also=(groups("JGGQXXB-CZJE-RC-01", of()),)),
    _holder("shareholder_credit_code_wrong_check", "JGZJHM", "JGZJHM-VR-01", lambda i, r: {"OrgCertNo": wrong_check(r["OrgCertNo"])}, is_in(OrgCertType="A")),
)
