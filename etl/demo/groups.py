"""Group business of the life administration system: clients, group policies, their products and the premiums they pay.

Everything follows from the certificates: a group policy's premium, sum insured and payments are the sums over its members.
"""

from __future__ import annotations

import numpy as np

from etl.demo import names
from etl.demo.columns import NAT, NULL, OPEN, Frame, blank, days, numbered, objects, stream, take, weighted
from etl.demo.contracts import Contracts
from etl.demo.identity import landlines
from etl.demo.organisation import Organisation
from etl.demo.sketch import Sketch

_KINDS = ("GQ", "JT", "SY", "WZ", "GA")
_INDUSTRIES = (("C", "精密机械"), ("I", "信息技术"), ("G", "物流"), ("E", "建筑"), ("M", "生物科技"), ("H", "餐饮"), ("C", "纺织"), ("C", "电子"), ("D", "新能源"),
               ("P", "教育"), ("F", "贸易"), ("E", "装饰"), ("C", "汽车"), ("N", "环保"))
_PUBLIC = (("P", "学校"), ("P", "中学"), ("P", "小学"), ("P", "学院"), ("Q", "医院"), ("S", "管理所"), ("R", "图书馆"))


def client_details(seed: int, clients: Frame, client_sub: np.ndarray, organisation: Organisation, end: np.datetime64) -> Frame:
    """The columns of LDGrp that `build_organisations` does not fill."""
    rng = stream(seed, "client details")
    count = len(client_sub)
    places = [organisation.sub_place[i] for i in client_sub.tolist()]
    phones = objects([organisation.phone_codes[organisation.sub_parent[i]] for i in client_sub.tolist()])
    public = clients["GrpNature"] == "N"
    kind = weighted(rng, _KINDS, (15, 8, 60, 10, 7), count)
    kind[public] = np.where([any(word in name for word in ("管理所",)) for name in clients["GrpName"][public].tolist()], "JG", "SD").astype(object)
    scale = weighted(rng, ("1", "2", "3", "4"), (8, 30, 50, 12), count)
    capital = rng.choice((1, 2, 5, 10, 20, 50, 100), size=count) * 1_000_000_00
    scale[public] = None
    capital[public] = NULL
    city = ["".join((p.province[:2], "0100")) if p.city_name == "市辖区" else p.city for p in places]
    surname = names.surnames(rng, count)
    linked = landlines(rng, phones)
    linked[rng.random(count) < 0.3] = None
    # Certificates of enterprises run with the business term; many have none that ends.
    until = np.where(public | (rng.random(count) < 0.6), OPEN, end + days(rng.integers(200, 6000, count)))
    return {
        "CertStart": clients["FoundDate"] + days(rng.integers(0, 20, count)), "CertEnd": until, "Province": objects([p.province for p in places]),
        "City": objects(city), "Street": objects([_street(address, place) for address, place in zip(clients["Address"].tolist(), places)]),
        "Corporation": names.person_names(rng, surname, rng.random(count) < 0.3), "GrpScale": scale, "GrpKind": kind,
        "Industry": objects([_industry(name, flag) for name, flag in zip(clients["GrpName"].tolist(), public.tolist())]), "RegCapital": capital,
        "Phone": landlines(rng, phones), "LinkPhone": linked, "SocialInsu": np.where(public | (rng.random(count) < 0.9), "1", "0").astype(object),
    }


def _street(address: str, place) -> str:
    return address.split(place.county_name, 1)[-1]


def _industry(name: str, public: bool) -> str:
    return next((letter for letter, word in (_PUBLIC if public else _INDUSTRIES) if word in name), "S" if public else "L")


def group_frames(seed: int, sketch: Sketch, contracts: Contracts, organisation: Organisation, life: dict[str, Frame], clients: Frame,
                 end: np.datetime64) -> dict[str, Frame]:
    """LCGrpCont, LCGrpPol and LJAPayGrp from the certificates in `life` (LCCont, LCPol, LJAPay)."""
    policies = _policies(seed, sketch, contracts, organisation, life["LCCont"], clients, end)
    products = _products(policies, life["LCPol"])
    return {"LCGrpCont": policies, "LCGrpPol": products, "LJAPayGrp": _payments(products, life["LJAPay"])}


