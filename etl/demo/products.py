"""The product catalogue and the plans (product with a way of paying) that can be sold.

Sale windows are relative to the first day of the insurer's history: products of the old generation were withdrawn the day
before, one product is withdrawn half-way through.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etl.demo.columns import NAT, NULL, Frame, days, objects

SINGLE = (0, "S", 0)
_ONE_YEAR_MONTHLY = (1, "Y", 1)


@dataclass(frozen=True)
class Product:
    """One product. `term` (flag, years|days|age), `pays` ways of paying (months between, unit, length), `rate` yearly premium
    per 1,000 of sum insured at age 30 for a 20-year payment, `sums` sums insured on offer in yuan."""

    code: str
    name: str
    kind: str
    sub: str
    term: tuple[str, int]
    pays: tuple[tuple[int, str, int], ...]
    ages: tuple[int, int]
    rate: float
    sums: tuple[int, ...]
    design: str = "1"
    rider: bool = False
    group: bool = False
    old: bool = False
    withdrawn_after: int | None = None
    interest: float | None = None
    channels: str = "01;03;04;05;06;07;08"
    special: str | None = None
    wait: int = 0
    weight: float = 1.0


def _ways(*lengths: int, flag: str = "Y", months: tuple[int, ...] = (12, 1, 3, 6)) -> tuple[tuple[int, str, int], ...]:
    return tuple((m, flag, length) for length in lengths for m in months)


CATALOGUE: tuple[Product, ...] = (
    Product("EL1001", "东岸福泽终身寿险", "L", "L2", ("W", 0), _ways(10, 20), (18, 60), 21.6, (100000, 200000, 300000, 500000), interest=0.025, weight=7),
    Product("EL1002", "东岸传世终身寿险（分红型）", "L", "L2", ("W", 0), (SINGLE, *_ways(5, 10, months=(12,))), (18, 65), 36.0, (80000, 150000, 260000),
            design="2", interest=0.02, weight=8),
    Product("EL1003", "东岸安心定期寿险", "L", "L1", ("Y", 20), _ways(20, 10), (18, 55), 3.1, (300000, 500000, 1000000), interest=0.025, weight=5),
    Product("EL1004", "东岸鑫享两全保险（分红型）", "L", "L3", ("Y", 10), (SINGLE, *_ways(3, 5, months=(12,))), (0, 65), 88.0, (50000, 100000, 200000),
            design="2", interest=0.02, weight=8),
    Product("EL1005", "东岸金账户两全保险（万能型）", "L", "L3", ("Y", 20), (SINGLE, (-1, "Y", 10)), (18, 65), 60.0, (50000, 100000), design="3",
            interest=0.015, weight=4),
    Product("EL1006", "东岸赢家终身寿险（投资连结型）", "L", "L2", ("W", 0), (SINGLE,), (18, 65), 52.0, (50000, 120000), design="4", interest=0.0,
            channels="01;03", weight=1),
    Product("EL1007", "东岸安居定期寿险", "L", "L1", ("A", 70), _ways(55, flag="A", months=(12, 1)), (18, 45), 3.9, (200000, 400000), interest=0.025,
            withdrawn_after=500, weight=3),
    Product("EL2001", "东岸颐养养老年金保险", "R", "R1", ("A", 88), _ways(10, 15, 20, months=(12, 1)), (18, 55), 58.0, (50000, 100000), interest=0.025, weight=6),
    Product("EL2002", "东岸启航少儿年金保险", "R", "R2", ("A", 30), _ways(5, 10, months=(12,)), (0, 12), 66.0, (50000, 100000), interest=0.025, weight=9),
    Product("EL3001", "东岸康佑重大疾病保险", "H", "H1", ("W", 0), _ways(20, 15, months=(12, 1)), (0, 55), 24.5, (100000, 200000, 300000, 500000),
            interest=0.025, wait=90, weight=10),
    Product("EL3002", "东岸守护百万医疗保险", "H", "H2", ("Y", 1), (SINGLE, _ONE_YEAR_MONTHLY), (0, 65), 0.33, (1000000, 2000000), wait=30, weight=13),
    Product("EL3003", "东岸长护护理保险", "H", "H3", ("Y", 30), _ways(10, 20, months=(12,)), (18, 60), 18.2, (100000, 200000), interest=0.02, wait=90, weight=2),
    Product("EL3004", "东岸惠民医疗保险（个人账户版）", "H", "H2", ("Y", 1), (SINGLE,), (0, 70), 0.42, (500000,), channels="08", wait=30, weight=1),
    Product("EL4001", "东岸平安综合意外伤害保险", "A", "A1", ("Y", 1), (SINGLE,), (0, 75), 1.4, (100000, 200000, 500000), special="11", weight=9),
    Product("EL4002", "东岸出行无忧意外伤害保险", "A", "A1", ("Y", 30), _ways(10, months=(12, 6)), (18, 55), 9.5, (100000, 300000), interest=0.02, weight=3),
    Product("EL4003", "东岸乘机意外伤害保险", "A", "A1", ("D", 30), (SINGLE,), (0, 75), 0.02, (1000000,), channels="07", special="02", weight=1.2),
    Product("EL1901", "东岸附加定期寿险", "L", "L1", ("Y", 20), (), (18, 60), 2.8, (50000, 100000), rider=True, interest=0.025),
    Product("EL3901", "东岸附加重大疾病保险", "H", "H1", ("Y", 20), (), (0, 55), 9.4, (50000, 100000), rider=True, interest=0.025, wait=90),
    Product("EL3902", "东岸附加住院费用医疗保险", "H", "H2", ("Y", 20), (), (0, 60), 11.7, (10000, 20000), rider=True, wait=30),
    Product("EL3903", "东岸附加住院津贴医疗保险", "H", "H2", ("Y", 1), (), (0, 75), 7.2, (10000, 18000), rider=True, wait=30),
    Product("EL4901", "东岸附加意外伤害保险", "A", "A1", ("Y", 20), (), (0, 65), 1.3, (100000, 200000), rider=True),
    Product("EG1001", "东岸团体定期寿险", "L", "L1", ("Y", 1), (SINGLE,), (16, 65), 2.2, (100000, 200000), group=True, channels="02", weight=3),
    Product("EG3001", "东岸团体补充医疗保险", "H", "H2", ("Y", 1), (SINGLE, _ONE_YEAR_MONTHLY), (16, 70), 12.5, (20000, 50000), group=True, channels="02", wait=0, weight=4),
    Product("EG4001", "东岸团体意外伤害保险", "A", "A1", ("Y", 1), (SINGLE,), (16, 70), 1.05, (200000, 300000, 600000), group=True, channels="02", weight=5),
    Product("EG4002", "东岸建筑施工人员团体意外伤害保险", "A", "A1", ("Y", 1), (SINGLE,), (16, 65), 2.6, (300000,), group=True, channels="02", special="09", weight=1),
    Product("EG3901", "东岸附加团体住院津贴医疗保险", "H", "H2", ("Y", 1), (), (16, 70), 4.4, (10000,), group=True, rider=True, channels="02"),
    Product("EO1001", "东岸如意终身寿险", "L", "L2", ("W", 0), _ways(20, months=(12, 1)), (0, 60), 19.8, (50000, 100000, 200000), old=True, interest=0.035, weight=4),
    Product("EO1002", "东岸红双喜两全保险（分红型）", "L", "L3", ("Y", 20), (SINGLE, *_ways(5, 10, months=(12,))), (0, 75), 79.0, (20000, 50000), design="2", old=True,
            interest=0.025, weight=5),
    Product("EO2001", "东岸金色年华年金保险", "R", "R2", ("A", 80), _ways(3, 5, 10, months=(12,)), (0, 60), 90.0, (20000, 50000), old=True, interest=0.035, weight=3),
    Product("EO3901", "东岸附加住院安心医疗保险", "H", "H2", ("Y", 20), (), (0, 70), 10.9, (5000, 10000), rider=True, old=True, wait=30),
    Product("EO3001", "东岸健康人生重大疾病保险", "H", "H1", ("A", 80), _ways(20, months=(12, 1)), (0, 55), 22.3, (50000, 100000, 200000), old=True, interest=0.035,
            wait=180, weight=5),
)
BY_CODE = {product.code: number for number, product in enumerate(CATALOGUE)}


@dataclass(frozen=True)
class Plan:
    """A main product with one way of paying: months between payments (0 single, -1 irregular), unit and length."""

    product: int
    months: int
    flag: str
    length: int
    weight: float


def plans(*, group: bool, old: bool) -> tuple[Plan, ...]:
    """Plans of one generation; yearly payment is the commonest way, monthly the next."""
    share = {12: 1.0, 1: 0.45, 3: 0.2, 6: 0.15, 0: 1.3, -1: 0.5}
    found = []
    for number, product in enumerate(CATALOGUE):
        if product.rider or product.group != group or product.old != old:
            continue
        total = sum(share[months] for months, _, _ in product.pays)
        found += [Plan(number, m, f, n, product.weight * share[m] / total) for m, f, n in product.pays]
    return tuple(found)


def sale_window(product: Product, start: np.datetime64) -> tuple[np.datetime64, np.datetime64]:
    """First and last day of sale (NaT while on sale) for an insurer whose history begins at `start`."""
    if product.old:
        return start - days(5800), start - days(1)
    return start - days(120), (start + days(product.withdrawn_after) if product.withdrawn_after else NAT)


def product_frame(start: np.datetime64) -> Frame:
    """LMRisk."""
    count = len(CATALOGUE)
    windows = [sale_window(product, start) for product in CATALOGUE]
    insure = {"W": "保终身", "Y": "保{}年", "A": "保至{}周岁", "D": "保{}天"}
    follow = ";与主险保险期间一致"
    ways = {0: "趸交", 1: "月交", 3: "季交", 6: "半年交", 12: "年交", -1: "不定期交"}

    def column(pick) -> np.ndarray:
        return objects([pick(product) for product in CATALOGUE])

    def number(pick, scale: int = 1) -> np.ndarray:
        values = [pick(product) for product in CATALOGUE]
        return np.array([NULL if value is None else round(value * scale) for value in values], dtype=np.int64)

    def first(product: Product) -> tuple[int, str, int]:
        return product.pays[0] if product.pays else (12, "Y", 10)

    long = [p.term[0] in "WA" or (p.term[0] == "Y" and p.term[1] > 1) for p in CATALOGUE]
    launched = np.array([window[0] for window in windows], dtype="datetime64[D]")
    withdrawn = np.array([window[1] for window in windows], dtype="datetime64[D]")
    return {
        "RiskCode": column(lambda p: p.code), "RiskName": column(lambda p: p.name), "RiskShortName": column(lambda p: p.name[2:8]),
        "RiskClass": column(lambda p: p.kind), "RiskSubClass": column(lambda p: p.sub), "DesignType": column(lambda p: p.design),
        "LongShortFlag": objects(["L" if x else "M" for x in long]), "GrpFlag": column(lambda p: "2" if p.group else "1"),
        "SubRiskFlag": column(lambda p: "S" if p.rider else "M"), "InsuYearFlag": column(lambda p: p.term[0]),
        "InsuYear": number(lambda p: None if p.term[0] == "W" else p.term[1]),
        "InsuPeriodText": column(lambda p: insure[p.term[0]].format(p.term[1]) + (follow if p.rider else "")),
        "PayPeriodText": column(lambda p: ";".join(dict.fromkeys(ways[m] for m, _, _ in p.pays or (first(p),)))),
        "PayIntvSet": column(lambda p: ";".join(dict.fromkeys(str(m) for m, _, _ in p.pays or (first(p),)))),
        "PayIntv": column(lambda p: str(first(p)[0])), "PayEndYearFlag": column(lambda p: first(p)[1]),
        "PayEndYear": number(lambda p: first(p)[2] or None), "PayMode": column(lambda p: "6" if p.code == "EL3004" else "2"),
        "FilingNo": objects([f"东岸人寿〔{str(launched[i])[:4]}〕{p.sub}{i + 11:03d}号" for i, p in enumerate(CATALOGUE)]),
        "FilingType": column(lambda p: "1" if p.design in "34" else "2"), "FilingDate": launched - days(45),
        "RegisterNo": objects([f"C0099{p.kind}{i + 1:04d}{str(launched[i])[:4]}" for i, p in enumerate(CATALOGUE)]),
        "ClauseName": column(lambda p: p.name + "条款"), "SaleState": objects(["1" if np.isnat(w) else "2" for w in withdrawn]),
        "StartSaleDate": launched, "EndSaleDate": withdrawn, "SaleChnlSet": column(lambda p: p.channels),
        "SaleArea": objects(["全国"] * count), "AssumedRate": number(lambda p: p.interest if p.design != "4" else None, 10000),
        "GuaranteedRate": number(lambda p: 0.015 if p.design == "3" else None, 10000),
        "BonusMode": column(lambda p: "2" if p.design == "2" else None), "MinAge": number(lambda p: p.ages[0]), "MaxAge": number(lambda p: p.ages[1]),
        "MinPrem": number(lambda p: 20 if p.code == "EL4003" else 100, 100), "Currency": objects(["RMB"] * count),
        "HesitateDays": np.full(count, 15, dtype=np.int64), "WaitDays": number(lambda p: p.wait), "RenewFlag": objects(["0"] * count),
        "LoanFlag": objects(["1" if x and p.kind in "LR" else "0" for x, p in zip(long, CATALOGUE)]),
        "TaxFlag": objects(["0"] * count), "ReinsFlag": column(lambda p: "1" if p.kind == "H" else "0"),
        "UWFlag": column(lambda p: "0" if p.kind == "A" else "1"), "MortalityTable": column(lambda p: "CL1(2010-2013)" if p.kind in "LR" else None),
        "SpecialBusi": column(lambda p: p.special),
    }
