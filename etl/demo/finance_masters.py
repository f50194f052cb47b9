"""The ledger's masters: chart of accounts, book set, how it knows products, and the company's own bank accounts."""

from __future__ import annotations

import numpy as np

from etl.demo import identity
from etl.demo.columns import NAT, Frame, days, numbered, objects, stream
from etl.demo.products import CATALOGUE

BOOK = "B01"
# Number, name, level, superior account, type (1 assets, 2 liabilities, 3 equity, 4 income, 5 expense, 6 either side); superior ones first.
ACCOUNTS = (
    ("1001", "库存现金", 1, None, "1"), ("1002", "银行存款", 1, None, "1"), ("1602", "累计折旧", 1, None, "1"), ("2202", "应付手续费及佣金", 1, None, "2"),
    ("2211", "应付职工薪酬", 1, None, "2"), ("2241", "其他应付款", 1, None, "2"), ("3001", "系统往来", 1, None, "6"), ("4001", "实收资本", 1, None, "3"), ("4103", "本年利润", 1, None, "3"),
    ("4104", "未分配利润", 1, None, "3"), ("6031", "保费收入", 1, None, "4"), ("603101", "保费收入-寿险", 2, "6031", "4"), ("603102", "保费收入-年金", 2, "6031", "4"),
    ("603103", "保费收入-健康险", 2, "6031", "4"), ("603104", "保费收入-意外险", 2, "6031", "4"), ("6421", "手续费及佣金支出", 1, None, "5"),
    ("642101", "手续费及佣金支出-佣金", 2, "6421", "5"), ("642102", "手续费及佣金支出-手续费", 2, "6421", "5"), ("6511", "赔款支出", 1, None, "5"),
    ("651101", "赔款支出-寿险", 2, "6511", "5"), ("651102", "赔款支出-年金", 2, "6511", "5"), ("651103", "赔款支出-健康险", 2, "6511", "5"),
    ("651104", "赔款支出-意外险", 2, "6511", "5"), ("6531", "满期给付", 1, None, "5"), ("6532", "年金给付", 1, None, "5"), ("6541", "退保金", 1, None, "5"),
    ("6601", "业务及管理费", 1, None, "5"), ("660101", "业务及管理费-职工薪酬", 2, "6601", "5"), ("660102", "业务及管理费-租赁费", 2, "6601", "5"),
    ("660103", "业务及管理费-差旅费", 2, "6601", "5"), ("660104", "业务及管理费-办公费", 2, "6601", "5"), ("660105", "业务及管理费-业务宣传费", 2, "6601", "5"),
    ("660106", "业务及管理费-折旧费", 2, "6601", "5"),
)
_STAT_CLASS = {"L": "1", "R": "2", "H": "3", "A": "4"}
_STAT_DESIGN = {"1": "P", "2": "F", "3": "W", "4": "T"}


def master_frames(seed: int, branches: tuple[str, ...], units: Frame, start: np.datetime64, end: np.datetime64) -> dict[str, Frame]:
    """Account, Book, ProductMap and BankAccount. `units` is LDCom, `branches` the codes of those that keep accounts."""
    columns = list(zip(*ACCOUNTS))
    return {
        "Account": {"AccountCode": objects(columns[0]), "AccountName": objects(columns[1]), "Level": np.array(columns[2], dtype=np.int64),
                    "ParentCode": objects(columns[3]), "AccountType": objects(columns[4])},
        "Book": {"BookCode": objects([BOOK]), "BookName": objects(["东岸人寿法定账套"]), "BaseCurrency": objects(["CNY"])},
        "ProductMap": {"RiskCode": objects([p.code for p in CATALOGUE]), "FinCode": numbered("P", np.arange(len(CATALOGUE)) + 101, 5),
                       "StatClass": objects([_STAT_CLASS[p.kind] for p in CATALOGUE]), "StatDesign": objects([_STAT_DESIGN[p.design] for p in CATALOGUE])},
        "BankAccount": _bank_accounts(seed, branches, units, start, end),
    }


def _bank_accounts(seed: int, branches: tuple[str, ...], units: Frame, start: np.datetime64, end: np.datetime64) -> Frame:
    """Two accounts per branch, for income and for spending; a deposit of the head office and two accounts closed since."""
    rng = stream(seed, "bank accounts")
    place = {code: n for n, code in enumerate(units["ComCode"].tolist())}
    owner = [*(b for b in branches for _ in range(2)), branches[0], branches[1], branches[-1]]
    rows = np.array([place[b] for b in owner])
    count = len(owner)
    bank = rng.integers(0, len(identity.BANKS), count)
    purpose = [*(("O", "I") * len(branches)), "C", "I", "O"]
    kind = [*(("B", "G") * len(branches)), "D", "G", "G"]
    opened = units["FoundDate"][rows] + days(rng.integers(5, 400, count))
    closed = np.full(count, NAT)
    closed[-2:] = (start + days(400), end - days(25))
    # Numbers of companies' accounts are not card numbers: a bank's 4 digits, the branch's, a sequence.
    number = [f"{1000 + b * 37}{code:0<4}{n * 7919 + 100003:09d}" for n, (b, code) in enumerate(zip(bank.tolist(), owner))]
    order = np.argsort(np.array(number))
    frame = {
        "AccNo": objects(number), "BranchCode": objects(owner), "BankName": objects([f"{identity.BANKS[b][0]}营业部" for b in bank.tolist()]), "AccName": units["Name"][rows],
        "AccType": objects(kind), "Purpose": objects(purpose), "State": objects(["0"] * (count - 2) + ["1", "1"]), "Currency": objects(["CNY"] * count),
        "OpenDate": opened, "CloseDate": closed,
    }
    return {name: column[order] for name, column in frame.items()}