def _policies(seed: int, sketch: Sketch, contracts: Contracts, organisation: Organisation, contract: Frame, clients: Frame, end: np.datetime64) -> Frame:
    rng = stream(seed, "group policies")
    count = len(sketch.group_sign)
    rows = np.flatnonzero(contracts.group >= 0)
    of = contracts.group[rows]
    some = take(contract, rows[np.searchsorted(of, np.arange(count))])
    sums = {name: np.bincount(of, weights=contract[name][rows], minlength=count).astype(np.int64) for name in ("Prem", "Amnt", "SumPrem", "HandleFee")}
    over = some["EndDate"] <= end
    received = some["CValiDate"] + days(rng.integers(0, 8, count))
    received[received > end] = NAT
    reason = blank(count)
    reason[over] = "01"
    flat = {name: objects(["0"] * count) for name in ("CardFlag", "NoNameFlag", "InternetFlag", "AbnSurrFlag", "AbnPayFlag", "MedAccFlag")}
    kept = ("ManageCom", "SignCom", "RegArea", "SignArea", "SaleChnl", "AgentCode", "AgentCom", "PayMode", "PayIntv", "PolApplyDate", "FirstPayDate", "SignDate",
            "CValiDate", "Currency", "UWType", "AgencyFlag")
    return {
        "GrpContNo": contracts.group_numbers, "PrtNo": numbered("TG", np.arange(count) + 1, 9), "AppntNo": clients["CustomerNo"][sketch.group_client],
        **{name: some[name] for name in kept}, "CInValiDate": some["EndDate"], "Peoples": np.bincount(of, minlength=count), **sums, **flat,
        "UWDate": some["PolApplyDate"] + (some["SignDate"] - some["PolApplyDate"]) // 2, "GetPolFlag": np.where(np.isnat(received), "0", "1").astype(object),
        "GetPolDate": received, "PolForm": weighted(rng, ("0", "1", "2"), (4, 3, 3), count), "TerminateDate": np.where(over, some["EndDate"], NAT),
        "TerminateReason": reason, "SuspendDate": np.full(count, NAT), "ReinstateDate": np.full(count, NAT),
        "State": np.where(over, "4", np.where(some["CValiDate"] > end, "0", "1")).astype(object),
    }


def _products(policies: Frame, covers: Frame) -> Frame:
    """One row per group policy and product, main product first."""
    rows = np.flatnonzero(covers["ContType"] == "2")
    place = {number: n for n, number in enumerate(policies["GrpContNo"].tolist())}
    of = np.array([place[number] for number in covers["GrpContNo"][rows].tolist()], dtype=np.int64)
    keys = objects([f"{g:08d}{'1' if flag == 'S' else '0'}{code}" for g, flag, code in zip(of.tolist(), covers["SubRiskFlag"][rows].tolist(), covers["RiskCode"][rows].tolist())])
    _, first, inverse = np.unique(keys.astype(str), return_index=True, return_inverse=True)
    some, owner = take(covers, rows[first]), of[first]
    position = np.arange(len(first)) - np.searchsorted(owner, owner) + 1
    number = objects([f"{policies['GrpContNo'][g]}{p:02d}" for g, p in zip(owner.tolist(), position.tolist())])
    sums = {name: np.bincount(inverse, weights=covers[name][rows], minlength=len(first)).astype(np.int64) for name in ("Prem", "SumPrem", "Amnt")}
    members = np.bincount(inverse, minlength=len(first))
    kept = ("SubRiskFlag", "RiskCode", "ManageCom", "CValiDate", "EndDate", "FirstPayDate", "PayEndDate", "PaytoDate", "PayIntv", "PayEndYearFlag", "PayEndYear",
            "InsuYearFlag", "InsuYear", "State")
    return {"GrpPolNo": number, "GrpContNo": policies["GrpContNo"][owner], "MainGrpPolNo": number[np.searchsorted(owner, owner)], **{name: some[name] for name in kept},
            "Peoples": members, "Mult": members * 10**5, **sums, "UWDate": policies["UWDate"][owner]}


def _payments(products: Frame, payments: Frame) -> Frame:
    """The instalments that clients paid: certificates' payments of one product and instalment are one payment."""
    rows = np.flatnonzero(payments["ContType"] == "2")
    place = {key: n for n, key in enumerate(zip(products["GrpContNo"].tolist(), products["RiskCode"].tolist()))}
    of = np.array([place[key] for key in zip(payments["GrpContNo"][rows].tolist(), payments["RiskCode"][rows].tolist())], dtype=np.int64)
    key = payments["ConfDate"][rows].astype(np.int64) * 10**10 + of * 1000 + payments["PayCount"][rows]
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    some = take(payments, rows[first])
    money = np.bincount(inverse, weights=payments["SumActuPayMoney"][rows], minlength=len(first)).astype(np.int64)
    kept = ("GrpContNo", "RiskCode", "ManageCom", "PayCount", "PayType", "EnterAccDate", "ConfDate", "PayMode", "BankName", "BankAccNo", "AccName")
    return {"GrpPayNo": numbered("JG", np.arange(len(first)) + 1, 10), "GrpPolNo": products["GrpPolNo"][of[first]], **{name: some[name] for name in kept},
            "SumActuPayMoney": money}
