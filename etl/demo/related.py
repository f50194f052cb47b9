"""The register of related parties and what the insurer transacted with them this year. Shareholders, directors and senior managers
are those of the people and governance system; the company that manages assets is the one of the investment system.

Dates of relations are written in Chinese, transactions have real dates; amounts are in 10,000 CNY with six decimals (cents).
"""

from __future__ import annotations

import numpy as np

from etl.demo import identity, names
from etl.demo.columns import Frame, days, stream
from etl.demo.market import OWN_BROKER, OWN_ESTATES, OWN_MANAGER, credit_codes_of
from etl.demo.organisation import COMPANY
from etl.demo.places import counties_of
from etl.demo.rows import month_ends, rows_frame, times, trading_days, year_start

_SELF = "000999"
_FIVE_PERCENT = 50_000
_MATERIAL = 30_000_000_00
_BALANCES_KEPT = 2


def related_frames(seed: int, branches: Frame, hr: dict[str, Frame], investment: dict[str, Frame], start: np.datetime64, end: np.datetime64) -> dict[str, Frame]:
    """RelParty, RelDeal and RelBalance. `branches` is LDCom, whose first row is the head office; `hr` and `investment` are the tables of
    those systems."""
    parties = _parties(seed, branches, hr, start, end)
    deals = _deals(stream(seed, "related deals"), parties, investment, end)
    return {
        "RelParty": rows_frame("PartyNo PartyName PartyKind CertKind CertNo Country Relation Remark SharePct FromDate ToDate", parties, numbers="SharePct"),
        "RelDeal": rows_frame("DealNo PartyNo DealKind DealDate Amount Material ApprovedOn Content", deals, numbers="Amount", dates="DealDate ApprovedOn"),
        "RelBalance": rows_frame("PartyNo DealKind MonthEnd Outstanding", _balances(deals, end), numbers="Outstanding", dates="MonthEnd"),
    }


def _written(day: np.datetime64 | str | None) -> str | None:
    """A date in Chinese, months and days with two digits."""
    if day is None:
        return None
    year, month, number = str(day).replace(".", "-").split("-")
    return f"{year}年{month}月{number}日"


def _parties(seed: int, branches: Frame, hr: dict[str, Frame], start: np.datetime64, end: np.datetime64) -> list[dict]:
    rng = stream(seed, "related parties")
    codes, rows = credit_codes_of(seed), []

    def company(number: str, name: str, code: str, relation: str, remark: str, begin, over=None, share: int | None = None) -> None:
        rows.append({"PartyNo": number, "PartyName": name, "PartyKind": "F", "CertKind": "XYDM", "CertNo": code, "Country": "CHN", "Relation": relation, "Remark": remark,
                     "SharePct": share, "FromDate": _written(begin), "ToDate": _written(over)})

    def person(number: str, name: str, card: str, relation: str, remark: str, begin) -> None:
        rows.append({"PartyNo": number, "PartyName": name, "PartyKind": "Z", "CertKind": "SFZ", "CertNo": card, "Country": "CHN", "Relation": relation, "Remark": remark,
                     "FromDate": _written(begin)})

    company(_SELF, COMPANY, branches["CertNo"][0], "00", "本公司", branches["FoundDate"][0])
    holders = hr["Shareholder"]
    for n, (name, code, share, begin) in enumerate(zip(*(holders[c].tolist() for c in ("HolderName", "OrgCertNo", "ShareRatio", "ShareDate")))):
        # Ratios have six decimals, percentages four: the same digits.
        if share >= _FIVE_PERCENT:
            company(f"GF{n + 1:04d}", name, code, "10" if share >= 500_000 else "11", f"直接持有本公司{share / 10_000:g}%股份", begin, share=share)
    company("GF0101", OWN_BROKER, codes[OWN_BROKER], "20", "与本公司同受控股股东控制", start - days(1800))
    company("GF0201", OWN_MANAGER, codes[OWN_MANAGER], "30", "本公司持股80%的子公司", start - days(2400))
    company("GF0202", OWN_ESTATES, codes[OWN_ESTATES], "30", "本公司全资子公司", start - days(1500))
    staff = hr["Staff"]
    senior = np.flatnonzero((staff["SeniorFlag"] == "1") & (staff["OrgCode"] == "86"))
    for n, at in enumerate(senior.tolist()):
        person(f"GZ{n + 1:04d}", staff["Name"][at], staff["IDNo"][at], "40", f"本公司{staff['Post'][at]}", staff["HireDate"][at])
    count = 4
    female = rng.random(count) < 0.5
    areas = np.array([int(p.county) for p in counties_of("31") + counties_of("32")])
    # Every other one is a husband or wife, the rest are grown-up children.
    birth = start - days(np.where(np.arange(count) % 2 == 1, rng.integers(17_500, 19_500, count), rng.integers(7_500, 8_500, count)))
    cards = identity.id_cards(areas[rng.integers(0, len(areas), count)], birth, female, rng.integers(0, 499, count))
    called = names.person_names(stream(seed, "relatives"), names.surnames(rng, count), female)
    for n in range(count):
        relation, remark = ("41", "有权审批保险资金运用的投资决策人员") if n == 3 else ("42", f"{staff['Post'][senior[n]]}的{'配偶' if n % 2 else '成年子女'}")
        person(f"GZ{n + 101:04d}", called[n], cards[n], relation, remark, start - days(700 - 90 * n))
        if n == 2:
            # Grew up abroad.
            rows[-1].update({"CertKind": "HZ", "CertNo": "K1937264B", "Country": "SGP"})
    outside = identity.credit_codes(stream(seed, "related companies"), "91", ["310112", "320505"])
    company("GF0301", "沪滨医疗器械有限公司", outside[0], "50", "独立董事担任执行董事的企业", start - days(300))
    company("GF0303", "东岸金控（香港）有限公司", "2764193", "20", "与本公司同受控股股东控制，注册于香港", start - days(900))
    rows[-1].update({"CertKind": "ZC", "Country": "HKG"})
    company("GF0302", "苏润文化传播有限公司", outside[1], "50", "离任监事近亲属控制的企业，离任满十二个月后解除", start - days(1300), end - days(95))
    return rows


