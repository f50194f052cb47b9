"""The reinsurance system: treaties over the products that are marked as reinsured, the cessions of real policies under them,
and the accounts that follow from the premiums received and the benefits paid on those policies.

Dates are text yyyymmdd in this system, shares and rates percentages, retentions in 10,000 CNY.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etl.demo.claims import Claims
from etl.demo.columns import NULL, Frame, compact, days, objects, stream, years
from etl.demo.contracts import Contracts
from etl.demo.products import BY_CODE, CATALOGUE
from etl.demo.rows import last_day, month_ends, rows_frame, times, year_start

_REINSURERS = (("RE01", "远洲人寿再保险有限责任公司", "CHN"), ("RE02", "东海再保险股份有限公司", "CHN"),
               ("RE03", "狮城再保险有限公司上海分公司", "SGP"), ("RE04", "阿尔卑再保险股份公司北京分公司", "CHE"))
_METHODS = {"QS": "成数分保", "SP": "溢额分保", "QX": "成数溢额混合分保", "XL": "超额赔款分保"}
_ACCOUNT_MONTHS = 13
_OLD_DAYS = 5800


@dataclass(frozen=True)
class Treaty:
    """A treaty: `begins` in days before the history (None: on 1 January of the reported year, for one year), `ended` days before
    the history; `parts` (reinsurer, percent), the first leads; percentages in whole percent, money in cents; `weight` is what the
    treaty takes for premium, in percent of the original premium."""

    name: str
    method: str
    basis: str
    products: tuple[str, ...]
    parts: tuple[tuple[str, int], ...]
    begins: int | None
    cede: int | None = None
    keep_cents: int | None = None
    most_cents: int | None = None
    commission: int | None = None
    profit: int | None = None
    weight: int = 100
    rhythm: str = "Q"
    kind: str = "T"
    broker: str | None = None
    state: str = "A"
    ended: int | None = None


_TREATIES = (
    Treaty("重大疾病保险成数再保险合同", "QS", "RP", ("EL3001", "EL3901"), (("RE01", 60), ("RE03", 40)), 0, cede=40, commission=25, profit=30, weight=35),
    Treaty("医疗保险成数再保险合同", "QS", "OT", ("EL3002", "EL3004", "EL3902", "EL3903", "EG3001", "EG3901"), (("RE02", 100),), 0, cede=30, commission=22,
           rhythm="M", broker="远帆保险经纪有限公司"),
    Treaty("护理保险溢额再保险合同", "SP", "RP", ("EL3003",), (("RE04", 70), ("RE02", 30)), 0, keep_cents=100_000_00, most_cents=2_000_000_00, commission=20, weight=35),
    Treaty("老产品健康保险成数溢额混合再保险合同", "QX", "RP", ("EO3001", "EO3901"), (("RE01", 100),), _OLD_DAYS, cede=25, keep_cents=80_000_00,
           most_cents=1_000_000_00, commission=18, weight=35, state="S"),
    Treaty("团体医疗保险超额赔款再保险合同", "XL", "NP", ("EG3001",), (("RE03", 55), ("RE04", 45)), None, keep_cents=500_000_00, most_cents=5_000_000_00, weight=2,
           broker="远帆保险经纪有限公司"),
    Treaty("健康人生重大疾病保险溢额再保险合同", "SP", "RP", ("EO3001",), (("RE02", 100),), _OLD_DAYS, keep_cents=200_000_00, most_cents=1_500_000_00, commission=15,
           weight=35, state="T", ended=1500),
)


def reinsurance_frames(seed: int, contracts: Contracts, claims: Claims, payments: Frame, payouts: Frame, start: np.datetime64, end: np.datetime64) -> dict[str, Frame]:
    """All tables of the system. `payments` and `payouts` are LJAPay and LJAGet, amounts in cents; accounts are rendered for the
    thirteen months before `end`, in the month after the period."""
    treaties, numbers, begins, ends = list(_TREATIES), [], [], []
    single = _facultative(contracts, start)
    if single is not None:
        treaties.append(single[0])
    for n, treaty in enumerate(treaties):
        begin = year_start(end) if treaty.begins is None else start - days(treaty.begins)
        begins.append(begin)
        ends.append(last_day(begin + np.timedelta64(364, "D")) if treaty.begins is None else None if treaty.ended is None else start - days(treaty.ended))
        numbers.append(f"{'TR' if treaty.kind == 'T' else 'FR'}{int(years(np.array([begin]))[0])}{n + 1:02d}")
    ceded = [_ceded_sums(treaty, contracts) for treaty in treaties]
    if single is not None:
        ceded[-1][np.arange(len(ceded[-1])) != single[1]] = 0
    cessions = _cessions(treaties, numbers, begins, ceded, contracts)
    book = _book(contracts, claims, payments, payouts, end)
    accounts, lines = _accounts(stream(seed, "reinsurance accounts"), treaties, numbers, begins, ends, ceded, contracts, book, end)
    return {"Reinsurer": rows_frame("ReinsurerNo FullName Country", [dict(zip(("ReinsurerNo", "FullName", "Country"), r)) for r in _REINSURERS]),
            **_terms(treaties, numbers, begins, ends), "Cession": cessions, "ReAccount": accounts, "ReAccountLine": lines}


def _facultative(contracts: Contracts, start: np.datetime64) -> tuple[Treaty, int] | None:
    """The largest critical-illness cover is placed on its own as well; None where there is none."""
    eligible = np.flatnonzero((contracts.cover_product == BY_CODE["EL3001"]) & (contracts.valid[contracts.cover_policy] >= start))
    if not len(eligible):
        return None
    cover = int(eligible[np.argmax(contracts.cover_sum[eligible])])
    valid = contracts.valid[contracts.cover_policy[cover]]
    before = -int((valid - start).astype("timedelta64[D]").astype(np.int64))
    keep = int(contracts.cover_sum[cover]) * 8 // 10
    return Treaty("大额重大疾病保险临时再保险合同", "SP", "RP", ("EL3001",), (("RE04", 100),), before, keep_cents=keep, most_cents=10_000_000_00, commission=15,
                  weight=35, kind="F"), cover


def _ceded_sums(treaty: Treaty, contracts: Contracts) -> np.ndarray:
    """Sum ceded per coverage in cents; -1 where the coverage is protected without a share (excess of loss), 0 where not covered."""
    inside = np.isin(contracts.cover_product, [BY_CODE[code] for code in treaty.products])
    whole = contracts.cover_sum
    if treaty.state == "T":
        return np.zeros(len(whole), dtype=np.int64)
    if treaty.method == "XL":
        return np.where(inside, -1, 0)
    keep = treaty.keep_cents if treaty.keep_cents is not None else NULL
    shared = np.where(keep == NULL, whole, np.minimum(whole, keep)) * (treaty.cede or 0) // 100
    above = np.where(keep == NULL, 0, np.maximum(whole - keep, 0))
    return np.where(inside, np.minimum(shared + above, treaty.most_cents or shared + above), 0)


def _terms(treaties: list[Treaty], numbers: list[str], begins: list, ends: list) -> dict[str, Frame]:
    head, parts, products = [], [], []
    for treaty, number, begin, stop in zip(treaties, numbers, begins, ends):
        first = compact(np.array([begin, begin - days(25)]))
        last = None if stop is None else str(stop).replace("-", "")
        head.append({"TreatyNo": number, "TreatyName": f"{number[2:6]}年度{treaty.name}", "Direction": "O", "TreatyKind": treaty.kind, "SignDate": first[1],
                     "BeginDate": first[0], "EndDate": last, "Broker": treaty.broker})
        parts += [{"TreatyNo": number, "ReinsurerNo": who, "LeadFlag": "Y" if n == 0 else "N", "SharePct": percent * 10_000} for n, (who, percent) in enumerate(treaty.parts)]
        products += [{
            "ReProductNo": f"{number}-{code}", "TreatyNo": number, "RiskCode": code, "ReProductName": f"{CATALOGUE[BY_CODE[code]].name}{_METHODS[treaty.method]}",
            "Method": treaty.method, "Basis": treaty.basis, "Retention": treaty.keep_cents and treaty.keep_cents // 100,
            "KeepPct": treaty.cede and (100 - treaty.cede) * 10_000, "CedePct": treaty.cede and treaty.cede * 10_000, "MaxCeded": treaty.most_cents and treaty.most_cents // 100,
            "CommPct": treaty.commission and treaty.commission * 10_000, "ProfitPct": treaty.profit and treaty.profit * 10_000, "BeginDate": first[0], "EndDate": last,
            "State": treaty.state,
        } for code in treaty.products]
    return {
        "Treaty": rows_frame("TreatyNo TreatyName Direction TreatyKind SignDate BeginDate EndDate Broker", head),
        "TreatyShare": rows_frame("TreatyNo ReinsurerNo LeadFlag SharePct", parts, numbers="SharePct"),
        "TreatyProduct": rows_frame("ReProductNo TreatyNo RiskCode ReProductName Method Basis Retention KeepPct CedePct MaxCeded CommPct ProfitPct BeginDate EndDate State",
                                    products, numbers="Retention KeepPct CedePct MaxCeded CommPct ProfitPct"),
    }


def _cessions(treaties: list[Treaty], numbers: list[str], begins: list, ceded: list[np.ndarray], contracts: Contracts) -> Frame:
    parts: list[Frame] = []
    codes = [product.code for product in CATALOGUE]
    for number, begin, sums in zip(numbers, begins, ceded):
        cover = np.flatnonzero(sums != 0)
        policy = contracts.cover_policy[cover]
        product = contracts.cover_product[cover].tolist()
        parts.append({"ReProductNo": objects([f"{number}-{codes[p]}" for p in product]), "PolNo": contracts.cover_number[cover], "ContNo": contracts.number[policy],
                      "SumInsured": contracts.cover_sum[cover], "SumCeded": np.maximum(sums[cover], 0), "BeginDate": compact(np.maximum(contracts.valid[policy], begin))})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _book(contracts: Contracts, claims: Claims, payments: Frame, payouts: Frame, end: np.datetime64) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(coverage, day, cents) of the premiums, benefits and surrender values of the last months."""
    since = month_ends(end, _ACCOUNT_MONTHS + 3)[0]
    order = np.argsort(contracts.cover_number.astype(str), kind="stable")
    known = contracts.cover_number[order].astype(str)

    def covers(numbers: np.ndarray) -> np.ndarray:
        return order[np.searchsorted(known, numbers.astype(str))] if len(numbers) else np.zeros(0, dtype=np.int64)

    paid = np.flatnonzero(payments["ConfDate"] > since)
    back = np.flatnonzero((payouts["ConfDate"] > since) & np.isin(payouts["OtherNoType"].astype(str), ("2", "3")))
    settled = np.flatnonzero(claims.line_paid > 0)
    settled = settled[claims.closed[claims.line_case[settled]] > since]
    return {
        "premium": (covers(payments["PolNo"][paid]), payments["ConfDate"][paid], payments["SumActuPayMoney"][paid]),
        "claims": (claims.line_cover[settled], claims.closed[claims.line_case[settled]], claims.line_paid[settled]),
        "surrenders": (covers(payouts["PolNo"][back]), payouts["ConfDate"][back], payouts["GetMoney"][back]),
    }


