"""Kinds of faults in branches, sales persons, products and customers."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from etl.demo.consequences import Cause, Spoilt, groups, here, of, original, there
from etl.demo.faults import Insurer, Kind, Row, both, is_in, later, setting, unclaimed, wrong_check
from etl.demo.places import counties

_LEAF = is_in(ComGrade=("4", "5"), State="0")
_ACTIVE = is_in(OutWorkDate=None, UpAgent=...)
_ON_SALE = is_in(SaleState="1")
# Occupations that somebody under age may have: pupils, children, people without work.
_NO_WORK = ("0801001", "0802001", "0999999")
_ADULT_CARD = is_in(IDType="0", OccupationCode=("0102003", "0203005", "0301007", "0401002", "0402006", "0403001", "0601010", "0702001"))


def _branch(name: str, item: str, rule: str, spoil, where=_LEAF, most: int | None = 3) -> Kind:
    return Kind(name, "life_admin.LDCom", f"FZJGXXB.{item}", f"EL20-FZJGXXB-{rule}", spoil, where, locks=("ComCode",), most=most)


def _agent(name: str, item: str, rule: str, spoil, where=_ACTIVE, copy: bool = False, also: tuple[Cause, ...] = ()) -> Kind:
    return Kind(name, "life_admin.LAAgent", f"XSRYXXB.{item}", f"EL20-XSRYXXB-{rule}", spoil, where, copy=copy, locks=("AgentCode",), also=also)


def _product(name: str, item: str, rule: str, spoil, where=_ON_SALE) -> Kind:
    return Kind(name, "life_admin.LMRisk", f"XZDYB.{item}", f"EL20-XZDYB-{rule}", spoil, where, locks=("RiskCode",), most=1)


def _person(name: str, item: str, rule: str, spoil, where=_ADULT_CARD, copy: bool = False, also: tuple[Cause, ...] = ()) -> Kind:
    return Kind(name, "life_admin.LDPerson", f"GRKHXXB.{item}", f"EL20-GRKHXXB-{rule}", unclaimed(spoil), where, copy=copy, locks=("CustomerNo",), also=also)


def _twice(insurer: Insurer, row: Row) -> Row:
    # The same number with a blank behind it: another key to the core system, the same one to everybody else.
    return {**row, "AgentCode": row["AgentCode"] + " ", "OutWorkDate": later(insurer.as_of, -10)}


def _orphan(insurer: Insurer, row: Row) -> Row:
    number = insurer.fresh("", 10)
    return {**row, "CustomerNo": number, "IDType": "8", "IDNo": "QT" + number, "Mobile": None, "Phone": "021-58880000"}


def _other_sex(insurer: Insurer, row: Row) -> Row | None:
    return None if row["CustomerNo"] in insurer.tied_by_sex else {"Sex": "1" if row["Sex"] == "0" else "0"}


def _bad_mobile(insurer: Insurer, row: Row) -> Row | None:
    return None if row["CustomerNo"] in insurer.called_customers else {"Mobile": row["Mobile"][:-2]}


def _elsewhere(insurer: Insurer, row: Row) -> Row:
    other = next(place for place in counties() if place.county[:2] != row["County"][:2])
    return {"County": other.county, "CountyName": other.county_name}


def _full_width(insurer: Insurer, row: Row) -> Row:
    return {"IDNo": "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in row["IDNo"])}


def _child(insurer: Insurer, table: sa.Table) -> list[sa.ColumnElement[bool]]:
    return [table.c.IDType == "0", table.c.Birthday > date(insurer.as_of.year - 15, 1, 1)]


def _of_a_child(spoilt: Spoilt) -> list[str]:
    """What contradicts the age of somebody who is not born yet."""
    row = spoilt.before
    begins, ends = row["IDStartDate"], row["IDEndDate"]
    told = {"ZJYXQQ-CI-01": begins is not None, "HYZK-CI-01": row["Marriage"] in ("1", "2", "3"), "GRNSR-CI-01": bool(row["Salary"]), "XL-CI-01": row["Degree"] in ("1", "2", "3", "4", "5"),
            "ZY-CI-01": True,
            # A card of five years is a child's.
            "ZJYXZQ-CI-03": begins is not None and begins >= date(2004, 1, 1) and ends is not None and ends.year - begins.year != 5}
    return [f"GRKHXXB-{rule}" for rule, holds in told.items() if holds]


def _earned_without_licence(spoilt: Spoilt, commission: Row) -> bool:
    return commission["CommisionType"] == "1" and spoilt.after["QualifEndDate"] < commission["CalDate"] <= spoilt.as_of


def _signed_later(spoilt: Spoilt) -> bool:
    """Has signed a policy after the day on which the document ends now."""
    policies = spoilt.look("life_admin.LCCont", AppntNo=spoilt.before["CustomerNo"])
    return any(row["ContType"] == "1" and row["SignDate"] is not None and row["SignDate"] > spoilt.after["IDEndDate"] for row in policies)


def _adult_work(spoilt: Spoilt, insured: Row) -> bool:
    return insured["OccupationCode"] is not None and insured["OccupationCode"] not in _NO_WORK


def _child_causes(spoilt: Spoilt):
    yield from here("GRKHXXB-CSRQ-CI-01", *_of_a_child(spoilt))(spoilt)


MASTER_KINDS: tuple[Kind, ...] = (
    _branch("branch_of_unknown_parent", "SJJGDM", "SJJGDM-REF", setting(UpComCode="86Z9")),
    _branch("branch_credit_code_wrong_check", "FZJGZJHM", "FZJGZJHM-CI-01", lambda i, r: {"CertNo": wrong_check(r["CertNo"])}),
    _branch("branch_address_with_line_feed", "FZJGDZ", "FZJGDZ-FMT", lambda i, r: {"Address": r["Address"][:9] + "\n" + r["Address"][9:]}),
    _branch("branch_closed_without_licence_end", "XKZZXRQ", "XKZZXRQ-CR-01", setting(LicenceEndDate=None), is_in(State="2", LicenceEndDate=...), 1),
    _branch("branch_state_unmappable", "FZJGZT", "FZJGZT-MAP", setting(State="7"), is_in(ComGrade="5", State="0")),
    _agent("agent_licence_expired", "ZYZZXDQRQ", "ZYZZXDQRQ-CI-02", lambda i, r: {"QualifEndDate": later(i.as_of, -1)},
           also=(there("life_admin.LACommision", "BDYJXXB-XSRYDM-RL-02", by={"AgentCode": "AgentCode"}, only=_earned_without_licence),)),
    _agent("agent_left_before_joining", "JYRQ", "JYRQ-CI-01", lambda i, r: {"OutWorkDate": later(r["EmployDate"], -30)},
          also=(here("XSRYXXB-ZYZFFRQ-CI-01", when=lambda s: s.before["QualifDate"] > s.after["OutWorkDate"]),)),
    _agent("agent_of_unknown_branch", "SSFZJGDM", "SSFZJGDM-REF", setting(ManageCom="86319999")),
    _agent("agent_id_wrong_check", "ZJHM", "ZJHM-VR-01", lambda i, r: {"IDNo": wrong_check(r["IDNo"])}),
    _agent("agent_degree_unmappable", "XL", "XL-MAP", setting(Degree="Q")),
    _agent("agent_key_untrimmed_twice", "XSRYDM", "UNQ", _twice, copy=True,
          also=(original("XSRYXXB-UNQ"), there("life_admin.LCCont", "BDXSRYGLB-XSRYDM-JOIN", by={"AgentCode": "AgentCode"}, only=lambda s, row: row["ContType"] == "1"),
                 there("life_admin.LCGrpCont", "BDXSRYGLB-XSRYDM-JOIN", by={"AgentCode": "AgentCode"}))),
    _product("product_interest_out_of_range", "YDLL", "YDLL-VR-01", setting(AssumedRate=2.5), is_in(SaleState="1", DesignType="1", LongShortFlag="L")),
    _product("product_ages_reversed", "ZGTBNL", "ZGTBNL-CI-01", setting(MinAge=65, MaxAge=18)),
    _product("product_filing_date_missing", "TKBARQ", "TKBARQ-CR-01", setting(FilingDate=None)),
    _person("customer_name_missing", "XM", "XM-REQ", setting(Name=None)),
    _person("customer_name_with_full_width_digits", "XM", "XM-VR-01", lambda i, r: {"Name": r["Name"] + "０１"}),
    _person("customer_id_wrong_check", "ZJHM", "ZJHM-VR-01", lambda i, r: {"IDNo": wrong_check(r["IDNo"])}),
    _person("customer_id_full_width", "ZJHM", "ZJHM-VR-01", _full_width,
          also=(here("GRKHXXB-ZJHM-LEN"),)),
    _person("customer_birth_against_id", "CSRQ", "CSRQ-CI-01", lambda i, r: {"Birthday": later(r["Birthday"], 1)}),
    _person("customer_sex_against_id", "XB", "XB-CI-01", _other_sex),
    _person("customer_sex_unmappable", "XB", "XB-MAP", setting(Sex="7")),
    _person("customer_born_in_future", "CSRQ", "CSRQ-VR-01", lambda i, r: {"Birthday": later(i.as_of, 200)},
          also=(_child_causes, there("life_admin.LCCont", "GRBDB-TBRKHBH-RL-04", by={"AppntNo": "CustomerNo"}, only=lambda s, row: row["ContType"] == "1"),
                  there("life_admin.LCInsured", "BBXRB-ZY-RL-01", by={"InsuredNo": "CustomerNo"}, only=_adult_work),
                  there("life_admin.LCInsured", "BBXRB-YTBRGX-RL-06", by={"InsuredNo": "CustomerNo"}, only=lambda s, row: row["RelationToAppnt"] in ("04", "05")),
                  there("life_admin.LCInsured", "BBXRB-YTBRGX-RL-05", by={"InsuredNo": "CustomerNo"}, only=lambda s, row: row["RelationToAppnt"] in ("01", "07")),
                  there("life_admin.LCInsured", "BBXRB-YZBBRGX-RL-02", by={"InsuredNo": "CustomerNo"}, only=lambda s, row: row["RelationToMainInsured"] == "01"))),
    _person("customer_passport_too_short", "ZJHM", "ZJHM-VR-02", lambda i, r: {"IDNo": r["IDNo"][:3]}, is_in(IDType="1")),
    _person("customer_income_negative", "GRNSR", "GRNSR-VR-01", lambda i, r: {"Salary": -abs(r["Salary"])}, both(_ADULT_CARD, lambda i, t: [t.c.Salary > 0])),
    _person("customer_mobile_malformed", "YDDH", "YDDH-VR-01", _bad_mobile, both(_ADULT_CARD, is_in(Mobile=...))),
    _person("customer_mail_malformed", "DZYX", "DZYX-VR-01", lambda i, r: {"EMail": r["EMail"].replace("@", "#")}, both(_ADULT_CARD, is_in(EMail=...))),
    _person("customer_country_unmappable", "GJ", "GJ-MAP", setting(NativePlace="XXK")),
    _person("customer_country_against_document", "GJ", "GJ-CD-01", setting(NativePlace="USA")),
    _person("customer_street_with_separator", "JD", "JD-FMT", lambda i, r: {"Street": r["Street"][:4] + "\x01" + r["Street"][4:]}, both(_ADULT_CARD, is_in(Street=...))),
    _person("customer_street_too_long_in_bytes", "JD", "JD-LEN", lambda i, r: {"Street": (r["Street"] * 12)[:150]}, both(_ADULT_CARD, is_in(Street=...))),
    _person("customer_document_ends_before_it_begins", "ZJYXZQ", "ZJYXZQ-CI-01", lambda i, r: {"IDEndDate": later(r["IDStartDate"], -10)},
            also=(here("GRKHXXB-ZJYXZQ-RL-01", when=_signed_later),)),
    _person("customer_document_begins_9999", "ZJYXQQ", "ZJYXQQ-VR-01", setting(IDStartDate=date(9999, 12, 31)),
          also=(here("GRKHXXB-ZJYXZQ-CI-01"),)),
    _person("customer_child_married", "HYZK", "HYZK-CI-01", setting(Marriage="1"), _child),
    _person("customer_county_outside_city", "DZSZQX", "DZSZQX-CI-01", _elsewhere, both(_ADULT_CARD, is_in(County=...))),
    _person("customer_without_policy", "KHBH", "KHBH-RL-01", _orphan, copy=True, also=(groups("KHBDDZB-KHBH-RC-01", of("CustomerNo", changed=True)),)),
)
