"""Commissions of sales persons and fees of agencies: a row per premium that earns one (LACommision)."""

from __future__ import annotations

import numpy as np

from etl.demo.columns import NAT, Frame, days, numbered, objects, take
from etl.demo.contracts import Contracts
from etl.demo.fates import COOLING_OFF, Fates
from etl.demo.premiums import step

# Rate in 1/10,000 of the premium by channel: single premium, one-year cover, and the first three policy years of a regular premium.
_RATES = {"01": (400, 1500, 3000, 1200, 600), "02": (500, 500, 500, 0, 0), "03": (300, 1000, 1200, 400, 200), "04": (450, 1800, 2800, 1000, 500),
          "05": (400, 1600, 2600, 900, 450)}
_TAX = 3
PAY_DAY = 15


def commission_frame(contracts: Contracts, fates: Fates, payments: Frame, policies: Frame, end: np.datetime64) -> Frame:
    """LACommision from LJAPay (with `_policy` beside it) and LCCont. No commission on policies cancelled in the cooling-off
    period, none after the third policy year; paid on the 15th of the following month."""
    policy = payments["_policy"]
    channel = contracts.channel[policy]
    kinds = np.unique(channel.astype(str)).tolist()
    table = np.array([_RATES.get(kind, (0, 0, 0, 0, 0)) for kind in kinds])
    year = (payments["PayCount"] - 1) * step(contracts)[policy] // 12 + 1
    column = np.where(contracts.short[policy], 1, np.where(contracts.months[policy] == 0, 0, np.minimum(year, 4) + 1))
    wide = np.concatenate([table, np.zeros((len(kinds), 1), dtype=np.int64)], axis=1)
    rate = wide[np.searchsorted(kinds, channel.astype(str)), column]
    amount = (payments["SumActuPayMoney"] * rate + 5_000) // 10_000
    earning = np.flatnonzero((amount > 0) & (fates.reason[policy] != COOLING_OFF))
    paid, policy, rate, amount, year = take(payments, earning), policy[earning], rate[earning], amount[earning], year[earning]
    agency = np.isin(contracts.channel[policy], ("03", "04", "05"))
    # Earned when the premium is there and the policy is signed.
    settled = np.maximum(paid["ConfDate"], contracts.sign[policy])
    due = (settled.astype("datetime64[M]") + np.timedelta64(1, "M")).astype("datetime64[D]") + days(PAY_DAY - 1)
    return {
        "CommisionSN": numbered("YJ", np.arange(len(policy)) + 1, 10), **{name: paid[name] for name in ("PayNo", "ContNo", "PolNo", "RiskCode", "ManageCom", "PayCount", "Currency")},
        "CommisionType": np.where(agency, "3", np.where(year == 1, "1", "2")).astype(object), "AgentCode": policies["AgentCode"][policy],
        "AgentCom": policies["AgentCom"][policy], "PayYear": year, "TransMoney": paid["SumActuPayMoney"], "FYCRate": rate, "Commision": amount,
        "Tax": np.where(agency, 0, amount * _TAX // 100), "CalDate": settled, "PayDate": np.where(due <= end, due, NAT),
        "_channel": objects(kinds)[np.searchsorted(kinds, contracts.channel[policy].astype(str))],
    }