def _deals(rng: np.random.Generator, parties: list[dict], investment: dict[str, Frame], end: np.datetime64) -> list[dict]:
    """The year's transactions, one list in the order of their days. What was bought from the own asset manager is what the
    investment system says; only that and the lease are material."""
    first = year_start(end)
    rows: list[dict] = []

    def deal(party: str, kind: str, day: np.datetime64, cents: int, content: str, owed: int = 0) -> None:
        material = cents >= _MATERIAL
        rows.append({"PartyNo": party, "DealKind": kind, "DealDate": day, "Amount": cents, "Material": "Y" if material else "N",
                     "ApprovedOn": day - days(20) if material else None, "Content": content, "_owed": owed})

    trades = investment["Trade"]
    for at in np.flatnonzero(trades["Related"] == "1").tolist():
        number, month, year = trades["TradeDate"][at].split("/")
        name = investment["Asset"]["AssetName"][int(np.flatnonzero(investment["Asset"]["AssetNo"] == trades["AssetNo"][at])[0])]
        deal("GF0201", "ZJ", np.datetime64(f"{year}-{month}-{number}"), int(trades["Settled"][at]),
             f"以保险资金认购{OWN_MANAGER}发行的{name}，按票面价格成交", int(trades["Settled"][at]))
    fee = int(investment["MandateValue"]["Gross"].max()) // 4000
    months = int((end.astype("datetime64[M]") - first.astype("datetime64[M]")).astype(np.int64)) + 1
    for n in range(months):
        begin = (first.astype("datetime64[M]") + np.timedelta64(n, "M")).astype("datetime64[D]")
        dates = trading_days(begin, begin + days(27))
        deal("GF0201", "FW", dates[int(rng.integers(3, len(dates)))], times(fee, 10_000 + int(rng.integers(-300, 300))), "支付上月委托投资管理费，费率按委托投资管理合同约定",
             fee if n == months - 1 else 0)
        deal("GF0202", "FW", dates[int(rng.integers(0, 3))], 860_000_00, "支付总公司办公楼物业管理费，价格参照同地段市场水平")
        if n % 3 == 0:
            deal("GF0001", "BX", dates[int(rng.integers(0, len(dates)))], int(rng.integers(20, 90)) * 10_000_00, "承保其员工团体补充医疗保险，费率按备案费率执行")
        if n % 4 == 1:
            deal("GF0101", "FW", dates[int(rng.integers(0, len(dates)))], int(rng.integers(5, 30)) * 10_000_00, "支付证券交易席位佣金，佣金率不高于市场平均水平")
    close = trading_days(end - days(12), end)[2]
    deal("GF0202", "LY", close, 42_000_000_00, "向其转让一处自用房产，价格以评估值为准并经董事会批准", 12_600_000_00)
    deal("GZ0001", "BX", first + days(100), 12_000_00, "其本人投保个人保险，适用公司统一费率")
    rows.sort(key=lambda row: (row["DealDate"], row["PartyNo"], row["DealKind"]))
    return [{**row, "DealNo": f"GL{str(row['DealDate'])[:4]}{n + 1:05d}"} for n, row in enumerate(rows)]


def _balances(deals: list[dict], end: np.datetime64) -> list[dict]:
    """What is outstanding at the last month ends, for every party and kind with a transaction in the year so far."""
    rows = []
    for close in month_ends(end, _BALANCES_KEPT):
        seen: dict[tuple[str, str], int] = {}
        for deal in deals:
            if year_start(close) <= deal["DealDate"] <= close:
                key = (deal["PartyNo"], deal["DealKind"])
                seen[key] = seen.get(key, 0) + deal["_owed"]
        rows += [{"PartyNo": party, "DealKind": kind, "MonthEnd": close, "Outstanding": owed} for (party, kind), owed in sorted(seen.items())]
    return rows
