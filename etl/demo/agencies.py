"""What is known of the agencies beside their names, and the sales persons of banks and the post office."""

from __future__ import annotations

import numpy as np

from etl.demo import names
from etl.demo.columns import NAT, Frame, blank, days, numbered, objects, stream
from etl.demo.places import ROADS, counties_of

_DESKS = 4
# One agreement was ended: the agency stays on the list for what it sold, and a neighbour sells instead.
_ENDED, _INSTEAD, _ENDED_DAYS_AGO = "AC28671002", "AC28671001", 75
_LICENCES = {"1": "保险兼业代理业务许可证", "2": "经营保险代理业务许可证", "3": "经营保险经纪业务许可证"}
_SCOPES = {"1": "代理销售人身保险产品；代理收取保险费", "2": "代理销售保险产品；代理收取保险费；代理相关保险业务的损失勘查和理赔",
           "3": "为投保人拟订投保方案、选择保险公司、办理投保手续；协助被保险人或者受益人进行索赔"}


def agency_frames(seed: int, agencies: Frame, end: np.datetime64) -> dict[str, Frame]:
    """LACom with licence, address and contract, and LABankAgent."""
    rng = stream(seed, "agency details")
    count = len(agencies["AgentCom"])
    kinds = agencies["ACType"].tolist()
    provinces = [code[2:4] for code in agencies["ManageCom"].tolist()]
    places = [_place(province, n) for n, province in enumerate(provinces)]
    signed = agencies["SignDate"]
    licensed = signed - days(rng.integers(30, 900, count))
    bank = np.array(kinds) == "1"
    # Licences of banks run without end; those of agents and brokers are renewed every three years.
    expiry = np.where(bank, NAT, end + days(rng.integers(60, 1000, count)))
    over = np.full(count, NAT)
    over[agencies["AgentCom"] == _ENDED] = end - days(_ENDED_DAYS_AGO)
    surname = names.surnames(rng, count)
    violation = blank(count)
    violation[np.flatnonzero(~bank)[::9]] = "2024年因给予投保人合同约定以外的利益被处以罚款5万元"
    full = {
        **agencies, "CertType": objects(["A"] * count), "LicenceName": objects([_LICENCES[k] for k in kinds]), "LicenceStart": licensed, "LicenceEnd": expiry,
        "BusiCode": numbered("86", np.arange(count) * 173 + 10**9, 14), "Address": objects([_address(rng, place) for place in places]),
        "BusiScope": objects([_SCOPES[k] for k in kinds]), "BusiArea": objects([place.province_name for place in places]),
        "ChiefName": names.person_names(rng, surname, rng.random(count) < 0.4), "Violation": violation, "ContractEnd": over,
    }
    desks = np.repeat(np.flatnonzero(bank), _DESKS)
    surname = names.surnames(rng, len(desks))
    code = [bank_agent(agencies["AgentCom"][d], n % _DESKS) for n, d in enumerate(desks.tolist())]
    sellers = {"BankAgentCode": objects(code), "AgentCom": agencies["AgentCom"][desks], "Name": names.person_names(rng, surname, rng.random(len(desks)) < 0.7),
               "CertifNo": numbered("0703", np.arange(len(desks)) * 29 + 4_000_011, 18)}
    return {"LACom": full, "LABankAgent": sellers}


def still_selling(agencies: np.ndarray, sign: np.ndarray, end: np.datetime64) -> np.ndarray:
    """The agencies of policies, where one had stopped selling by the sign date its neighbour."""
    gone = (agencies == _ENDED) & (sign >= end - days(_ENDED_DAYS_AGO))
    return np.where(gone, _INSTEAD, agencies).astype(object)


def bank_agents(seed: int, agencies: np.ndarray, channel: np.ndarray) -> np.ndarray:
    """Who at the bank sold each policy: a code of LABankAgent for the bank channel, None for the others."""
    desk = stream(seed, "bank desks").integers(0, _DESKS, len(agencies)).tolist()
    return objects([bank_agent(agency, n) if via == "03" else None for agency, via, n in zip(agencies.tolist(), channel.tolist(), desk)])


def bank_agent(agency: str, desk: int) -> str:
    """Code of the sales person at desk `desk` of a bank."""
    return f"Y{agency[2:]}{desk + 1:02d}"


def _place(branch: str, number: int):
    # 71 and 73 are the insurer's numbers of Ningbo and Shenzhen, not areas.
    found = counties_of({"71": "3302", "73": "4403"}.get(branch, branch))
    return found[number % len(found)]


def _address(rng: np.random.Generator, place) -> str:
    city = "" if place.city_name in ("市辖区", place.province_name) else place.city_name
    return f"{place.province_name}{city}{place.county_name}{ROADS[int(rng.integers(len(ROADS)))]}{int(rng.integers(1, 600))}号"