def _accounts(rng: np.random.Generator, treaties: list[Treaty], numbers: list[str], begins: list, ends: list, ceded: list[np.ndarray], contracts: Contracts,
              book: dict, end: np.datetime64) -> tuple[Frame, Frame]:
    heads, lines = [], []
    for closing in month_ends(end, _ACCOUNT_MONTHS + 1)[:-1]:
        month = int(closing.astype("datetime64[M]").astype(np.int64)) % 12 + 1
        for treaty, number, begin, sums, stop in zip(treaties, numbers, begins, ceded, ends):
            if treaty.state == "T" or closing < begin or (stop is not None and closing > stop) or (treaty.rhythm == "Q" and month % 3):
                continue
            first = (closing.astype("datetime64[M]") - np.timedelta64(0 if treaty.rhythm == "M" else 2, "M")).astype("datetime64[D]")
            totals = {name: _by_product(treaty, sums, contracts, entries, max(first, begin), closing) for name, entries in book.items()}
            for reinsurer, percent in treaty.parts:
                issued = closing + days(int(rng.integers(8, 25)))
                settled = issued + days(int(rng.integers(4, 28)))
                state = "Y" if settled <= end else "N"
                if state == "Y" and rng.random() < 0.1:
                    state = "P"
                account = f"{number}-{reinsurer}-{str(closing).replace('-', '')[:6]}"
                heads.append({"AccountNo": account, "TreatyNo": number, "ReinsurerNo": reinsurer, "AccountKind": treaty.rhythm, "FromDate": str(first).replace("-", ""),
                              "ToDate": str(closing).replace("-", ""), "Currency": "CNY", "IssueDate": str(issued).replace("-", ""), "SettleState": state,
                              "SettleDate": str(settled).replace("-", "") if state != "N" else None})
                lines += _lines(rng, treaty, number, account, percent, totals)
    money = "Premium Commission ProfitComm Claims Surrenders Survivals Adjustment Balance"
    return (rows_frame("AccountNo TreatyNo ReinsurerNo AccountKind FromDate ToDate Currency IssueDate SettleState SettleDate", heads),
            rows_frame(f"AccountNo ReProductNo {money}", lines, numbers=money))


