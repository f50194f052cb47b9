"""The ledger beside premiums and claims, and the people and owners of the insurer."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime

import pytest

from tests.demo.rows import AS_OF, table

OCTOBER = date(2026, 10, 1)


def day(text: str | None) -> date | None:
    return None if text is None else datetime.strptime(text, "%Y.%m.%d").date()


def test_chiefs_of_branches_are_employees_there(book):
    staff = {row["StaffNo"]: row for row in table(book, "Staff")}
    for branch in table(book, "LDCom"):
        chief = staff[branch["ChiefCode"]]
        assert chief["OrgCode"] == branch["ComCode"] and chief["LeaveDate"] is None
        assert (chief["SeniorFlag"] == "1") == (branch["ComGrade"] in ("1", "2", "3"))


def test_employees_are_people(book):
    people = table(book, "Staff")
    assert len({row["IDNo"] for row in people}) == len(people)
    assert {row["IDNo"] for row in people}.isdisjoint({row["IDNo"] for row in table(book, "LDPerson")})
    for row in people:
        if row["IDType"] == "S":
            assert row["IDNo"][6:14] == row["Birthday"].replace(".", "") and (int(row["IDNo"][16]) % 2 == 0) == (row["Sex"] == "2")
        assert (day(row["HireDate"]) - day(row["Birthday"])).days > 16 * 366
        assert row["LeaveDate"] is None or day(row["HireDate"]) <= day(row["LeaveDate"]) <= AS_OF
        assert (row["PartyDate"] is not None) == (row["Politics"] in ("01", "02", "07"))
    # Not everybody has an identity card.
    assert {row["IDType"] for row in people} == {"S", "P", "G"} and sum(row["IDType"] != "S" for row in people) < len(people) / 20


def test_every_senior_person_holds_an_approved_office(book):
    staff = {row["StaffNo"]: row for row in table(book, "Staff")}
    running = Counter()
    for row in table(book, "Appointment"):
        assert staff[row["StaffNo"]]["SeniorFlag"] == "1"
        assert day(staff[row["StaffNo"]]["HireDate"]) <= day(row["StartDate"]) <= AS_OF and day(row["ApprovalDate"]) <= day(row["StartDate"])
        running[row["StaffNo"]] += row["EndDate"] is None
    assert dict(running) == {number: 1 for number, row in staff.items() if row["SeniorFlag"] == "1"}
    for row in table(book, "Punishment"):
        assert (row["Kind"] == "F") == (row["Fine"] > 0) and row["StaffNo"] in running


def test_shareholders_own_all_and_paid_the_capital_in(book):
    uscc = pytest.importorskip("stdnum.cn.uscc")
    holders = table(book, "Shareholder")
    assert sum(row["ShareRatio"] for row in holders) == 1_000_000
    capital = next(row for row in table(book, "Balance") if row["AccountCode"] == "4001" and row["PeriodEnd"] == AS_OF)
    assert sum(row["PaidAmount"] for row in holders) == capital["CloseCredit"] == 2_000_000_000_00
    assert all(uscc.is_valid(row["OrgCertNo"]) and 0 <= row["Pledged"] <= row["Shares"] for row in holders)


def test_the_ledger_holds_the_commissions_of_the_month(book):
    expected, booked = Counter(), Counter()
    for row in table(book, "LACommision"):
        if row["CalDate"] >= OCTOBER:
            expected[row["ManageCom"], row["CommisionType"] == "3"] += row["Commision"]
    for row in table(book, "Balance"):
        if row["PeriodEnd"] == AS_OF and row["AccountCode"] in ("642101", "642102") and row["Debit"]:
            booked[row["BranchCode"], row["AccountCode"] == "642102"] += row["Debit"]
    assert booked == expected


def test_money_between_branches_cancels_out_and_no_bank_is_overdrawn(book):
    balances = defaultdict(list)
    for row in table(book, "Balance"):
        balances[row["AccountCode"], row["PeriodEnd"]].append(row["CloseDebit"] - row["CloseCredit"])
    assert all(sum(found) == 0 for (account, _), found in balances.items() if account == "3001")
    assert all(net >= 0 for (account, _), found in balances.items() if account == "1002" for net in found)


def test_superior_accounts_sum_up_their_own(book):
    parent = {row["AccountCode"]: row["ParentCode"] for row in table(book, "Account")}
    sums, own = Counter(), Counter()
    for row in table(book, "Balance"):
        if row["PeriodEnd"] == AS_OF:
            key = row["BranchCode"], row["AccountCode"]
            own[key] = row["Debit"] - row["Credit"]
            if parent[row["AccountCode"]]:
                sums[row["BranchCode"], parent[row["AccountCode"]]] += own[key]
    assert {account for account in parent.values() if account} == {"6031", "6421", "6511", "6601"}
    assert sums and all(own[key] == total for key, total in sums.items())


def test_lines_of_premium_income_know_how_they_were_paid(book):
    for row in table(book, "VoucherLine"):
        assert (row["BaseDebit"], row["BaseCredit"]) == (row["Debit"], row["Credit"])
        assert row["PayKind"] is None or row["AccountCode"].startswith("6031")
    sources = {row["VoucherNo"]: row["Source"] for row in table(book, "Voucher")}
    assert set(sources.values()) == {"BF", "PK", "FF", "YJ", "YF", "FY", "ZJ", "JZ"}
    kinds = {row["PayKind"] for row in table(book, "VoucherLine") if sources[row["VoucherNo"]] == "BF" and row["Credit"]}
    assert kinds == {"S", "F", "R"}


def test_every_branch_with_bank_money_has_an_account(book):
    accounts = table(book, "BankAccount")
    names = {row["ComCode"]: row["Name"] for row in table(book, "LDCom")}
    assert {row["BranchCode"] for row in table(book, "Balance")} == {row["BranchCode"] for row in accounts}
    assert all(names[row["BranchCode"]] == row["AccName"] and (row["State"] == "1") == (row["CloseDate"] is not None) for row in accounts)
    basic = Counter(row["BranchCode"] for row in accounts if row["AccType"] == "B" and row["State"] == "0")
    assert set(basic.values()) == {1}


def test_complaints_of_the_last_weeks_are_there(book):
    rows = table(book, "Complaint")
    assert sum(row["OpenTime"].startswith("2026/10") for row in rows) >= 1
    assert all((row["Source"] == "GOV") == (row["Way"] == "G") for row in rows)
