"""Numbers that carry their own check: identity cards (GB 11643), credit codes (GB 32100), bank cards, telephones."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from etl.demo.columns import objects, years

_WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2], dtype=np.int64)
_CHECKS = np.array(list("10X98765432"))
_MOBILE_HEADS = ("130", "131", "132", "135", "136", "137", "138", "139", "150", "151", "155", "158", "159", "166", "176", "177", "178",
                 "180", "182", "186", "187", "188", "189", "191", "198", "199")
# Numbers of the sales force; kept apart, for a customer with a seller's number would be a finding.
_STAFF_HEADS = ("133", "134", "153", "157", "170", "173", "181", "183", "190", "193")
_ORGANISATION_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
BANKS = (("中国工商银行", "622202"), ("中国建设银行", "621700"), ("中国农业银行", "622848"), ("中国银行", "621661"),
         ("招商银行", "622588"), ("中国邮政储蓄银行", "621799"), ("交通银行", "622260"))


def id_cards(areas: np.ndarray, birth: np.ndarray, female: np.ndarray, sequence: np.ndarray, *, others: Iterable[str | None] = ()) -> np.ndarray:
    """Identity card numbers, all different.

    areas: six-digit codes as int; birth: datetime64[D]; female: bool; sequence: any whole numbers (reduced to the odd or
    even orders that the sex allows). Two people of one area, day and sex get different orders. `others`: numbers of people who
    have theirs already, which nobody else gets; what is no card number among them is ignored.
    """
    months = birth.astype("datetime64[M]").astype(np.int64) % 12 + 1
    day = (birth - birth.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1
    head = (areas.astype(np.int64) * 10**8 + years(birth) * 10**4 + months * 100 + day) * 1000
    order = sequence.astype(np.int64) % 499 * 2 + np.where(female, 2, 1)
    given = np.array([int(number[:17]) for number in others if number and len(number) == 18 and number[:17].isdigit()], dtype=np.int64)
    while (clash := _taken(head + order, given)).any():
        order[clash] = np.where(order[clash] >= 997, order[clash] % 2 + 2 * (order[clash] % 2 == 0), order[clash] + 2)
    body = head + order
    digits = body[:, None] // 10 ** np.arange(16, -1, -1, dtype=np.int64) % 10
    checks = _CHECKS[(digits * _WEIGHTS).sum(axis=1) % 11]
    return objects([f"{number}{check}" for number, check in zip(body.tolist(), checks.tolist())])


def _taken(numbers: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Which numbers are among those given already, or come a second time."""
    _, first = np.unique(numbers, return_index=True)
    taken = np.ones(len(numbers), dtype=bool)
    taken[first] = False
    return taken | np.isin(numbers, given)


def credit_codes(rng: np.random.Generator, kind: str, areas: list[str]) -> list[str]:
    """Unified social credit codes of organisations registered in `areas`; `kind` is 91 (companies), 12, 52, ...

    The organisation code inside carries its own check character (GB 11714).
    """
    from stdnum.cn.uscc import calc_check_digit

    numbers = rng.choice(800_000, size=len(areas), replace=False).tolist()
    codes = []
    for area, number in zip(areas, numbers):
        organisation = f"MA{number % 10}{_ORGANISATION_ALPHABET[number // 10 % 8 + 10]}{number // 80 % 10000:04d}"
        total = sum(w * _ORGANISATION_ALPHABET.index(c) for w, c in zip(_ORGANISATION_WEIGHTS, organisation))
        check = "0123456789X0"[(11 - total % 11) % 11]
        body = f"{kind}{area}{organisation}{check}"
        codes.append(body + calc_check_digit(body))
    return codes


def mobiles(rng: np.random.Generator, size: int, *, staff: bool = False) -> np.ndarray:
    """Mobile numbers of eleven digits, none of the made-up sort (eight equal or consecutive digits)."""
    pool = _STAFF_HEADS if staff else _MOBILE_HEADS
    heads = rng.integers(0, len(pool), size).tolist()
    # Staff have numbers of their own each; steps that share no factor with the range never meet.
    tails = (rng.integers(0, 10**8) + np.arange(size) * 31_415_927) % 10**8 if staff else rng.integers(0, 10**8, size)
    tails += np.where((tails % 11_111_111 == 0) | (tails == 12_345_678) | (tails == 87_654_321), 37, 0)
    return objects([f"{pool[head]}{tail:08d}" for head, tail in zip(heads, tails.tolist())])


def landlines(rng: np.random.Generator, area_codes: np.ndarray) -> np.ndarray:
    """Landline numbers area-number."""
    tails = rng.integers(20_000_000, 89_999_999, len(area_codes)).tolist()
    return objects([f"{code}-{tail}" for code, tail in zip(area_codes.tolist(), tails)])


def bank_cards(rng: np.random.Generator, size: int, *, others: Iterable[str] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Bank names and card numbers of 19 digits whose last digit checks (Luhn), all different and none of `others`."""
    bank = rng.integers(0, len(BANKS), size)
    heads = np.array([int(head) for _, head in BANKS], dtype=np.int64)[bank]
    tail = rng.integers(0, 10**12, size)
    given = np.array([int(number[:18]) for number in others], dtype=np.int64)
    while (clash := _taken(heads * 10**12 + tail, given)).any():
        tail[clash] = (tail[clash] + 1) % 10**12
    body = heads * 10**12 + tail
    digits = body[:, None] // 10 ** np.arange(17, -1, -1, dtype=np.int64) % 10
    doubled = digits.copy()
    doubled[:, 1::2] *= 2
    doubled[doubled > 9] -= 9
    checks = (10 - doubled.sum(axis=1) % 10) % 10
    numbers = objects([f"{number}{check}" for number, check in zip(body.tolist(), checks.tolist())])
    return objects([name for name, _ in BANKS])[bank], numbers


def passports(rng: np.random.Generator, size: int) -> np.ndarray:
    """Passport numbers: a letter and eight digits."""
    letters = rng.integers(0, 26, size).tolist()
    numbers = rng.choice(9 * 10**7, size=size, replace=False).tolist() if size else []
    return objects([f"{chr(65 + letter)}{number + 10**7}" for letter, number in zip(letters, numbers)])
