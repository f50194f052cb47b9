"""The investment system: own accounts whose holdings follow from their trades and whose valuations are the sums of the holdings;
and mandates given to asset managers.

Trade dates are text dd/mm/yyyy, valuation dates real dates, rates percentages.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etl.demo.columns import Frame, days, stream
from etl.demo.market import CUSTODIANS, OUTSIDE_MANAGERS, OWN_BROKER, OWN_MANAGER, credit_codes_of
from etl.demo.rows import month_ends, rows_frame, times, trading_days

_MONTHS_KEPT = 3
_ACCOUNTS = (("P01", "传统保险产品账户", "CT", "CNY", 40), ("P02", "分红保险产品账户", "FH", "CNY", 25), ("P03", "万能保险产品账户", "WN", "CNY", 12),
             ("P04", "投资连结保险平衡账户", "TL", "CNY", 6), ("C01", "资本金账户", "ZB", "CNY", 14), ("C02", "资本金港股投资账户", "ZB", "HKD", 3))


@dataclass(frozen=True)
class Asset:
    """An asset. `price` per unit in 0.0001 of its currency; 10000 for deposits and money, whose quantity is their amount. `fair`: the
    book value is the fair value. `years` to maturity, None without."""

    number: str
    name: str
    kind: str
    issuer: str
    price: int
    market: str
    coupon: int | None = None
    years: int | None = None
    rating: str | None = None
    fair: bool = False
    currency: str = "CNY"


# Issuers other than the state are made up.
_ASSETS = (
    Asset("CASH-CNY", "人民币活期存款", "HQ", CUSTODIANS[0], 10_000, "OTC", 3500), Asset("CASH-HKD", "港币活期存款", "HQ", CUSTODIANS[2], 10_000, "OTC", 5000, currency="HKD"),
    Asset("MMF-003801", "海晏现金增利货币市场基金", "HJ", OUTSIDE_MANAGERS[0], 10_000, "OTC", fair=True),
    Asset("TD-2403", "三年期定期存款", "CK", CUSTODIANS[1], 10_000, "OTC", 26500, 2), Asset("TD-2501", "五年期大额协议存款", "CK", "江海银行股份有限公司", 10_000, "OTC", 33000, 4, "AAA"),
    Asset("GB-230018", "记账式附息国债三十年期", "GZ", "中华人民共和国财政部", 1_042_300, "IB", 30000, 27, "MP"),
    Asset("GB-240011", "记账式附息国债十年期", "GZ", "中华人民共和国财政部", 1_011_500, "IB", 24000, 8, "MP"),
    Asset("FB-230205", "政策性金融债十年期", "JRZ", "国家开发银行", 1_023_700, "IB", 28500, 7, "MP"),
    Asset("FB-242033", "江海银行二级资本债", "JRZ", "江海银行股份有限公司", 1_006_200, "IB", 33500, 8, "AAA"),
    Asset("CB-155201", "东江水利建设公司债", "QYZ", "东江水利建设集团有限公司", 1_000_400, "SH", 36000, 4, "AA+"),
    Asset("CB-102482", "南港轨道交通中期票据", "QYZ", "南港轨道交通集团有限公司", 998_600, "IB", 34200, 5, "AAA"),
    Asset("BF-006112", "明德稳健纯债债券型基金", "ZJ", OUTSIDE_MANAGERS[1], 11_264, "OTC", fair=True),
    Asset("ST-600961", "北辰电力", "GP", "北辰电力股份有限公司", 168_400, "SH", fair=True), Asset("ST-000847", "岭南家电", "GP", "岭南家电股份有限公司", 423_100, "SZ", fair=True),
    Asset("ST-601277", "江海银行", "GP", "江海银行股份有限公司", 56_700, "SH", fair=True), Asset("HK-02677", "湾区港口", "GP", "湾区港口控股有限公司", 92_300, "OS", fair=True, currency="HKD"),
    Asset("EF-510377", "恒川宽基指数股票型基金", "GJ", OUTSIDE_MANAGERS[2], 14_872, "OTC", fair=True),
    Asset("XF-001945", "海晏均衡混合型基金", "HH", OUTSIDE_MANAGERS[0], 17_330, "OTC", fair=True), Asset("PE-0007", "长河养老社区有限公司股权", "GQ", "长河养老社区有限公司", 10_000, "OTC"),
    Asset("RE-0003", "东岸金融中心办公楼", "BDC", "东岸人寿保险股份有限公司", 10_000, "OTC"),
    Asset("DP-2026A", "东岸—滨江基础设施债权投资计划（三期）", "ZQ", OWN_MANAGER, 1_000_000, "OTC", 41500, 7, "AAA"),
    Asset("DP-2024B", "明德—临港园区债权投资计划", "ZQ", OUTSIDE_MANAGERS[1], 1_000_000, "OTC", 44000, 5, "AA+"),
    Asset("AB-2025C", "南港高速公路收费权资产支持计划", "ABS", OUTSIDE_MANAGERS[1], 1_000_000, "OTC", 39000, 4, "AAA"),
)
_BY_NUMBER = {asset.number: asset for asset in _ASSETS}
# What each account holds, in percent of its assets.
_MIX = {
    "P01": {"CASH-CNY": 8, "TD-2403": 7, "TD-2501": 7, "GB-230018": 25, "GB-240011": 10, "FB-230205": 12, "CB-155201": 7, "CB-102482": 6, "ST-600961": 4, "EF-510377": 3,
            "DP-2024B": 7, "AB-2025C": 4},
    "P02": {"CASH-CNY": 5, "TD-2501": 12, "GB-240011": 22, "FB-242033": 14, "CB-102482": 12, "BF-006112": 8, "ST-000847": 6, "ST-601277": 7, "XF-001945": 6, "DP-2024B": 8},
    "P03": {"CASH-CNY": 8, "MMF-003801": 14, "TD-2403": 16, "FB-230205": 24, "CB-155201": 18, "BF-006112": 12, "EF-510377": 8},
    "P04": {"CASH-CNY": 10, "MMF-003801": 25, "BF-006112": 25, "EF-510377": 25, "XF-001945": 15},
    "C01": {"CASH-CNY": 15, "TD-2501": 20, "GB-240011": 15, "PE-0007": 15, "RE-0003": 25, "ST-601277": 10},
    "C02": {"CASH-HKD": 45, "HK-02677": 55},
}
# Kinds whose quantity is their amount.
_MONEY = ("HQ", "CK", "GQ", "BDC")
_RELATED = ("P01", "DP-2026A", 35_000_000_00)


def investment_frames(seed: int, policies: int, end: np.datetime64) -> dict[str, Frame]:
    """All tables of the system. The accounts grow with the number of policies."""
    ends = month_ends(end, _MONTHS_KEPT)
    book, trades, positions, values = _opening(max(policies, 1000)), [], [], []
    rng = stream(seed, "investment trades")
    for close in ends:
        trades += _month(rng, book, close, close == ends[-1])
        drift = {asset.number: int(rng.integers(-200, 260)) if asset.fair and asset.kind != "HJ" else 0 for asset in _ASSETS}
        for account, *_ in _ACCOUNTS:
            held = _valued(rng, book[account], account, close, drift)
            positions += held
            values.append(_value(rng, account, close, held))
        for holdings in book.values():
            for number, holding in holdings.items():
                holding[2] = max(1, holding[2] * (10_000 + drift[number]) // 10_000) if drift[number] else holding[2]
    trades.sort(key=lambda row: (row["_day"], row["AcctNo"], row["AssetNo"], row["Side"]))
    assets = [{"AssetNo": a.number, "AssetName": a.name, "AssetKind": a.kind, "Issuer": a.issuer, "Ccy": a.currency, "CouponPct": a.coupon,
               "Maturity": None if a.years is None else end + days(365 * a.years + 40), "Rating": a.rating} for a in _ASSETS]
    amounts = "Gross Liabilities Net Cost Unrealised YearIncome YearReturn"
    mandates, mandate_values = _mandates(stream(seed, "mandates"), credit_codes_of(seed), max(policies, 1000), ends)
    worth = "Initial Added Withdrawn Gross Net Liquid Fixed Equity Other YearReturn"
    return {
        "InvAccount": rows_frame("AcctNo AcctName AcctKind Ccy Custodian", [
            {"AcctNo": number, "AcctName": name, "AcctKind": kind, "Ccy": currency, "Custodian": CUSTODIANS[n % len(CUSTODIANS)]}
            for n, (number, name, kind, currency, _) in enumerate(_ACCOUNTS)]),
        "AcctValue": rows_frame(f"AcctNo ValueDate {amounts}", values, numbers=amounts, dates="ValueDate"),
        "Asset": rows_frame("AssetNo AssetName AssetKind Issuer Ccy CouponPct Maturity Rating", assets, numbers="CouponPct", dates="Maturity"),
        "Position": rows_frame("AcctNo AssetNo PosDate Quantity Cost BookValue FairValue", positions, numbers="Quantity Cost BookValue FairValue", dates="PosDate"),
        "Trade": rows_frame("TradeNo AcctNo AssetNo Side TradeDate SettleDate Counterparty Market Ccy Quantity Price Amount Fee Settled Gain Related",
                            [{**row, "TradeNo": f"TZ{n + 1:010d}"} for n, row in enumerate(trades)], numbers="Quantity Price Amount Fee Settled Gain"),
        "Mandate": rows_frame("MandateNo MandateName Manager ManagerCode Related Custodian Form Scope SignDate BeginDate DueDate State Ccy FeePct", mandates, numbers="FeePct"),
        "MandateValue": rows_frame(f"MandateNo ValueDate {worth}", mandate_values, numbers=worth, dates="ValueDate"),
    }


def _slashes(day: np.datetime64) -> str:
    year, month, number = str(day).split("-")
    return f"{number}/{month}/{year}"


def _opening(policies: int) -> dict[str, dict[str, list[int]]]:
    """Account -> asset -> [units, cost in cents, price in 0.0001] before the first month kept."""
    total = policies * 2_500_000_00
    book: dict[str, dict[str, list[int]]] = {}
    for account, _, _, _, share in _ACCOUNTS:
        book[account] = {}
        for number, percent in _MIX[account].items():
            price = _BY_NUMBER[number].price
            # Units in hundreds make every amount a whole number of cents.
            units = total * share // 100 * percent // 100 // price // 100 * 100 * 100
            book[account][number] = [units, units * price // 100, price]
    return book


def _month(rng: np.random.Generator, book: dict[str, dict[str, list[int]]], close: np.datetime64, last: bool) -> list[dict]:
    """A month's trades; the holdings in `book` move with them, cash on the other side."""
    rows = []
    dates = trading_days(close.astype("datetime64[M]").astype("datetime64[D]"), close)
    for account, _, _, currency, _ in _ACCOUNTS:
        cash = book[account][f"CASH-{currency}"]
        # The large subscription of the last month is saved up for.
        reserve = _RELATED[2] if account == _RELATED[0] else 0
        for number in [n for n in book[account] if _BY_NUMBER[n].kind not in _MONEY]:
            asset, holding = _BY_NUMBER[number], book[account][number]
            luck = rng.random()
            at = int(rng.integers(0, len(dates) - 3))
            price = max(1, holding[2] * int(rng.integers(9_930, 10_080)) // 10_000) if asset.kind != "HJ" else holding[2]
            units = holding[0] // int(rng.integers(20, 60)) // 100 * 100
            fund = asset.market == "OTC"
            if luck < 0.34 and units and units * price // 100 < (cash[1] - reserve) // 4:
                rows.append(_trade(account, asset, "SG" if fund else "B", dates[at], dates[at + 1], units, price, holding, cash))
            elif luck < 0.56 and units and asset.kind not in ("ZQ", "ABS"):
                rows.append(_trade(account, asset, "SH" if fund else "S", dates[at], dates[at + (2 if fund else 1)], units, price, holding, cash))
            elif luck < 0.70 and (asset.coupon or asset.kind == "GP"):
                amount = times(holding[1], asset.coupon or 12_000, 2_000_000)
                if amount:
                    rows.append(_paid(account, asset, "LX" if asset.coupon else "FH", dates[at], dates[at + 1], amount, cash))
        for number in [n for n in book[account] if _BY_NUMBER[n].kind == "CK"]:
            amount = (cash[1] - reserve) // 50 // 100_000_00 * 100_000_00
            if rng.random() < 0.4 and amount > 0:
                day = dates[int(rng.integers(0, len(dates)))]
                book[account][number][0] += amount
                book[account][number][1] += amount
                cash[0], cash[1] = cash[0] - amount, cash[1] - amount
                rows.append({"AcctNo": account, "AssetNo": number, "Side": "CR", "_day": day, "TradeDate": _slashes(day), "SettleDate": _slashes(day),
                             "Counterparty": _BY_NUMBER[number].issuer, "Market": "OTC", "Ccy": "CNY", "Quantity": 0, "Price": 0, "Amount": amount, "Fee": 0, "Settled": amount,
                             "Gain": 0, "Related": "0"})
    if last:
        account, number, wanted = _RELATED
        asset, holding = _BY_NUMBER[number], book[account].setdefault(number, [0, 0, _BY_NUMBER[number].price])
        units = wanted * 100 // asset.price
        rows.append({**_trade(account, asset, "SG", dates[2], dates[3], units, asset.price, holding, book[account]["CASH-CNY"]), "Counterparty": OWN_MANAGER, "Related": "1"})
    return rows


def _trade(account: str, asset: Asset, side: str, day: np.datetime64, settled: np.datetime64, units: int, price: int, holding: list[int], cash: list[int]) -> dict:
    """Buy or sell `units` at `price` (0.0001); costs are 0.05 % on stocks and nothing else. The gain is against the average cost."""
    amount = units * price // 100
    fee = times(amount, 5) if asset.kind == "GP" else 0
    gain = 0
    if side in ("B", "SG"):
        total = amount + fee
        holding[0], holding[1] = holding[0] + units, holding[1] + total
        cash[0], cash[1] = cash[0] - total, cash[1] - total
    else:
        total, cost = amount - fee, holding[1] * units // holding[0]
        gain = total - cost
        holding[0], holding[1] = holding[0] - units, holding[1] - cost
        cash[0], cash[1] = cash[0] + total, cash[1] + total
    partner = {"IB": CUSTODIANS[units // 100 % len(CUSTODIANS)], "OTC": asset.issuer}.get(asset.market)
    return {"AcctNo": account, "AssetNo": asset.number, "Side": side, "_day": day, "TradeDate": _slashes(day), "SettleDate": _slashes(settled), "Counterparty": partner,
            "Market": asset.market, "Ccy": asset.currency, "Quantity": units * 10**5, "Price": price * 100, "Amount": amount, "Fee": fee, "Settled": total, "Gain": gain, "Related": "0"}


def _paid(account: str, asset: Asset, side: str, day: np.datetime64, settled: np.datetime64, amount: int, cash: list[int]) -> dict:
    cash[0], cash[1] = cash[0] + amount, cash[1] + amount
    return {"AcctNo": account, "AssetNo": asset.number, "Side": side, "_day": day, "TradeDate": _slashes(day), "SettleDate": _slashes(settled), "Counterparty": asset.issuer,
            "Market": asset.market, "Ccy": asset.currency, "Quantity": 0, "Price": 0, "Amount": amount, "Fee": 0, "Settled": amount, "Gain": 0, "Related": "0"}


def _valued(rng: np.random.Generator, holdings: dict[str, list[int]], account: str, close: np.datetime64, drift: dict[str, int]) -> list[dict]:
    rows = []
    for number, (units, cost, price) in holdings.items():
        asset = _BY_NUMBER[number]
        money = asset.kind in _MONEY
        fair = units * (price * (10_000 + drift[number]) // 10_000) // 100 if asset.fair else cost if money else times(cost, 10_000 + int(rng.integers(-80, 160)))
        rows.append({"AcctNo": account, "AssetNo": number, "PosDate": close, "Quantity": (cost * 1000 if money else units * 10**5), "Cost": cost,
                     "BookValue": fair if asset.fair else cost, "FairValue": fair})
    return rows


def _value(rng: np.random.Generator, account: str, close: np.datetime64, held: list[dict]) -> dict:
    gross, cost = (sum(row[name] for row in held) for name in ("BookValue", "Cost"))
    debt = gross * 3 // 100 if account == "P02" else 0
    rate = int(rng.integers(120, 380))
    return {"AcctNo": account, "ValueDate": close, "Gross": gross, "Liabilities": debt, "Net": gross - debt, "Cost": cost, "Unrealised": gross - cost,
            "YearIncome": times(cost, rate), "YearReturn": rate * 100}


def _mandates(rng: np.random.Generator, codes: dict[str, str], policies: int, ends: list[np.datetime64]) -> tuple[list[dict], list[dict]]:
    """Four mandates: one with the insurer's own asset manager, two with others, one that has ended."""
    terms = ((OWN_MANAGER, "固定收益委托专户", "Z", (5, 80, 10, 5), "存款、债券、债券型基金、债权投资计划", 400, "R"),
             (OUTSIDE_MANAGERS[0], "权益委托专户", "Z", (8, 12, 80, 0), "境内上市股票、股票型基金、货币市场工具", 900, "R"),
             (OUTSIDE_MANAGERS[1], "固收增强组合类产品", "P", (10, 70, 18, 2), "债券、资产支持计划、境内上市股票", 550, "R"),
             (OUTSIDE_MANAGERS[2], "港股通委托专户", "Z", (0, 0, 0, 0), "港股通标的股票", 1000, "E"))
    heads, values = [], []
    end = ends[-1]
    for n, (manager, name, form, mix, scope, fee, state) in enumerate(terms):
        begin = end - days(int(rng.integers(500, 1500)))
        over = end - days(int(rng.integers(30, 120))) if state == "E" else begin + days(365 * 6) if n % 2 == 0 else None
        number = f"WT{str(begin)[:4]}-{n + 1:03d}"
        heads.append({"MandateNo": number, "MandateName": f"东岸人寿{name}", "Manager": manager, "ManagerCode": codes[manager], "Related": "1" if manager in (OWN_MANAGER, OWN_BROKER) else "0",
                      "Custodian": CUSTODIANS[n % len(CUSTODIANS)], "Form": form, "Scope": scope, "SignDate": _slashes(begin - days(12)), "BeginDate": _slashes(begin),
                      "DueDate": None if over is None else _slashes(over), "State": state, "Ccy": "CNY", "FeePct": fee * 10})
        initial = policies * int(rng.integers(60_000_00, 150_000_00))
        added, taken = (initial // 5 if n == 1 else 0), (initial if state == "E" else initial // 10 if n == 2 else 0)
        year = int(rng.integers(-150, 480)) * 100
        for back, close in enumerate(reversed(ends)):
            gross = 0 if state == "E" else times(initial + added - taken, 10_450 - 40 * back)
            parts = [gross * percent // 100 for percent in mix]
            parts[1] += gross - sum(parts)
            values.append({"MandateNo": number, "ValueDate": close, "Initial": initial, "Added": added, "Withdrawn": taken, "Gross": gross, "Net": gross - gross // 400,
                           "Liquid": parts[0], "Fixed": parts[1], "Equity": parts[2], "Other": parts[3], "YearReturn": year})
    return heads, values
