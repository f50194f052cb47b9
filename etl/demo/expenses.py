"""What the ledger books beside premiums and benefits: commissions accrued and paid, the expenses of running the branches, and
the money that the head office sends them.

Transactions carry day, branch (index), product and channel (None and -1 where there is none), accounts and cents; `source`
is the kind of voucher and is one for all rows of a frame.
"""

from __future__ import annotations

import numpy as np

from etl.demo.columns import Frame, add_months, blank, days, objects, stream
from etl.demo.commissions import PAY_DAY

# Account, day of the month, account credited, yuan per employee and month, how much it varies.
_EXPENSES = (("660101", 25, "2211", 11_800, 0.03), ("660102", 5, "1002", 2_100, 0.0), ("660103", 18, "1002", 640, 0.5), ("660104", 12, "1002", 380, 0.35),
             ("660105", 20, "1002", 900, 0.6), ("660106", 28, "1602", 310, 0.0))


# What the head office sends each branch on the first of the month, in yuan per employee.
_FUNDING = 24_000


def commission_entries(commissions: Frame, branches: tuple[str, ...], start: np.datetime64, end: np.datetime64) -> Frame:
    """Accrual at each month's end, and payment on the 15th of the next; sums per branch, product and channel."""
    place = {code: n for n, code in enumerate(branches)}
    branch = np.array([place[code] for code in commissions["ManageCom"].tolist()], dtype=np.int64)
    channel = commissions["_channel"].astype("U2").astype(np.int64) if len(branch) else np.zeros(0, dtype=np.int64)
    month = commissions["CalDate"].astype("datetime64[M]")
    last = (month + np.timedelta64(1, "M")).astype("datetime64[D]") - days(1)
    paid = month.astype("datetime64[D]") + np.timedelta64(0, "D")
    paid = add_months(paid, 1) + days(PAY_DAY - 1)
    account = np.where(commissions["CommisionType"] == "3", "642102", "642101").astype(object)
    due = paid <= end
    none = blank(int(due.sum()))
    accrued = _frame("YJ", last, branch, commissions["RiskCode"], channel, account, objects(["2202"] * len(branch)), commissions["Commision"])
    settled = _frame("YF", paid[due], branch[due], none, np.full(len(none), -1), objects(["2202"] * len(none)), objects(["1002"] * len(none)), commissions["Commision"][due])
    return {name: np.concatenate([accrued[name], settled[name]]) for name in accrued}


def _frame(source: str, day, branch, product, channel, debit, credit, cents) -> Frame:
    return {"day": day, "source": objects([source] * len(cents)), "branch": branch, "product": product, "channel": channel, "debit": debit, "credit": credit, "cents": cents}


def expense_entries(seed: int, staff: np.ndarray, start: np.datetime64, end: np.datetime64) -> Frame:
    """Salaries accrued and paid, rents, travel, office costs, promotion and depreciation of every branch and month."""
    rng = stream(seed, "expenses")
    first = start.astype("datetime64[M]")
    months = int((end.astype("datetime64[M]") - first).astype(np.int64)) + 1
    rows = []
    for month in range(months):
        begin = (first + np.timedelta64(month, "M")).astype("datetime64[D]")
        for branch, heads in enumerate(staff.tolist()):
            luck = rng.random(len(_EXPENSES))
            for (account, day, credit, yuan, swing), drawn in zip(_EXPENSES, luck.tolist()):
                cents = round(heads * yuan * 100 * (1 + swing * (drawn - 0.5)))
                rows.append((begin + days(day - 1), branch, account, credit, cents))
                if credit == "2211":
                    # Salaries are paid three days after they are booked.
                    rows.append((begin + days(day + 2), branch, credit, "1002", cents))
    rows = [row for row in rows if row[0] <= end and row[4]]
    day, branch, debit, credit, cents = zip(*rows)
    count = len(rows)
    return _frame("FY", np.array(day, dtype="datetime64[D]"), np.array(branch), blank(count), np.full(count, -1), objects(debit), objects(credit), np.array(cents, dtype=np.int64))


def funding_entries(staff: np.ndarray, start: np.datetime64, end: np.datetime64) -> Frame:
    """Money from the head office (first of `staff`) to the branches on the first of every month, in both books."""
    first = start.astype("datetime64[M]")
    months = int((end.astype("datetime64[M]") - first).astype(np.int64)) + 1
    rows = []
    for month in range(months):
        day = (first + np.timedelta64(month, "M")).astype("datetime64[D]")
        for branch, heads in enumerate(staff.tolist()[1:], start=1):
            cents = heads * _FUNDING * 100
            rows += [(day, branch, "1002", "3001", cents), (day, 0, "3001", "1002", cents)] if cents else []
    day, branch, debit, credit, cents = zip(*rows)
    count = len(rows)
    return _frame("ZJ", np.array(day, dtype="datetime64[D]"), np.array(branch), blank(count), np.full(count, -1), objects(debit), objects(credit), np.array(cents, dtype=np.int64))
