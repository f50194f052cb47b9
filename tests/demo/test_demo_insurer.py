"""A clean insurer agrees with itself: numbers check, sums agree, dates run in order."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date

import numpy as np
import pytest

from etl.demo.errors import DemoTruthMissing, DemoUrlMissing, TooFewPolicies
from etl.demo.insurer import SYSTEMS, build_frames, create_insurer
from etl.sources.loader import load_source
from tests.demo.rows import AS_OF, POLICIES, SEED, content, sqlite_urls, table, texts

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def card_is_right(number: str) -> bool:
    total = sum(w * int(d) for w, d in zip(WEIGHTS, number[:17]))
    return len(number) == 18 and "10X98765432"[total % 11] == number[17]


def test_frames_have_the_columns_of_the_contracts(book):
    for system in SYSTEMS:
        contract = load_source(system)
        assert {name for source, name in book if source == system} == set(contract.tables)
        for name, declared in contract.tables.items():
            assert {column for column in book[system, name] if not column.startswith("_")} == set(declared.by_name), name


def test_keys_are_unique_and_texts_fit(book):
    for system in SYSTEMS:
        for name, declared in load_source(system).tables.items():
            rows = table(book, name)
            assert rows, name
            assert len({tuple(row[k] for k in declared.key) for row in rows}) == len(rows), name
            for column in declared.columns:
                if column.type == "text":
                    values = [row[column.name] for row in rows if row[column.name] is not None]
                    assert all(isinstance(v, str) and v == v.strip() and v for v in values), (name, column.name)
                    assert max(map(len, values), default=0) <= column.length, (name, column.name)


def test_identity_cards_agree_with_birth_and_sex(book):
    people = [p for p in table(book, "LDPerson") + table(book, "LAAgent") if p["IDType"] == "0"]
    assert len(people) > 300
    for person in people:
        number = person["IDNo"]
        assert card_is_right(number)
        assert number[6:14] == f"{person['Birthday']:%Y%m%d}"
        assert (int(number[16]) % 2 == 1) == (person["Sex"] == "0")
    assert len({p["IDNo"] for p in people}) == len(people)


def test_organisations_have_right_credit_codes(book):
    uscc = pytest.importorskip("stdnum.cn.uscc")
    codes = [row["CertNo"] for name in ("LDCom", "LDGrp", "LACom") for row in table(book, name)]
    assert all(uscc.is_valid(code) for code in codes)
    assert len(set(codes)) == len(codes)


def test_customers_are_varied(book):
    people = table(book, "LDPerson")
    names = [p["Name"] for p in people]
    assert any(ord(c) > 0xFFFF for name in names for c in name), "a character outside the basic plane"
    assert max(map(len, names)) >= 12
    assert {"0", "1", "8"} <= {p["IDType"] for p in people}
    assert any(p["NativePlace"] != "CHN" for p in people)
    assert any(p["IDEndDate"] == date(9999, 12, 31) for p in people)
    assert min(p["MakeDate"] for p in people) < date(2016, 1, 1)
    assert any(row["AppntNo"] for row in table(book, "LCCont")) and max(Counter(row["AppntNo"] for row in table(book, "LCCont")).values()) >= 2
    children = defaultdict(list)
    for row in table(book, "LCInsured"):
        if row["RelationToAppnt"] in ("02", "03"):
            children[row["ContNo"]].append(row["InsuredNo"])
    birthday = {p["CustomerNo"]: p["Birthday"] for p in people}
    holder = {row["ContNo"]: row["AppntNo"] for row in table(book, "LCCont")}
    by_parent = defaultdict(set)
    for contract, kids in children.items():
        by_parent[holder[contract]].update(kids)
    assert any(count > 1 for kids in by_parent.values() for count in Counter(birthday[k] for k in kids).values()), "twins"


def test_every_customer_has_a_policy(book):
    linked = {row["InsuredNo"] for row in table(book, "LCInsured")} | {row["AppntNo"] for row in table(book, "LCAppnt")}
    assert {p["CustomerNo"] for p in table(book, "LDPerson")} <= linked


def test_policy_totals_are_those_of_its_coverages_and_payments(book):
    paid = defaultdict(int)
    for row in table(book, "LJAPay"):
        paid[row["PolNo"]] += row["SumActuPayMoney"]
    totals = defaultdict(lambda: [0, 0, 0])
    for cover in table(book, "LCPol"):
        assert cover["SumPrem"] == paid[cover["PolNo"]]
        for i, name in enumerate(("Prem", "Amnt", "SumPrem")):
            totals[cover["ContNo"]][i] += cover[name]
    for contract in table(book, "LCCont"):
        assert [contract["Prem"], contract["Amnt"], contract["SumPrem"]] == totals[contract["ContNo"]]


def test_instalments_follow_the_plan(book):
    contracts = {row["ContNo"]: row for row in table(book, "LCCont")}
    counts = defaultdict(list)
    for row in table(book, "LJAPay"):
        contract = contracts[row["ContNo"]]
        assert contract["PolApplyDate"] <= contract["FirstPayDate"] <= row["EnterAccDate"] <= row["ConfDate"] <= AS_OF
        if contract["TerminateDate"] is not None:
            assert row["ConfDate"] <= contract["TerminateDate"]
        counts[row["PolNo"]].append(row["PayCount"])
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in counts.values())
    single = {row["PolNo"] for row in table(book, "LCPol") if row["PayIntv"] == "0"}
    assert single and all(len(counts[number]) == 1 for number in single)
    assert max(map(len, counts.values())) > 12


def test_policy_dates_and_states(book):
    contracts = table(book, "LCCont")
    for row in contracts:
        assert row["PolApplyDate"] <= row["SignDate"] <= row["CValiDate"] <= row["EndDate"]
        assert row["PaytoDate"] >= row["FirstPayDate"]
        assert (row["State"] == "4") == (row["TerminateDate"] is not None) == (row["TerminateReason"] is not None)
        assert (row["State"] == "0") == (row["CValiDate"] > AS_OF)
        if row["State"] == "2":
            assert row["SuspendDate"] is not None and row["ReinstateDate"] is None
        if row["ReinstateDate"] is not None:
            assert row["ReinstateDate"] > row["SuspendDate"]
    assert {row["State"] for row in contracts} == {"0", "1", "2", "4"}
    assert {"01", "02", "04"} <= {row["TerminateReason"] for row in contracts}
    assert {row["PayIntv"] for row in contracts} >= {"0", "1", "12"}
    group = [row for row in contracts if row["ContType"] == "2"]
    assert len(group) == 15 and all(row["GrpContNo"] for row in group)


def test_claims_agree_with_policies(book):
    covers = {row["PolNo"]: row for row in table(book, "LCPol")}
    insured = {(row["ContNo"], row["InsuredNo"]) for row in table(book, "LCInsured")}
    cases = {row["CaseNo"]: row for row in table(book, "LLCase")}
    reports, registers = ({row[key]: row for row in table(book, name)} for name, key in (("LLReport", "RptNo"), ("LLRegister", "RgtNo")))
    for line in table(book, "LLClaimPolicy"):
        case, cover = cases[line["CaseNo"]], covers[line["PolNo"]]
        assert (line["ContNo"], case["CustomerNo"]) in insured
        assert f"{cover['CValiDate']:%Y%m%d}" <= line["AccDate"] <= f"{cover['EndDate']:%Y%m%d}"
        assert line["AccDate"] <= reports[line["RptNo"]]["RptDate"] <= registers[line["RgtNo"]]["RgtDate"]
        if case["EndCaseDate"]:
            assert registers[line["RgtNo"]]["RgtDate"] <= case["EndCaseDate"] <= "20261031"
            assert 0 <= line["RealPay"] <= line["StandPay"] <= cover["Amnt"]
            assert (line["RealPay"] == 0) == (line["GiveType"] == "R")
        if case["DeathFlag"] == "Y":
            assert line["AccDate"] <= case["DeathDate"] <= case["EndCaseDate"]
            assert cover["State"] == "T"
    assert sum(case["EndCaseDate"] is not None and case["EndCaseDate"].startswith("202610") for case in cases.values()) >= 30


def test_call_backs_lie_inside_the_cooling_off_period(book):
    contracts = {row["ContNo"]: row for row in table(book, "LCCont")}
    for call in table(book, "CallBack"):
        contract = contracts[call["ContNo"]]
        day = date(*map(int, call["CallTime"][:10].split("/")))
        assert contract["GetPolDate"] <= day <= AS_OF
        inside = (day - contract["GetPolDate"]).days <= contract["HesitateDays"]
        assert (call["InHesitate"] == "Y") == inside
        assert inside or (contract["EndDate"] - contract["CValiDate"]).days <= 366


def test_vouchers_balance_and_agree_with_business(book):
    sums = defaultdict(lambda: [0, 0])
    ledger = Counter()
    vouchers = {row["VoucherNo"]: row for row in table(book, "Voucher")}
    for line in table(book, "VoucherLine"):
        sums[line["VoucherNo"]][0] += line["Debit"]
        sums[line["VoucherNo"]][1] += line["Credit"]
        voucher = vouchers[line["VoucherNo"]]
        if voucher["Source"] == "BF" and line["AccountCode"].startswith("6031"):
            ledger[voucher["VoucherDate"], voucher["BranchCode"], line["RiskCode"]] += line["Credit"]
    assert set(sums) == set(vouchers)
    assert all(debit == credit > 0 for debit, credit in sums.values())
    business = Counter()
    for row in table(book, "LJAPay"):
        if row["ConfDate"] >= date(2023, 11, 1):
            business[row["ConfDate"], row["ManageCom"], row["RiskCode"]] += row["SumActuPayMoney"]
    assert ledger == business


def test_balances_roll_forward(book):
    rows = table(book, "Balance")
    october = {(row["BranchCode"], row["AccountCode"]): row for row in rows if row["PeriodEnd"] == AS_OF}
    premiums, benefits = Counter(), Counter()
    for row in table(book, "LJAPay"):
        if row["ConfDate"] >= date(2026, 10, 1):
            premiums[row["ManageCom"]] += row["SumActuPayMoney"]
    closed = {row["CaseNo"] for row in table(book, "LLCase") if (row["EndCaseDate"] or "").startswith("202610")}
    for row in table(book, "LLClaimPolicy"):
        if row["CaseNo"] in closed and row["RealPay"]:
            benefits[row["ApprCom"]] += row["RealPay"]
    assert {branch: row["Credit"] for (branch, account), row in october.items() if account == "6031" and row["Credit"]} == dict(premiums)
    assert {branch: row["Debit"] for (branch, account), row in october.items() if account == "6511" and row["Debit"]} == dict(benefits)
    level_one = {row["AccountCode"] for row in table(book, "Account") if row["Level"] == 1}
    sums = defaultdict(int)
    for row in rows:
        assert row["OpenDebit"] - row["OpenCredit"] + row["Debit"] - row["Credit"] == row["CloseDebit"] - row["CloseCredit"]
        if row["AccountCode"] in level_one:
            sums[row["BranchCode"], row["PeriodEnd"]] += row["CloseDebit"] - row["CloseCredit"]
    assert set(sums.values()) == {0}


def test_same_seed_same_rows(book, tmp_path):
    again = build_frames(policies=POLICIES, seed=SEED, as_of=AS_OF)
    other = build_frames(policies=POLICIES, seed=SEED + 1, as_of=AS_OF)
    for name, frame in book.items():
        assert all(np.array_equal(column, again[name][key]) or column.dtype.kind == "M" and np.array_equal(column, again[name][key], equal_nan=True)
                   for key, column in frame.items()), name
    for name in (("life_admin", "LDPerson"), ("life_admin", "LCCont"), ("claims", "LLCase"), ("finance", "VoucherLine")):
        assert any(not np.array_equal(column, other[name][key]) for key, column in book[name].items()), name
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        create_insurer(sqlite_urls(folder), policies=60, seed=3)
    assert content(first) == content(second)


def test_postgresql_holds_the_same(postgres_url, tmp_path):
    summary = create_insurer(sqlite_urls(tmp_path), policies=60, seed=3)
    schemas = {system: f"{postgres_url}{'&' if '?' in postgres_url else '?'}options=-csearch_path%3D{system}" for system in SYSTEMS}
    again = create_insurer(schemas, policies=60, seed=3)
    assert again.rows == summary.rows
    for system, tables in summary.rows.items():
        for name in tables:
            assert texts(schemas[system], name) == texts(sqlite_urls(tmp_path)[system], name), name


def test_later_systems_may_be_left_out(tmp_path):
    urls = {name: url for name, url in sqlite_urls(tmp_path).items() if name in SYSTEMS[:4]}
    summary = create_insurer(urls, policies=60, seed=3)
    assert tuple(summary.rows) == ("life_admin", "claims", "service", "finance")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["claims.db", "finance.db", "life_admin.db", "service.db"]


def test_systems_may_share_a_database():
    names = [name for system in SYSTEMS for name in load_source(system).tables]
    assert len({name.lower() for name in names}) == len(names)


def test_wrong_use_is_told(tmp_path):
    with pytest.raises(TooFewPolicies):
        create_insurer(sqlite_urls(tmp_path), policies=49)
    with pytest.raises(DemoUrlMissing, match="finance"):
        create_insurer({k: v for k, v in sqlite_urls(tmp_path).items() if k != "finance"})
    with pytest.raises(DemoTruthMissing):
        create_insurer(sqlite_urls(tmp_path), policies=300, fault_rate=0.01)
