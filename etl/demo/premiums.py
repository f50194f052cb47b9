"""Premium payments that follow each policy's payment plan up to the as-of date (LJAPay)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etl.demo.columns import OPEN, Frame, add_months, days, numbered, objects, stream
from etl.demo.contracts import Contracts
from etl.demo.fates import Fates, instalments_due
from etl.demo.products import CATALOGUE

FIRST, RENEWAL, REINSTATEMENT = "0", "1", "2"


@dataclass(frozen=True)
class Payments:
    """Paid instalments, one entry per policy and instalment, in policy order: `policy`, `count` (from 1), `due`, `paid_on`,
    `confirmed`, `kind`. `paid` tells per policy how many there are."""

    policy: np.ndarray
    count: np.ndarray
    due: np.ndarray
    paid_on: np.ndarray
    confirmed: np.ndarray
    kind: np.ndarray
    paid: np.ndarray


def draw_payments(seed: int, contracts: Contracts, fates: Fates, end: np.datetime64) -> Payments:
    """All payments confirmed by `end` and before the policy ended."""
    rng = stream(seed, "payments")
    due_count = instalments_due(contracts, end)
    policy = np.repeat(np.arange(len(due_count)), due_count)
    turn = np.arange(len(policy)) - np.repeat(np.cumsum(due_count) - due_count, due_count)
    due = add_months(contracts.valid[policy], turn * step(contracts)[policy])
    size = len(policy)
    # Less than a month of delay, two days of advance: instalments stay in order.
    paid_on = due + days(np.where(rng.random(size) < 0.6, rng.integers(-2, 3, size), rng.integers(-2, 26, size)))
    paid_on = np.where(turn == 0, contracts.first_pay[policy], paid_on)
    kind = np.where(turn == 0, FIRST, RENEWAL).astype(object)
    lapsed = (fates.lapsed_at[policy] >= 0) & (turn >= fates.lapsed_at[policy])
    back = fates.reinstate[policy]
    arrears = lapsed & ~np.isnat(back) & (due <= back)
    paid_on = np.where(arrears, back, np.where(lapsed & ~np.isnat(back), np.maximum(paid_on, back), paid_on))
    kind[arrears] = REINSTATEMENT
    confirmed = np.minimum(paid_on + days(rng.integers(0, 2, size)), end)
    several = arrears & (np.bincount(policy[lapsed & (paid_on == back)], minlength=len(due_count))[policy] > 1)
    confirmed = np.where(several, np.fmin(confirmed, _confirmed_by(paid_on, fates.terminate[policy])), confirmed)
    # A client pays for all members of its group policy at once.
    lead = _leads(contracts)[policy]
    same = np.searchsorted(policy, lead) + turn
    paid_on, confirmed = paid_on[same], confirmed[same]
    over = fates.terminate[policy]
    keep = (paid_on <= end) & ~(lapsed & np.isnat(back)) & ((turn == 0) | np.isnat(over) | (confirmed < over))
    policy, turn = policy[keep], turn[keep]
    return Payments(policy, turn + 1, due[keep], paid_on[keep], confirmed[keep], kind[keep], np.bincount(policy, minlength=len(due_count)))


def _confirmed_by(paid_on: np.ndarray, over: np.ndarray) -> np.ndarray:
    """The last day to confirm several instalments that came in on `paid_on`, for policies ended on `over` (NaT = never): within
    the month and before the end. They are one sum; were it split over two months, either month would skip instalments."""
    month_end = (paid_on.astype("datetime64[M]") + np.timedelta64(1, "M")).astype("datetime64[D]") - days(1)
    return np.fmin(month_end, over - days(1))


def _leads(contracts: Contracts) -> np.ndarray:
    """The policy whose payment days each policy shares: the first certificate of its group policy, or itself."""
    own = np.arange(len(contracts.group))
    _, first, inverse = np.unique(contracts.group, return_index=True, return_inverse=True)
    return np.where(contracts.group >= 0, first[inverse], own)


def step(contracts: Contracts) -> np.ndarray:
    """Months between instalments per policy; irregular payers are taken to pay yearly, single ones not at all."""
    return np.where(contracts.months == -1, 12, np.maximum(contracts.months, 0))


def paid_to(contracts: Contracts, payments: Payments) -> np.ndarray:
    """Day up to which premiums are paid, per policy; open-ended for single premiums."""
    return np.where(contracts.months == 0, OPEN, add_months(contracts.valid, payments.paid * step(contracts)))


def payment_frame(seed: int, contracts: Contracts, payments: Payments, holder_names: np.ndarray, group_numbers: np.ndarray) -> Frame:
    """LJAPay: each payment split over the coverages of its policy, numbered in the order of confirmation."""
    first = np.searchsorted(contracts.cover_policy, np.arange(len(contracts.sign)))
    covers = np.bincount(contracts.cover_policy, minlength=len(contracts.sign))
    repeat = covers[payments.policy]
    at = np.repeat(np.arange(len(payments.policy)), repeat)
    cover = first[payments.policy[at]] + np.arange(len(at)) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    order = np.lexsort((cover, payments.count[at], payments.confirmed[at]))
    at, cover = at[order], cover[order]
    policy = payments.policy[at]
    cash = contracts.way[policy] == "1"
    bank, account, holder = contracts.bank[policy], contracts.account[policy], holder_names[policy]
    for column in (bank, account, holder):
        column[cash] = None
    months = step(contracts)[policy]
    following = np.where(contracts.months[policy] == 0, OPEN, add_months(contracts.valid[policy], payments.count[at] * months))
    return {
        "PayNo": numbered("J", np.arange(len(at)) + 1, 10), "ContNo": contracts.number[policy], "GrpContNo": group_numbers[policy],
        "ContType": np.where(contracts.group[policy] >= 0, "2", "1").astype(object), "PolNo": contracts.cover_number[cover],
        "RiskCode": objects([p.code for p in CATALOGUE])[contracts.cover_product[cover]], "ManageCom": contracts.branch[policy],
        "PayCount": payments.count[at], "PayType": payments.kind[at], "LastPayToDate": payments.due[at], "CurPayToDate": following,
        "SumActuPayMoney": contracts.cover_premium[cover], "Currency": objects(["RMB"])[np.zeros(len(at), dtype=np.int64)],
        "EnterAccDate": payments.paid_on[at], "ConfDate": payments.confirmed[at], "PayMode": contracts.way[policy],
        "BankName": bank, "BankAccNo": account, "AccName": holder,
        "_channel": contracts.channel[policy], "_policy": policy,
        "_paykind": np.where(contracts.months[policy] == 0, 0, np.where((payments.count[at] - 1) * months < 12, 1, 2)),
    }
