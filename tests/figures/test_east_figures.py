"""The figures of east_life_2020 over a handful of rows; every expected value is worked out by hand beside them. Period: October 2026."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from figure_desk import EAST, FIGURES

BRANCHES = [{"FZJGDM": "8611", "GLJGDM": "8611"}, {"FZJGDM": "8631", "GLJGDM": "8631"}, {"FZJGDM": "86110001", "GLJGDM": "8611"}]


@pytest.fixture
def book(desk):
    """Three policies of two branches and channels; P9 is a group certificate."""
    desk.put("FZJGXXB", BRANCHES)
    desk.put("XZDYB", [{"CPBM": "L1", "CDXBZ": "长期险"}, {"CPBM": "S1", "CDXBZ": "短期险"}])
    policy = {"BDTGXZ": "个人", "QDRQ": "2026-10-05", "BDSXRQ": "2026-10-06", "JFJG": "年交"}
    desk.put("GRBDB", [
        policy | {"GRBDH": "P1", "GLJGDM": "8611", "XSQD": "210", "BF": "1000.00", "LJBF": "1000.00"},
        policy | {"GRBDH": "P2", "GLJGDM": "8631", "XSQD": "410", "BF": "500.00", "LJBF": "2000.00", "QDRQ": "2022-01-10", "BDSXRQ": "2022-01-11"},
        policy | {"GRBDH": "P3", "GLJGDM": "8631", "XSQD": "210", "BF": "365.00", "LJBF": "365.00", "JFJG": "趸交"},
        policy | {"GRBDH": "P9", "GLJGDM": "8611", "XSQD": "111", "BF": "80.00", "LJBF": "80.00", "JFJG": "趸交", "BDTGXZ": "团体"}])
    desk.put("GRXZB", [
        {"GRBDH": "P1", "GDBXXZHM": "P1-1", "ZFXXZ": "主险", "CPBM": "L1", "JFJG": "年交", "LJBF": "1000"},
        {"GRBDH": "P2", "GDBXXZHM": "P2-1", "ZFXXZ": "主险", "CPBM": "L1", "JFJG": "年交", "LJBF": "2000"},
        # One year, 365 days: 2026-10-22 to 2027-10-22.
        {"GRBDH": "P3", "GDBXXZHM": "P3-1", "ZFXXZ": "主险", "CPBM": "S1", "JFJG": "趸交", "LJBF": "365.00", "BXZRSXRQ": "2026-10-22", "BXZRZZRQ1": "2027-10-22",
         "GLJGDM": "8631"},
        {"GRBDH": "P9", "GDBXXZHM": "P9-1", "ZFXXZ": "主险", "CPBM": "S1", "JFJG": "趸交", "LJBF": "80.00", "BXZRSXRQ": "2025-11-10", "BXZRZZRQ1": "2026-11-10",
         "GLJGDM": "8611"}])
    premium = {"BDTGXZ": "个人", "BFYWLX": "首期", "JFXH": 1}
    desk.put("BFMXB", [
        premium | {"GRBDH": "P1", "GDBXXZHM": "P1-1", "CPBM": "L1", "GLJGDM": "8611", "SJJE": "1000.00", "QRRQ": "2026-10-01"},
        premium | {"GRBDH": "P2", "GDBXXZHM": "P2-1", "CPBM": "L1", "GLJGDM": "8631", "SJJE": "500.00", "QRRQ": "2026-10-31", "BFYWLX": "正常续期", "JFXH": 5},
        premium | {"GRBDH": "P3", "GDBXXZHM": "P3-1", "CPBM": "S1", "GLJGDM": "8631", "SJJE": "365.00", "QRRQ": "2026-10-22"},
        premium | {"GRBDH": "P9", "GDBXXZHM": "P9-1", "CPBM": "S1", "GLJGDM": "8611", "SJJE": "80.00", "QRRQ": "2026-10-10", "BDTGXZ": "团体"},
        # The day before, the day after, and none: not in October.
        premium | {"GRBDH": "P1", "GDBXXZHM": "P1-1", "CPBM": "L1", "GLJGDM": "8611", "SJJE": "7.00", "QRRQ": "2026-09-30"},
        premium | {"GRBDH": "P1", "GDBXXZHM": "P1-1", "CPBM": "L1", "GLJGDM": "8611", "SJJE": "7.00", "QRRQ": "2026-11-01"},
        premium | {"GRBDH": "P1", "GDBXXZHM": "P1-1", "CPBM": "L1", "GLJGDM": "8611", "SJJE": "7.00"}])
    # The same money by group policy: must not be added to premium income.
    desk.put("TTBFB", [{"TTBDH": "G1", "SJJE": "80.00", "QRRQ": "2026-10-10"}])
    return desk


def test_premium_figures(book):
    assert book.value("premium_income") == D("1945.00")       # 1000 + 500 + 365 + 80
    assert book.value("new_premium") == D("1445.00")          # 1000 + 365 + 80
    assert book.value("renewal_premium") == D("500.00")
    assert book.value("new_single_premium") == D("445.00")    # 365 + 80
    assert book.value("new_regular_premium") == D("1000.00")
    assert book.value("group_premium") == D("80.00")
    assert book.value("single_premium_share") == D("30.80")   # 445 / 1445 = 0.30795...
    assert book.value("average_premium") == D("682.50")       # signed in October, individual: (1000 + 365) / 2
    assert book.all("premium_income")[0].rows == 4
    assert book.all("premium_income")[0].unjudged == 1        # the row without a date


def test_premium_by_dimension(book):
    assert book.by("premium_income", "branch") == {"8611": D("1080.00"), "8631": D("865.00")}
    assert book.by("premium_income", "channel") == {"111": D("80.00"), "210": D("1365.00"), "410": D("500.00")}
    assert book.by("premium_income", "product") == {"L1": D("1500.00"), "S1": D("445.00")}
    # A branch without renewals has none of them, which is 0 of its income and not nothing.
    assert book.by("renewal_premium", "branch") == {"8631": D("500.00")}
    assert book.by("single_premium_share", "branch") == {"8611": D("7.41"), "8631": D("100.00")}   # 80 / 1080; 365 / 365


def test_unearned_premium_by_days(book):
    # P3: 365.00, 365 days from 22 October. October has it for 10 days (22 to 31); 355 days are left: 355.00.
    # P9: 80.00, 365 days until 10 November 2026. Left after 31 October: 1 to 9 November, 9 days: 80 * 9 / 365 = 1.9726 -> 1.97.
    assert book.value("unearned_premium") == D("356.97")
    # At 1 October P3 is not there yet; P9 has 40 days left (31 + 9): 80 * 40 / 365 = 8.767 -> 8.77.
    assert book.value("unearned_premium_opening") == D("8.77")
    assert book.value("unearned_premium_change") == D("348.20")
    # Earned in October: P3 10 days = 10.00; P9 31 days = 80 * 31 / 365 = 6.7945 -> 6.79.
    assert book.value("short_premium_earned") == D("16.79")
    assert book.by("unearned_premium", "branch") == {"8611": D("1.97"), "8631": D("355.00")}


def test_unearned_premium_ends_with_the_cover(book):
    cover = {"GDBXXZHM": "X", "GRBDH": "P3", "CPBM": "S1", "JFJG": "趸交", "LJBF": "365.00"}
    leap = {"BXZRSXRQ": "2027-03-01", "BXZRZZRQ1": "2028-03-01"}   # 366 days, not begun
    ended = {"BXZRSXRQ": "2026-10-01", "BXZRZZRQ1": "2027-10-01", "XZZZRQ": "2026-10-11"}   # on risk for 10 days
    last = {"BXZRSXRQ": "2025-11-01", "BXZRZZRQ1": "2026-11-01"}   # its last day is 31 October: nothing is left
    yearly = {"BXZRSXRQ": "2026-10-01", "BXZRZZRQ1": "2027-10-01", "JFJG": "月交"}
    book.put("GRXZB", [cover | one | {"GDBXXZHM": str(n)} for n, one in enumerate((leap, ended, last, yearly))])
    assert book.value("unearned_premium") == D("0.00")
    assert book.value("unearned_premium_opening") == D("31.00")    # `last`: all of October, 365 * 31 / 365
    assert book.value("short_premium_earned") == D("41.00")       # 10 days of `ended`, 31 of `last`


@pytest.fixture
def claims(book):
    claim = {"GRBDH": "P1", "GDBXXZHM": "P1-1", "CPBM": "L1", "HPJGDM": "86"}
    book.put("LPBDMXB", [
        # C1: two benefits of one case, notified and registered in September
        claim | {"PAH": "C1", "PFZRLX": "身故", "BARQ": "2026-09-01", "LARQ": "2026-09-02", "JARQ": "2026-10-01", "HSPFJE": "300", "PFJE": "300"},
        claim | {"PAH": "C1", "PFZRLX": "医疗费用", "BARQ": "2026-09-01", "LARQ": "2026-09-02", "JARQ": "2026-10-01", "HSPFJE": "50", "PFJE": "40"},
        # C2: notified in September, registered on 1 October: open by notification only
        claim | {"PAH": "C2", "BARQ": "2026-09-30", "LARQ": "2026-10-01", "JARQ": "2026-10-31", "HSPFJE": "20", "PFJE": "20"},
        # C3: on a short-term cover, all in October
        {"GRBDH": "P3", "GDBXXZHM": "P3-1", "CPBM": "S1", "PAH": "C3", "BARQ": "2026-10-23", "LARQ": "2026-10-24", "JARQ": "2026-10-30", "HSPFJE": "10", "PFJE": "8"}])
    return book


def test_claims_and_simple_ratios(claims):
    assert claims.value("claims_paid") == D("368.00")              # 300 + 40 + 20 + 8
    assert claims.value("claims_closed") == 3
    assert claims.value("claims_within_30_days") == 2              # C1 took 30 days, C2 31, C3 7
    assert claims.value("claim_timeliness") == D("66.67")
    assert claims.value("claim_days") == D("22.7")                 # (30 + 31 + 7) / 3 = 22.67
    assert claims.value("simple_loss_ratio") == D("18.92")         # 368 / 1945 = 0.18920
    assert claims.value("short_claims_paid") == D("8.00")
    assert claims.value("earned_loss_ratio") == D("47.65")         # 8 / 16.79 = 0.47647
    assert claims.by("claims_paid", "branch") == {"8611": D("360.00"), "8631": D("8.00")}
    assert claims.by("simple_loss_ratio", "branch") == {"8611": D("33.33"), "8631": D("0.92")}   # 360 / 1080; 8 / 865


def test_outstanding_claims_by_registration_and_by_notification(claims):
    assert claims.value("outstanding_registered_opening") == D("350.00")   # C1 only
    assert claims.value("outstanding_reported_opening") == D("370.00")     # C1 and C2
    # Without a later run nobody knows what was open at the end: no value, not 0.
    assert claims.value("outstanding_registered") is None
    assert claims.why("outstanding_registered") == ["no_later"]
    assert claims.why("calendar_year_loss_ratio") == ["part", "no_later"]
    # November closes C4 (registered in October), C5 (notified in October only) and C6 (open since August).
    later = {"GRBDH": "P1", "GDBXXZHM": "P1-1", "CPBM": "L1", "JARQ": "2026-11-20"}
    claims.put("LPBDMXB", [later | {"PAH": "C4", "BARQ": "2026-10-30", "LARQ": "2026-10-31", "HSPFJE": "100"},
                           later | {"PAH": "C5", "BARQ": "2026-10-31", "LARQ": "2026-11-01", "HSPFJE": "5"},
                           later | {"PAH": "C6", "BARQ": "2026-08-01", "LARQ": "2026-08-02", "HSPFJE": "7"}], role="later")
    assert claims.value("outstanding_registered") == D("107.00")           # C4 + C6
    assert claims.value("outstanding_reported") == D("112.00")             # and C5
    assert claims.value("outstanding_registered_opening") == D("357.00")   # C1 + C6
    assert claims.value("outstanding_reported_opening") == D("377.00")     # C1 + C2 + C6
    # (368 + 107 - 357) / (1945 - 348.20) = 118 / 1596.80
    assert claims.value("calendar_year_loss_ratio") == D("7.39")
    claims.put("ZBZDXXB", [{"ZDBH": "Z1", "ZBCPBM": "R1", "ZBYWLX": "分出", "ZDCJRQ": "2026-10-09", "FBF": "96.80", "THPK": "18"},
                           {"ZDBH": "Z2", "ZBCPBM": "R1", "ZBYWLX": "分入", "ZDCJRQ": "2026-10-09", "FBF": "1000", "THPK": "1000"}])
    # (368 + 107 - 357 - 18) / (1945 - 96.80 - 348.20) = 100 / 1500
    assert claims.value("combined_loss_ratio") == D("6.67")
    assert claims.value("ceded_premium") == D("96.80")
    assert claims.value("claims_recovered") == D("18.00")
    assert claims.value("cession_rate") == D("4.98")                       # 96.80 / 1945


def test_policies(desk):
    one = {"BDTGXZ": "个人", "QDRQ": "2020-01-01", "BDSXRQ": "2020-01-02", "JFJG": "年交", "LJBF": "100", "BF": "10", "GLJGDM": "8611"}
    desk.put("GRBDB", [
        one | {"GRBDH": "in force"},
        one | {"GRBDH": "group", "BDTGXZ": "团体"},
        one | {"GRBDH": "begins tomorrow", "QDRQ": "2026-10-31", "BDSXRQ": "2026-11-01"},
        one | {"GRBDH": "begins on the last day", "QDRQ": "2026-10-30", "BDSXRQ": "2026-10-31"},
        one | {"GRBDH": "surrendered", "BDZZRQ1": "2026-10-01", "BDZZYY": "退保"},
        one | {"GRBDH": "ended on the last day", "BDZZRQ1": "2026-10-31", "BDZZYY": "满期"},
        one | {"GRBDH": "ended before", "BDZZRQ1": "2026-09-30", "BDZZYY": "退保"},
        one | {"GRBDH": "suspended", "BDZZRQ2": "2026-10-15"},
        one | {"GRBDH": "reinstated", "BDZZRQ2": "2026-08-01", "BDXLHFRQ": "2026-10-02"}])
    assert desk.value("policies_in_force") == 3             # in force, begins on the last day, reinstated
    assert desk.value("policies_in_force_opening") == 4     # in force, surrendered, ended on the last day, suspended
    assert desk.value("policies_new") == 2
    assert desk.value("policies_suspended") == 1
    assert desk.value("policies_ended") == 2
    assert desk.value("policies_surrendered") == 1
    assert desk.value("surrender_rate_policies") == D("25.00")
    assert desk.value("premium_of_policies_in_force") == D("400.00")
    desk.put("FFMXB", [{"GRBDH": "surrendered", "FFLX": "退保金", "SFJE": "36", "QRRQ": "2026-10-08"}, {"GRBDH": "in force", "FFLX": "犹豫期退保", "SFJE": "1", "QRRQ": "2026-10-08"},
                       {"GRBDH": "in force", "FFLX": "理赔赔付", "SFJE": "5", "QRRQ": "2026-10-08"}])
    assert desk.value("surrender_paid") == D("36.00")
    assert desk.value("surrender_rate") == D("9.00")        # 36 / 400
    assert desk.value("claims_paid_out") == D("5.00")


def test_persistency_after_thirteen_months(desk):
    # Thirteen months before October 2026 is September 2025.
    one = {"BDTGXZ": "个人", "BDSXRQ": "2025-09-15", "JFJG": "年交", "JZRQ": "2027-09-15", "GLJGDM": "8611"}
    desk.put("GRBDB", [one | {"GRBDH": "A", "BF": "300"}, one | {"GRBDH": "B", "BF": "100", "JZRQ": "2026-09-15"}, one | {"GRBDH": "C", "BF": "200", "BDZZRQ1": "2026-10-31", "BDZZYY": "退保"},
                       one | {"GRBDH": "D", "BF": "50", "BDZZRQ1": "2025-09-20", "BDZZYY": "犹退"}, one | {"GRBDH": "E", "BF": "70", "BDSXRQ": "2025-08-31"},
                       one | {"GRBDH": "F", "BF": "70", "BDSXRQ": "2025-10-01"}, one | {"GRBDH": "G", "BF": "900", "JFJG": "趸交"}])
    assert desk.value("cohort_13_premium") == D("600.00")   # A, B, C
    assert desk.value("cohort_13_kept") == D("300.00")      # A: B was not paid on, C ended
    assert desk.value("persistency_13") == D("50.00")


def test_service(desk):
    call = {"GLJGDM": "8611", "XSQD": "210", "YYQJZRQ": "2026-10-20"}
    desk.put("KHHFB", [call | {"GRBDH": "A", "HFSXH": 1, "HFRQ": "2026-10-20", "HFCGBZ": "是"}, call | {"GRBDH": "B", "HFSXH": 1, "HFRQ": "2026-10-21", "HFCGBZ": "是"},
                       call | {"GRBDH": "C", "HFSXH": 1, "HFRQ": "2026-10-10", "HFCGBZ": "否"}, call | {"GRBDH": "C", "HFSXH": 2, "HFRQ": "2026-10-11", "HFCGBZ": "是"},
                       call | {"GRBDH": "D", "HFSXH": 1, "HFRQ": "2026-11-01", "HFCGBZ": "是"}])
    assert desk.value("callbacks") == 4
    assert desk.value("callbacks_successful") == 3
    assert desk.value("callback_success_rate") == D("75.00")
    assert desk.value("callbacks_in_cooling_off") == 2
    assert desk.value("callback_cooling_off_share") == D("66.67")
    desk.put("GRBDB", [{"GRBDH": f"P{n}", "BDTGXZ": "个人", "BDSXRQ": "2020-01-01", "GLJGDM": "8611"} for n in range(8)])
    complaint = {"GRBDH": "P1", "TSZRJGDM": "8611"}
    desk.put("BDTSXXB", [complaint | {"TSBH": "T1", "TSSLRQ": "2026-10-01", "TSBJRQ": "2026-10-16"},                   # 15 days
                         complaint | {"TSBH": "T1", "TSSLRQ": "2026-10-01", "TSBJRQ": "2026-10-16", "GRBDH": "P2"},    # the same one
                         complaint | {"TSBH": "T2", "TSSLRQ": "2026-09-15", "TSBJRQ": "2026-10-01"},                   # 16 days
                         complaint | {"TSBH": "T3", "TSSLRQ": "2026-08-01", "TSBJRQ": "2026-10-01"},                   # 61 days
                         complaint | {"TSBH": "T4", "TSSLRQ": "2026-10-30"}])                                          # open
    assert desk.value("complaints") == 2                     # T1, T4
    assert desk.value("complaints_per_10000") == D("2500.00")
    assert desk.value("complaints_settled") == 3
    assert desk.value("complaints_within_15_days") == 1
    assert desk.value("complaint_timeliness_15") == D("33.33")
    assert desk.value("complaints_within_30_days") == 2
    assert desk.value("complaint_timeliness_30") == D("66.67")


def test_people_and_commissions(desk):
    desk.put("FZJGXXB", BRANCHES)
    desk.put("XSRYXXB", [{"XSRYDM": "A", "SSFZJGDM": "86110001", "QYRQ": "2020-01-01", "JYRQ": "9999-12-31"}, {"XSRYDM": "B", "SSFZJGDM": "8631", "QYRQ": "2026-10-31"},
                         {"XSRYDM": "C", "SSFZJGDM": "8631", "QYRQ": "2020-01-01", "JYRQ": "2026-10-31"}, {"XSRYDM": "D", "SSFZJGDM": "8631", "QYRQ": "2026-11-01"}])
    assert desk.value("agents_in_force") == 2
    assert desk.value("agents_new") == 1
    assert desk.by("agents_in_force", "branch") == {"8611": 1, "8631": 1}
    staff = {"RSRQ": "2020-01-01", "SSFZJGDM": "8611"}
    desk.put("YGXXB", [staff | {"YGDM": str(n), "GW": "客户服务岗"} for n in range(30)] + [staff | {"YGDM": "L1", "GW": "客户服务组长"}, staff | {"YGDM": "L2", "GW": "客户服务组长"}]
             + [staff | {"YGDM": "Q", "GW": "客户服务质检岗"}, staff | {"YGDM": "gone", "GW": "客户服务岗", "LSRQ": "2026-10-31"}])
    assert desk.value("employees") == 33
    assert (desk.value("service_staff"), desk.value("service_team_leads"), desk.value("service_quality_staff"), desk.value("training_staff")) == (30, 2, 1, 0)
    assert desk.value("service_staff_per_team_lead") == D("15.00")
    assert desk.value("service_staff_per_inspector") == D("30.00")
    assert desk.value("service_staff_per_trainer") is None
    assert desk.why("service_staff_per_trainer") == ["zero_divisor"]
    desk.put("BDYJXXB", [{"YJLSH": "1", "JYBF": "1000", "YJJE": "150", "YJJSRQ": "2026-10-01"}, {"YJLSH": "2", "JYBF": "0", "YJJE": "-30", "YJJSRQ": "2026-10-02"},
                         {"YJLSH": "3", "JYBF": "900", "YJJE": "90", "YJJSRQ": "2026-09-30"}])
    assert desk.value("commission") == D("120.00")
    assert desk.value("commission_base") == D("1000.00")
    assert desk.value("commission_rate") == D("12.00")


def test_ledger(book):
    account = {"BXZTBM": "1", "FZJGDM": "8611", "KJRQ": "2026-10-31", "ZZKJKMBH": "6031", "BQJFFSE": "5", "BQDFFSE": "1950", "QMJFYE": "0", "QMDFYE": "9000"}
    book.put("ZZKJQKMB", [account, account | {"ZZKJKMBH": "603101"}, account | {"ZZKJKMBH": "6511", "BQJFFSE": "368", "BQDFFSE": "8"}])
    assert book.value("ledger_premium") == D("1945.00")
    assert book.value("ledger_premium_cumulative") == D("9000.00")
    assert book.value("ledger_claims") == D("360.00")
    assert book.value("premium_ledger_difference") == D("0.00")
    assert book.value("premium_per_agent") is None


def test_nothing_is_not_zero(desk):
    assert desk.value("premium_income") is None and desk.why("premium_income") == ["table_empty"]
    assert desk.why("simple_loss_ratio") == ["part", "table_empty"]
    assert desk.by("premium_income", "branch") == {None: None}
    # The table is there and holds none of them: that is a 0.
    desk.put("FFMXB", [{"GRBDH": "A", "FFLX": "退保金", "SFJE": "1", "QRRQ": "2026-10-01"}])
    assert desk.value("claims_paid_out") == 0
    assert desk.why("average_premium") == ["table_empty"]
    desk.put("GRBDB", [{"GRBDH": "A", "BDTGXZ": "个人", "QDRQ": "2020-01-01", "BF": "5"}])
    assert desk.why("average_premium") == ["no_row"]
    desk.put("GRBDB", [{"GRBDH": "A", "BDTGXZ": "个人", "QDRQ": "2026-10-01"}])
    assert desk.why("average_premium") == ["all_missing"]
    del desk.rows["current", "FFMXB"]
    assert desk.why("claims_paid_out") == ["table_absent"]
    assert desk.all("ceded_premium", "branch")[0].reason.code == "no_dimension"


def test_totals_by_every_dimension_are_the_whole(claims):
    checked = 0
    for name, figure in FIGURES.figures.items():
        whole = claims.all(name)[0].value
        if figure.aggregate not in ("sum", "count") or whole is None:
            continue
        for dimension in FIGURES.dimensions(name):
            assert sum(value.value for value in claims.all(name, dimension)) == whole, (name, dimension)
            checked += 1
    assert checked > 60


def test_a_partner_found_twice_doubles_nothing(book):
    before = book.value("premium_income")
    rows = book.engine.dicts("SELECT GRBDH, GLJGDM, XSQD FROM data.GRBDB ORDER BY _row")
    book.put("GRBDB", [*rows, {"GRBDH": "P1", "GLJGDM": "8631", "XSQD": "410"}])
    assert book.value("premium_income") == before
    assert book.by("premium_income", "channel")["210"] == D("1365.00")   # the first row of P1 counts


def test_rows_without_a_member_are_shown_apart(book):
    book.put("GRBDB", [{"GRBDH": "P1", "XSQD": "210"}])
    assert book.by("premium_income", "channel") == {"210": D("1000.00"), "": D("945.00")}


def test_every_figure_is_defined_in_both_languages_and_says_where_it_comes_from():
    assert len(FIGURES.figures) >= 32
    for figure in FIGURES.figures.values():
        assert figure.definition["zh"] != figure.name["zh"] and len(figure.definition["en"]) > 15
        assert any(f"({tag})" in figure.basis or f"({tag}," in figure.basis for tag in "ERIG"), figure.id
    assert {item for source in FIGURES.row_sets.values() for item in source.by} == {"branch", "channel", "product"}
    assert EAST.name == "east_life_2020"
