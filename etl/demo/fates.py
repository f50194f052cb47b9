"""What becomes of a policy: lapse and reinstatement, surrender, maturity. Claims that end a policy are added by `claims`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etl.demo.columns import NAT, add_months, days, stream, uniform_days
from etl.demo.contracts import Contracts

GRACE_DAYS = 60
MATURITY, SURRENDER, COOLING_OFF, CLAIM, AGREED, LAPSE, RESCINDED = "01", "02", "03", "04", "05", "06", "07"


@dataclass(frozen=True)
class Fates:
    """Per policy: dates (NaT = never) and reason of termination; `lapsed_at` is the first unpaid instalment (-1 = none).
    The arrays are filled in place by `claims` before anything is derived from them."""

    terminate: np.ndarray
    reason: np.ndarray
    suspend: np.ndarray
    reinstate: np.ndarray
    lapsed_at: np.ndarray
    abnormal: np.ndarray

    def states(self, contracts: Contracts, end: np.datetime64) -> np.ndarray:
        """Policy states in the life administration system's codes."""
        suspended = ~np.isnat(self.suspend) & np.isnat(self.reinstate)
        return np.select([~np.isnat(self.terminate), contracts.valid > end, suspended], ["4", "0", "2"], default="1").astype(object)


def instalments_due(contracts: Contracts, end: np.datetime64) -> np.ndarray:
    """How many instalments have fallen due by `end`; at least the first."""
    months = np.where(contracts.months == -1, 12, np.maximum(contracts.months, 1))
    passed = (end.astype("datetime64[M]") - contracts.valid.astype("datetime64[M]")).astype(np.int64)
    count = np.maximum(passed, 0) // months
    count -= add_months(contracts.valid, count * months) > end
    return np.clip(count + 1, 1, contracts.instalments)


def draw_fates(seed: int, contracts: Contracts, end: np.datetime64) -> Fates:
    """Fates without claims, as known on `end`."""
    rng = stream(seed, "fates")
    size = len(contracts.sign)
    terminate, suspend, reinstate = (np.full(size, NAT) for _ in range(3))
    reason = np.full(size, None, dtype=object)
    lapsed_at = np.full(size, -1)
    luck = rng.random(size)
    single = contracts.group < 0

    drawn = single & ~contracts.short & ~np.isnat(contracts.receipt) & (luck < 0.015)
    day = contracts.receipt + days(1 + (rng.random(size) * (contracts.cooling - 1)).astype(np.int64))
    hit = drawn & (day <= end)
    terminate[hit], reason[hit] = day[hit], COOLING_OFF

    last = np.minimum(contracts.end - days(1), end)
    first = contracts.receipt + days(contracts.cooling + 10)
    drawn = single & ~hit & (luck >= 0.015) & (luck < 0.091) & (first <= last)
    at = np.flatnonzero(drawn)
    terminate[at] = uniform_days(rng, first[at], last[at])
    reason[at] = np.where(luck[at] < 0.085, SURRENDER, np.where(luck[at] < 0.089, AGREED, RESCINDED))

    due = instalments_due(contracts, end)
    drawn = single & (contracts.months > 0) & (luck >= 0.091) & (luck < 0.165) & (due >= 2)
    skipped = 1 + (rng.random(size) * (due - 1)).astype(np.int64)
    day = add_months(contracts.valid, skipped * np.maximum(contracts.months, 1)) + days(GRACE_DAYS)
    hit = drawn & (day <= end) & (day < contracts.end)
    suspend[hit], lapsed_at[hit] = day[hit], skipped[hit]
    back = suspend + days(rng.integers(10, 300, size))
    again = hit & (rng.random(size) < 0.45) & (back <= end) & (back < contracts.end)
    reinstate[again] = back[again]
    gone = hit & ~again
    over = np.minimum(add_months(suspend, 24), contracts.end)
    ended = gone & (over <= end)
    terminate[ended], reason[ended] = over[ended], LAPSE

    matured = np.isnat(terminate) & (contracts.end <= end)
    terminate[matured], reason[matured] = contracts.end[matured], MATURITY
    abnormal = (reason == AGREED) & (rng.random(size) < 0.5)
    return Fates(terminate, reason, suspend, reinstate, lapsed_at, abnormal)