def _by_product(treaty: Treaty, sums: np.ndarray, contracts: Contracts, entries: tuple[np.ndarray, np.ndarray, np.ndarray], first: np.datetime64,
                last: np.datetime64) -> dict[str, int]:
    """What falls to all reinsurers of the treaty in a period, by product. `entries`: cover, day and amount in cents of each."""
    cover, day, cents = entries
    hit = np.flatnonzero((day >= first) & (day <= last) & (sums[cover] != 0))
    covers = cover[hit]
    share = np.where(sums[covers] < 0, 1.0, sums[covers] / np.maximum(contracts.cover_sum[covers], 1))
    amount = np.floor(cents[hit] * share).astype(np.int64)
    return {code: int(amount[contracts.cover_product[covers] == BY_CODE[code]].sum()) for code in treaty.products}


def _lines(rng: np.random.Generator, treaty: Treaty, number: str, account: str, percent: int, totals: dict[str, dict[str, int]]) -> list[dict]:
    """One line per product with anything to account for; the first product alone in an account without any movement."""
    rows = []
    for code in treaty.products:
        premium = totals["premium"][code] * treaty.weight // 100 * percent // 100
        # Nothing ever came near the retention of the excess of loss; surrender values are shared on original terms only.
        claims = 0 if treaty.method == "XL" else totals["claims"][code] * percent // 100
        surrenders = totals["surrenders"][code] * percent // 100 if treaty.basis == "OT" else 0
        adjustment = int(rng.integers(-2000, 2000)) if premium and rng.random() < 0.08 else 0
        commission = times(premium, treaty.commission or 0, 100)
        rows.append({"AccountNo": account, "ReProductNo": f"{number}-{code}", "Premium": premium, "Commission": commission, "ProfitComm": 0, "Claims": claims,
                     "Surrenders": surrenders, "Survivals": 0, "Adjustment": adjustment, "Balance": premium - commission - claims - surrenders + adjustment})
    busy = [row for row in rows if row["Premium"] or row["Claims"] or row["Surrenders"]]
    return busy or rows[:1]
