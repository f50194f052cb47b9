"""The general ledger: one balanced voucher per day, branch and source, and the monthly balances that follow from them.

Premiums are booked on the day they are confirmed, claims on the day they are closed (paid out days later), other payouts on
the day they are paid, commissions and expenses month by month. Income and expense are carried to retained earnings by a
voucher at each year's end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from etl.demo.columns import Frame, blank, days, objects, size_of, take
from etl.demo.expenses import commission_entries, expense_entries, funding_entries
from etl.demo.finance_masters import ACCOUNTS, BOOK, master_frames
from etl.demo.organisation import HEAD_OFFICE, Organisation
from etl.demo.products import CATALOGUE
from etl.demo.staff import CAPITAL

_CODES = [account[0] for account in ACCOUNTS]
_INDEX = {code: i for i, code in enumerate(_CODES)}
_CLASS = {"L": "01", "R": "02", "H": "03", "A": "04"}
_SOURCES = ("BF", "PK", "FF", "JZ", "YJ", "YF", "FY", "ZJ")
_SUMMARIES = {"BF": "确认保费收入", "PK": "确认赔款支出", "FF": "支付赔款、满期及退保", "JZ": "年末结转损益", "YJ": "计提佣金及手续费", "YF": "支付佣金及手续费",
              "FY": "业务及管理费报销与计提", "ZJ": "上下级资金调拨"}
# Vouchers that business systems send come in batches; the others are made in the ledger itself.
_SENT = ("BF", "PK", "FF", "YJ", "YF")
_RESULT = [i for i, account in enumerate(ACCOUNTS) if account[4] in "45"]
_PARENTS = {_CODES.index(code): [i for i, account in enumerate(ACCOUNTS) if account[3] == code] for code in sorted({a[3] for a in ACCOUNTS if a[3]})}
_PAY_KINDS = ("S", "F", "R")
_NONE = -1
# Transactions summed at a time: a large insurer has millions of them, its ledger far fewer lines.
_AT_ONCE = 500_000


def finance_frames(seed: int, payments: Frame, payouts: Frame, commissions: Frame, claim_lines: Frame, staff: np.ndarray, organisation: Organisation,
                   start: np.datetime64, end: np.datetime64) -> dict[str, Frame]:
    """The tables of the ledger. `payments`, `payouts` and `commissions` are LJAPay, LJAGet and LACommision (amounts in cents,
    `_channel` beside them, `_paykind` beside the first); `claim_lines` has day, branch, product, channel and cents of every
    benefit paid; `staff` the employees of the head office and of each reporting branch."""
    branches = (HEAD_OFFICE, *organisation.codes)
    more = chain((commission_entries(piece, branches, start, end) for piece in _pieces(commissions)), (expense_entries(seed, staff, start, end), funding_entries(staff, start, end)))
    entries = _entries(payments, payouts, claim_lines, branches, more)
    early = entries["day"] < start
    opening = _opening(take(entries, early), branches)
    lines = _aggregate(take(entries, ~early))
    closing = _closings(lines, branches, end)
    everything = {name: np.concatenate([lines[name], closing[name]]) for name in lines}
    order = np.lexsort((everything["credit"], everything["pay"], everything["channel"], everything["product"], everything["account"], everything["side"],
                        everything["source"], everything["branch"], everything["day"]))
    everything = take(everything, order)
    voucher_frame, line_frame = _vouchers(everything, branches)
    return {**master_frames(seed, branches, organisation.frames["LDCom"], start, end), "Voucher": voucher_frame, "VoucherLine": line_frame,
            "Balance": _balances(everything, opening, branches, start, end)}


def _pieces(frame: Frame) -> Iterator[Frame]:
    """The rows of a frame, so many at once that what is worked out from them stays small; at least one piece."""
    for begin in range(0, max(size_of(frame), 1), _AT_ONCE):
        yield take(frame, slice(begin, begin + _AT_ONCE))


def _entries(payments: Frame, payouts: Frame, claim_lines: Frame, branches: tuple[str, ...], more: Iterable[Frame]) -> Frame:
    """Both sides of all transactions, summed piece by piece only: day, branch, source, account, product, channel, way of paying,
    side, debit, credit (cents). `more`: transactions with source, account numbers and cents of their own."""
    product = {p.code: i for i, p in enumerate(CATALOGUE)}
    class_of = np.array([int(_CLASS[p.kind]) for p in CATALOGUE])
    place = {code: i for i, code in enumerate(branches)}
    parts: list[Frame] = []

    def book(day, branch, source, number, channel, cents, debit, credit, pay=_NONE) -> None:
        zero = np.zeros(len(cents), dtype=np.int64)
        for account, left, right, named in ((debit, cents, zero, debit >= _INDEX["6031"]), (credit, zero, cents, credit >= _INDEX["6031"])):
            parts.append(_aggregate({
                "day": day, "branch": branch, "source": np.full(len(cents), source), "account": account, "product": np.where(named, number, _NONE),
                "channel": np.where(named, channel, _NONE), "pay": np.where(named, pay, _NONE), "debit": left, "credit": right}))

    def places(codes: np.ndarray) -> np.ndarray:
        return np.array([place[code] for code in codes.tolist()], dtype=np.int64)

    def channels(codes: np.ndarray) -> np.ndarray:
        return codes.astype("U2").astype(np.int64) if len(codes) else np.zeros(0, dtype=np.int64)

    for paid in _pieces(payments):
        number = np.array([product[code] for code in paid["RiskCode"].tolist()], dtype=np.int64)
        money = np.where(paid["PayMode"] == "1", _INDEX["1001"], _INDEX["1002"])
        book(paid["ConfDate"], places(paid["ManageCom"]), _SOURCES.index("BF"), number, channels(paid["_channel"]), paid["SumActuPayMoney"], money,
             _INDEX["6031"] + class_of[number], paid["_paykind"])
    number = np.array([product[code] for code in claim_lines["product"].tolist()], dtype=np.int64)
    owed = np.full(len(number), _INDEX["2241"])
    book(claim_lines["day"], places(claim_lines["branch"]), _SOURCES.index("PK"), number, channels(claim_lines["channel"]), claim_lines["cents"],
         _INDEX["6511"] + class_of[number], owed)
    number = np.array([product[code] for code in payouts["RiskCode"].tolist()], dtype=np.int64)
    target = {"1": "2241", "2": "6541", "3": "6541", "4": "6531", "5": "6532"}
    book(payouts["ConfDate"], places(payouts["ManageCom"]), _SOURCES.index("FF"), number, channels(payouts["_channel"]), payouts["GetMoney"],
         np.array([_INDEX[target[kind]] for kind in payouts["OtherNoType"].tolist()], dtype=np.int64), np.full(len(number), _INDEX["1002"]))
    for part in more:
        number = np.array([_NONE if code is None else product[code] for code in part["product"].tolist()], dtype=np.int64)
        debit, credit = (np.array([_INDEX[code] for code in part[side].tolist()], dtype=np.int64) for side in ("debit", "credit"))
        source = np.array([_SOURCES.index(code) for code in part["source"].tolist()], dtype=np.int64)
        book(part["day"], part["branch"], source, number, part["channel"], part["cents"], debit, credit)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _opening(early: Frame, branches: tuple[str, ...]) -> np.ndarray:
    """Net debit in cents per (branch, account) before the ledger begins; results are part of retained earnings."""
    net = np.zeros((len(branches), len(_CODES)), dtype=np.int64)
    np.add.at(net, (early["branch"], early["account"]), early["debit"] - early["credit"])
    net[:, _INDEX["4104"]] += net[:, _RESULT].sum(axis=1)
    net[:, _RESULT] = 0
    # The shareholders' capital lies with the head office's bank.
    net[0, _INDEX["1002"]] += CAPITAL
    net[0, _INDEX["4001"]] -= CAPITAL
    return net


def _aggregate(entries: Frame) -> Frame:
    """Entries summed per day, branch, source, account, product, channel, way of paying and side."""
    side = (entries["credit"] > 0).astype(np.int64)
    kept = (entries["debit"] + entries["credit"]) > 0
    entries, side = take(entries, kept), side[kept]
    day = entries["day"].astype("datetime64[D]").astype(np.int64)
    key = day
    for column, width in ((entries["branch"], 32), (entries["source"], 8), (side, 2), (entries["account"], 64), (entries["product"] + 1, 64),
                          (entries["channel"] + 1, 128), (entries["pay"] + 1, 4)):
        key = key * width + column
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    out = {name: entries[name][first] for name in ("day", "branch", "source", "account", "product", "channel", "pay")}
    out["side"] = side[first]
    for name in ("debit", "credit"):
        total = np.zeros(len(first), dtype=np.int64)
        np.add.at(total, inverse, entries[name])
        out[name] = total
    return out


def _closings(lines: Frame, branches: tuple[str, ...], end: np.datetime64) -> Frame:
    """Vouchers of 31 December that carry income and expense to retained earnings."""
    year = lines["day"].astype("datetime64[Y]")
    out: dict[str, list] = {name: [] for name in lines}
    for last in np.unique(year):
        day = (last + np.timedelta64(1, "Y")).astype("datetime64[D]") - days(1)
        if day > end:
            continue
        inside = year == last
        net = np.zeros((len(branches), len(_CODES)), dtype=np.int64)
        np.add.at(net, (lines["branch"][inside], lines["account"][inside]), (lines["debit"] - lines["credit"])[inside])
        for branch in range(len(branches)):
            moves = [(account, -int(net[branch, account])) for account in _RESULT if net[branch, account]]
            moves.append((_INDEX["4104"], -sum(amount for _, amount in moves)))
            for account, amount in moves:
                if amount:
                    row = (day, branch, _SOURCES.index("JZ"), account, _NONE, _NONE, _NONE, max(amount, 0), max(-amount, 0), int(amount < 0))
                    for name, value in zip(("day", "branch", "source", "account", "product", "channel", "pay", "debit", "credit", "side"), row):
                        out[name].append(value)
    return {name: np.array(values, dtype="datetime64[D]" if name == "day" else np.int64) for name, values in out.items()}


def _vouchers(lines: Frame, branches: tuple[str, ...]) -> tuple[Frame, Frame]:
    key = (lines["day"].astype(np.int64) * 32 + lines["branch"]) * 8 + lines["source"]
    fresh = np.concatenate([[True], key[1:] != key[:-1]]) if len(key) else np.zeros(0, dtype=bool)
    voucher = np.cumsum(fresh) - 1
    first = np.flatnonzero(fresh)
    day = lines["day"][first]
    stamp = np.datetime_as_string(day).tolist()
    number = objects([f"{branches[b]}-{d.replace('-', '')}-{_SOURCES[s]}" for d, b, s in zip(stamp, lines["branch"][first].tolist(), lines["source"][first].tolist())])
    source = objects(_SOURCES)[lines["source"][first]]
    order = np.argsort(number.astype(str))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    position = np.arange(len(voucher)) - first[voucher] + 1
    sequence = np.lexsort((position, rank[voucher]))
    batch = blank(len(first))
    sent = np.isin(source, _SENT)
    batch[sent] = [f"PC{d.replace('-', '')}{s}" for d, s in zip(np.array(stamp)[sent].tolist(), source[sent].tolist())]
    frame = {"VoucherNo": number, "BookCode": objects([BOOK] * len(first)), "BatchNo": batch, "BranchCode": objects(branches)[lines["branch"][first]], "VoucherDate": day,
             "Period": objects([d[:4] + d[5:7] for d in stamp]), "Source": source, "Summary": objects([_SUMMARIES[s] for s in source.tolist()]),
             "Operator": objects(["系统自动制单"] * len(first))}
    product = objects([None] + [p.code for p in CATALOGUE])
    channel = objects([None] + [f"{n:02d}" for n in range(100)])
    pay = objects([None, *_PAY_KINDS])
    rows = {"VoucherNo": number[voucher], "LineNo": position, "AccountCode": objects(_CODES)[lines["account"]], "RiskCode": product[lines["product"] + 1],
            "SaleChnl": channel[lines["channel"] + 1], "PayKind": pay[lines["pay"] + 1], "BaseDebit": lines["debit"], "BaseCredit": lines["credit"], "Currency": objects(["CNY"])[np.zeros(len(voucher), dtype=np.int64)], "Debit": lines["debit"], "Credit": lines["credit"]}
    return {k: v[order] for k, v in frame.items()}, {k: v[sequence] for k, v in rows.items()}


def _balances(lines: Frame, opening: np.ndarray, branches: tuple[str, ...], start: np.datetime64, end: np.datetime64) -> Frame:
    first_month = start.astype("datetime64[M]")
    months = int((end.astype("datetime64[M]") - first_month).astype(np.int64)) + 1
    month = (lines["day"].astype("datetime64[M]") - first_month).astype(np.int64)
    normal = lines["source"] != _SOURCES.index("JZ")
    turnover = np.zeros((2, months, len(branches), len(_CODES)), dtype=np.int64)
    carried = np.zeros((months, len(branches), len(_CODES)), dtype=np.int64)
    for side, name in enumerate(("debit", "credit")):
        np.add.at(turnover[side], (month[normal], lines["branch"][normal], lines["account"][normal]), lines[name][normal])
    np.add.at(carried, (month[~normal], lines["branch"][~normal], lines["account"][~normal]), (lines["debit"] - lines["credit"])[~normal])
    for parent, children in _PARENTS.items():
        turnover[:, :, :, parent] = turnover[:, :, :, children].sum(axis=-1)
        carried[:, :, parent] = carried[:, :, children].sum(axis=-1)
    net = opening.copy()
    rows: list[tuple] = []
    for index in range(months):
        last_day = (first_month + np.timedelta64(index + 1, "M")).astype("datetime64[D]") - days(1)
        close = net + turnover[0, index] - turnover[1, index]
        for branch, account in zip(*np.nonzero((net != 0) | (close != 0) | (turnover[:, index] != 0).any(axis=0))):
            rows.append((branch, account, last_day, net[branch, account], turnover[0, index, branch, account], turnover[1, index, branch, account], close[branch, account]))
        net = close + carried[index]
    branch, account, day, opened, debit, credit, closed = (np.array(column) for column in zip(*rows))
    order = np.lexsort((day, objects(_CODES)[account].astype(str), objects(branches)[branch].astype(str)))
    branch, account, day, opened, debit, credit, closed = (column[order] for column in (branch, account, day, opened, debit, credit, closed))
    stamp = np.datetime_as_string(day.astype("datetime64[D]")).tolist()
    return {"BookCode": objects([BOOK] * len(branch)), "BranchCode": objects(branches)[branch], "AccountCode": objects(_CODES)[account], "PeriodEnd": day.astype("datetime64[D]"),
            "Period": objects([d[:4] + d[5:7] for d in stamp]), "Currency": objects(["CNY"] * len(day)), "OpenDebit": np.maximum(opened, 0),
            "OpenCredit": np.maximum(-opened, 0), "Debit": debit, "Credit": credit, "CloseDebit": np.maximum(closed, 0), "CloseCredit": np.maximum(-closed, 0)}
