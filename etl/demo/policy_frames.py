"""The policy tables of the life administration system, written from contracts, fates and payments."""

from __future__ import annotations

import numpy as np

from etl.demo.agencies import bank_agents, still_selling
from etl.demo.claims import Claims
from etl.demo.columns import NULL, Frame, add_months, blank, days, numbered, objects, stream, take, weighted
from etl.demo.contracts import Contracts
from etl.demo.fates import AGREED, CLAIM, COOLING_OFF, MATURITY, RESCINDED, SURRENDER, Fates
from etl.demo.organisation import Organisation
from etl.demo.payees import payees
from etl.demo.people import People
from etl.demo.premiums import Payments, paid_to
from etl.demo.products import CATALOGUE
from etl.demo.sketch import SPOUSE, Sketch, relation_codes

_COVER_STATES = {"0": "N", "1": "A", "2": "S", "4": "T"}


def policy_frames(seed: int, sketch: Sketch, contracts: Contracts, fates: Fates, payments: Payments, people: People, organisation: Organisation,
                  clients: Frame, end: np.datetime64) -> dict[str, Frame]:
    """LCCont, LCAppnt, LCInsured, LCBnf and LCPol."""
    rng = stream(seed, "policy frames")
    size = len(contracts.sign)
    grouped = contracts.group >= 0
    state = fates.states(contracts, end)
    codes = objects(list(organisation.codes))
    manage = codes[contracts.branch]
    group_no = blank(size)
    group_no[grouped] = contracts.group_numbers[contracts.group[grouped]]
    client_of = sketch.group_client[contracts.group[grouped]]
    holder = blank(size)
    holder[~grouped] = people.frame["CustomerNo"][contracts.holder[~grouped]]
    holder[grouped] = clients["CustomerNo"][client_of]
    premium, amount = (np.bincount(contracts.cover_policy, weights=column).astype(np.int64) for column in (contracts.cover_premium, contracts.cover_sum))
    web = contracts.channel == "07"
    form = weighted(rng, ("0", "1", "2"), (35, 35, 30), size)
    form[web] = "1"
    pay_to = paid_to(contracts, payments)
    interval = np.where(contracts.months == 0, "0", contracts.months.astype(str)).astype(object)
    administered = grouped & (contracts.group % 7 == 3)
    contract = {
        "ContNo": contracts.number, "ContType": np.where(grouped, "2", "1").astype(object), "GrpContNo": group_no,
        "PrtNo": numbered("T", np.arange(size) * 3 + 10**7, 11), "FamilyType": np.where(np.concatenate([sketch.family, np.zeros(grouped.sum(), dtype=bool)]), "1", "0").astype(object),
        "ManageCom": manage, "SignCom": organisation.sub_codes[contracts.sub], "RegArea": objects(list(organisation.regions))[contracts.branch],
        "SignArea": objects([place.county for place in organisation.sub_place])[contracts.sub], "SaleChnl": contracts.channel,
        "AgentCode": _agents(rng, contracts, organisation), "AgentCom": still_selling(_agencies(rng, contracts, organisation), contracts.sign, end), "AppntNo": holder, "PayIntv": interval,
        "PayMode": contracts.way, "PolApplyDate": contracts.apply, "SignDate": contracts.sign, "CValiDate": contracts.valid, "EndDate": contracts.end,
        "FirstPayDate": contracts.first_pay, "PaytoDate": pay_to, "Currency": objects(["RMB"] * size), "Prem": premium, "Amnt": amount,
        "SumPrem": premium * payments.paid, "UWType": np.where(rng.random(size) < 0.25, "1", "0").astype(object), "State": state, "PolForm": form,
        "TerminateDate": fates.terminate, "TerminateReason": fates.reason, "SuspendDate": fates.suspend, "ReinstateDate": fates.reinstate,
        "InternetFlag": np.where(web, "1", "0").astype(object), "RealNameFlag": np.where(web | (rng.random(size) < 0.9), "1", "0").astype(object),
        "AbnSurrFlag": np.where(fates.abnormal, "1", "0").astype(object), "AbnPayFlag": np.where((fates.reason == CLAIM) & (rng.random(size) < 0.02), "1", "0").astype(object),
        "AgencyFlag": np.where(administered, "1", "0").astype(object), "HandleFee": np.where(administered, premium * 3 // 100, 0),
        "MedAccFlag": np.where(contracts.way == "6", "1", "0").astype(object), "GetPolDate": contracts.receipt, "HesitateDays": contracts.cooling,
        "MakeDate": np.minimum(contracts.apply + days(rng.integers(0, 3, size)), contracts.sign),
    }
    contract["BankAgentCode"] = bank_agents(seed, contract["AgentCom"], contracts.channel)
    return {
        "LCCont": contract, **_parties(seed, sketch, contracts, people, contract, clients["GrpNature"][client_of], state), "LCPol": _coverages(rng, contracts, fates, payments, people, contract, state),
    }


def _agents(rng: np.random.Generator, contracts: Contracts, organisation: Organisation) -> np.ndarray:
    """A sales person of the selling unit who was under contract on the application date; the unit's oldest hand else."""
    order = np.argsort(organisation.agent_sub, kind="stable")
    begin = np.searchsorted(organisation.agent_sub[order], contracts.sub, "left")
    stop = np.searchsorted(organisation.agent_sub[order], contracts.sub, "right")
    pick = order[begin + (rng.random(len(begin)) * (stop - begin)).astype(np.int64)]
    employed = (organisation.agent_from[pick] <= contracts.apply) & (organisation.agent_to[pick] > contracts.sign)
    seller = organisation.agent_codes[np.where(employed, pick, contracts.sub)]
    seller[np.isin(contracts.channel, ("06", "07", "08"))] = None
    # One person sold a group policy, not one per member.
    rows = np.flatnonzero(contracts.group >= 0)
    _, first, inverse = np.unique(contracts.group[rows], return_index=True, return_inverse=True)
    seller[rows] = seller[rows[first[inverse]]]
    return seller


def _agencies(rng: np.random.Generator, contracts: Contracts, organisation: Organisation) -> np.ndarray:
    luck = rng.integers(0, 10**6, len(contracts.sign)).tolist()
    kinds = {"03": "1", "04": "2", "05": "3"}
    return objects([None if (kind := kinds.get(channel)) is None else (found := organisation.agency_codes[branch, kind])[n % len(found)]
                    for channel, branch, n in zip(contracts.channel.tolist(), contracts.branch.tolist(), luck)])


def _parties(seed: int, sketch: Sketch, contracts: Contracts, people: People, contract: Frame, natures: np.ndarray, state: np.ndarray) -> dict[str, Frame]:
    rng = stream(seed, "parties")
    size, grouped = len(contracts.sign), contracts.group >= 0
    number = people.frame["CustomerNo"]
    relation = objects(["07"] * size)
    relation[~grouped] = relation_codes(sketch.slot, people.female[people.insured_row])
    kind = objects(["P"] * size)
    kind[grouped] = natures
    holders = {"ContNo": contracts.number, "GrpContNo": contract["GrpContNo"], "AppntNo": contract["AppntNo"], "AppntType": kind, "RelationToInsured": relation}
    family = np.flatnonzero(sketch.family)
    policy = np.concatenate([np.arange(size), family])
    person = np.concatenate([contracts.insured, people.spouse_row[family]])
    main = np.arange(len(policy)) < size
    to_main = objects(["00"] * len(policy))
    to_main[~main] = "01"
    to_holder = np.concatenate([relation, relation_codes(np.full(len(family), SPOUSE), people.female[people.spouse_row[family]])])
    insured = {"ContNo": contracts.number[policy], "InsuredNo": number[person], "GrpContNo": contract["GrpContNo"][policy], "ManageCom": contract["ManageCom"][policy],
               "InsuredType": np.where(main, "1", "2").astype(object), "MainInsuredNo": number[contracts.insured[policy]], "RelationToMainInsured": to_main,
               "RelationToAppnt": to_holder, "OccupationCode": people.frame["OccupationCode"][person], "State": state[policy]}
    order = np.lexsort((person, policy))
    named = np.flatnonzero(rng.random(size) < 0.65)
    legal = (rng.random(len(named)) < 0.7) | grouped[named] | (contracts.holder[named] == contracts.insured[named])
    name = objects(["法定"] * len(named))
    name[~legal] = people.frame["Name"][contracts.holder[named[~legal]]]
    tie = blank(len(named))
    tie[~legal] = "09"
    heirs = {"BnfId": numbered("B", np.arange(len(named)) + 1, 10), "ContNo": contracts.number[named], "InsuredNo": number[contracts.insured[named]],
             "BnfType": objects(["1"] * len(named)), "BnfGrade": np.ones(len(named), dtype=np.int64), "Name": name, "RelationToInsured": tie,
             "BnfLot": np.full(len(named), 10000, dtype=np.int64)}
    return {"LCAppnt": holders, "LCInsured": take(insured, order), "LCBnf": heirs}


def _coverages(rng: np.random.Generator, contracts: Contracts, fates: Fates, payments: Payments, people: People, contract: Frame, state: np.ndarray) -> Frame:
    row, size = contracts.cover_policy, len(contracts.cover_policy)
    first = np.searchsorted(row, row)
    product = contracts.cover_product
    flags = objects([p.term[0] for p in CATALOGUE])[product]
    until = np.array([p.term[1] for p in CATALOGUE])[product]
    rider = contracts.cover_rider
    length = np.where(rider, contracts.cover_years, np.where(flags == "W", NULL, until))
    single = contracts.months[row] == 0
    pay_end = np.where(single, contracts.first_pay[row], add_months(contracts.valid[row], contracts.instalments[row] * np.where(contracts.months[row] == -1, 12, contracts.months[row])))
    savings = np.array([p.kind == "R" or p.sub == "L3" for p in CATALOGUE])[product]
    units = np.where(np.array([p.design == "4" for p in CATALOGUE])[product], rng.integers(10**6, 10**9, size), rng.integers(1, 6, size) * 10**5)
    return {
        "PolNo": contracts.cover_number, "ContNo": contracts.number[row], "GrpContNo": contract["GrpContNo"][row], "ContType": contract["ContType"][row],
        "MainPolNo": contracts.cover_number[first], "SubRiskFlag": np.where(rider, "S", "M").astype(object), "RiskCode": objects([p.code for p in CATALOGUE])[product],
        "InsuredNo": people.frame["CustomerNo"][contracts.insured[row]], "ManageCom": contract["ManageCom"][row], "CValiDate": contracts.valid[row],
        "EndDate": contracts.cover_end, "FirstPayDate": contracts.first_pay[row], "PayEndDate": pay_end, "PaytoDate": contract["PaytoDate"][row],
        "PayIntv": contract["PayIntv"][row], "PayEndYearFlag": contracts.flag[row], "PayEndYear": np.where(single, NULL, contracts.length[row]),
        "InsuYearFlag": np.where(rider, "Y", flags).astype(object), "InsuYear": length, "Mult": units, "Prem": contracts.cover_premium,
        "SumPrem": contracts.cover_premium * payments.paid[row], "Amnt": contracts.cover_sum, "RiskAmnt": np.where(savings, contracts.cover_sum // 5, contracts.cover_sum),
        "State": objects([_COVER_STATES[s] for s in state.tolist()])[row], "SuspendDate": fates.suspend[row], "ReinstateDate": fates.reinstate[row],
        "TerminateDate": fates.terminate[row],
    }


def payout_frames(seed: int, contracts: Contracts, fates: Fates, payments: Payments, claims: Claims, people: People, organisation: Organisation,
                  case_numbers: np.ndarray, decided_by: np.ndarray, end: np.datetime64) -> dict[str, Frame]:
    """LJAGet (claims, surrenders, maturities) and LPEdorItem (what customers asked to be changed)."""
    rng = stream(seed, "payouts")
    reason = fates.reason
    asked = np.flatnonzero(np.isin(reason, (SURRENDER, COOLING_OFF, AGREED, RESCINDED)))
    back = np.flatnonzero(~np.isnat(fates.reinstate))
    paid = (np.bincount(contracts.cover_policy, weights=contracts.cover_premium).astype(np.int64) * payments.paid)
    value = np.where(reason == COOLING_OFF, paid, np.where(contracts.short, paid * 3 // 10, paid * 62 // 100))
    policy = np.concatenate([asked, back])
    day = np.concatenate([fates.terminate[asked], fates.reinstate[back]])
    letters = {SURRENDER: "CT", RESCINDED: "CT", COOLING_OFF: "WT", AGREED: "XT"}
    kind = objects([letters[r] for r in reason[asked].tolist()] + ["RE"] * len(back))
    order = np.lexsort((policy, day))
    policy, day, kind = policy[order], day[order], kind[order]
    edor = {"EdorNo": numbered("BQ", np.arange(len(policy)) + 1, 10), "ContNo": contracts.number[policy], "EdorType": kind,
            "EdorAppDate": np.maximum(day - days(rng.integers(0, 4, len(day))), contracts.sign[policy]), "EdorValiDate": day,
            "GetMoney": np.where(kind == "RE", 0, value[policy]), "State": objects(["0"] * len(policy)), "Operator": numbered("BQ", rng.integers(1, 30, len(policy)), 3)}
    main = np.searchsorted(contracts.cover_policy, np.arange(len(contracts.sign)))
    leaving = kind != "RE"
    savings = np.array([p.sub == "L3" or p.kind == "R" for p in CATALOGUE])[contracts.product]
    matured = np.flatnonzero((reason == MATURITY) & savings)
    settled = np.flatnonzero(claims.line_paid > 0)
    case = claims.line_case[settled]
    # Settled benefits are paid within three days, and before the books of the month are closed.
    month_end = (claims.closed[case].astype("datetime64[M]") + np.timedelta64(1, "M")).astype("datetime64[D]") - days(1)
    case_day = np.minimum(claims.closed[case] + days(rng.integers(0, 4, len(case))), np.minimum(month_end, end))
    out_policy = np.concatenate([policy[leaving], matured, claims.policy[case]])
    cover = np.concatenate([main[policy[leaving]], main[matured], claims.line_cover[settled]])
    type_of = np.concatenate([np.where(kind[leaving] == "WT", "3", "2"), np.full(len(matured), "4"), np.full(len(case), "1")]).astype(object)
    number = np.concatenate([edor["EdorNo"][leaving], contracts.number[matured], case_numbers[case]])
    money = np.concatenate([value[policy[leaving]], contracts.cover_sum[main[matured]], claims.line_paid[settled]])
    on = np.concatenate([day[leaving], fates.terminate[matured], case_day])
    booked_at = np.concatenate([objects(list(organisation.codes))[contracts.branch[np.concatenate([policy[leaving], matured])]], decided_by[case]])
    order = np.lexsort((cover, out_policy, on))
    dead = np.concatenate([np.zeros(len(order) - len(case), dtype=bool), ~np.isnat(claims.death[case])])
    payee = payees(seed, contracts, people, out_policy[order], dead[order])
    out_policy, cover, on = out_policy[order], cover[order], on[order]
    drawn = {
        "ActuGetNo": numbered("F", np.arange(len(on)) + 1, 10), "ContNo": contracts.number[out_policy], "PolNo": contracts.cover_number[cover],
        "RiskCode": objects([p.code for p in CATALOGUE])[contracts.cover_product[cover]], "ManageCom": booked_at[order], "OtherNoType": type_of[order],
        "OtherNo": number[order], "GetMoney": money[order], "Currency": objects(["RMB"] * len(on)), "EnterAccDate": on, "ConfDate": on,
        "PayMode": objects(["2"] * len(on)), **payee, "_channel": contracts.channel[out_policy],
    }
    return {"LJAGet": drawn, "LPEdorItem": edor}
