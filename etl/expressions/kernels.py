"""Registered functions worked out for whole columns at once, in steps that several calls share.

Written as one expression (see `functions`), a check of an ID number takes its text apart 17 times per row, and each
rule that looks at the same number does so again. Here the number becomes an integer once per row, in a column of its
own; its shape, birth date, sex, area and check digit follow by arithmetic. The outcome is the same for every text:
the tests hold both against the Python twins.

Works on the DuckDB engine only: `//` is the division of integers there.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from etl.expressions.functions import REGISTERED, expand


@dataclass(frozen=True)
class Kernel:
    """`steps` are SQL texts over `{0}`, `{1}` (the arguments) and `{name}` of earlier steps; `result` is what the call is."""

    steps: tuple[tuple[str, str], ...]
    result: str


def _check_sum() -> str:
    """The weighted sum of all 18 digits (GB 11643, ISO 7064 MOD 11-2) modulo 11, of the number as an integer.

    A digit is q(i) - 10 q(i+1), with q(i) the number divided by ten to the i; its weight is two to the i. Sorted by
    q(i) one division per digit is left. With factors modulo 11 the sum stays below 2.2e18.
    """
    factors = [1] + [3 * 2 ** (i - 1) % 11 for i in range(1, 18)]
    return "(" + " + ".join(f"{{shaped}} // {10**i} * {factor}" for i, factor in enumerate(factors)) + ") % 11"


_YEAR, _MONTH, _DAY = "({shaped} // 100000000 % 10000)", "({shaped} // 1000000 % 100)", "({shaped} // 10000 % 100)"
_MONTH_DAYS = (f"CASE WHEN {_MONTH} = 2 THEN CASE WHEN {_YEAR} % 4 = 0 AND ({_YEAR} % 100 <> 0 OR {_YEAR} % 400 = 0) THEN 29 ELSE 28 END "
               f"WHEN {_MONTH} IN (4, 6, 9, 11) THEN 30 ELSE 31 END")
# The 18 digits as an integer, a final X as 0.
_TAIL = ("tail", "ends_with({0}, 'X')")
_WHOLE = ("whole", "CASE WHEN strlen({0}) = 18 THEN CASE WHEN {tail} THEN 10 * try_cast(substr({0}, 1, 17) AS BIGINT) ELSE try_cast({0} AS BIGINT) END END")
# Written back it must be the text: a cast also reads blanks, signs and exponents.
_SHAPED = ("shaped", "CASE WHEN {whole} BETWEEN 100000000000000000 AND 999999999999999999 AND {whole} // 100000000000 % 10 BETWEEN 1 AND 2 "
                     "AND CASE WHEN {tail} THEN CAST({whole} // 10 AS VARCHAR) || 'X' ELSE CAST({whole} AS VARCHAR) END = {0} THEN {whole} END")
_BIRTH = ("birth", f"CASE WHEN {_MONTH} BETWEEN 1 AND 12 AND {_DAY} BETWEEN 1 AND {_MONTH_DAYS} THEN make_date({_YEAR}, {_MONTH}, {_DAY}) END")


def _years(first: str, second: str) -> str:
    """Whole years from an earlier date to a later one; 29 February is reached on 28 February of a common year."""
    before = f"month({second}) * 100 + day({second}) < month({first}) * 100 + day({first})"
    leap = f"month({first}) = 2 AND day({first}) = 29 AND month({second}) = 2 AND day({second}) = 28 AND day(last_day({second})) = 28"
    return f"year({second}) - year({first}) - CASE WHEN {before} AND NOT ({leap}) THEN 1 ELSE 0 END"


KERNELS: dict[str, Kernel] = {
    "is_id_card": Kernel((_TAIL, _WHOLE, _SHAPED, _BIRTH),
                         "(CASE WHEN {0} IS NULL THEN NULL WHEN {birth} IS NULL THEN FALSE "
                         f"ELSE {_check_sum()} = CASE WHEN {{tail}} THEN 2 ELSE 1 END END)"),
    "id_birth_date": Kernel((_TAIL, _WHOLE, _SHAPED, _BIRTH), "{birth}"),
    "id_sex": Kernel((_TAIL, _WHOLE, _SHAPED), "(CASE WHEN {shaped} // 10 % 2 = 1 THEN '男性' WHEN {shaped} // 10 % 2 = 0 THEN '女性' END)"),
    "id_area": Kernel((_TAIL, _WHOLE, _SHAPED), "(CASE WHEN {shaped} IS NOT NULL THEN substr({0}, 1, 6) END)"),
    "years_between": Kernel((), f"(CASE WHEN {{1}} >= {{0}} THEN {_years('{0}', '{1}')} WHEN {{1}} < {{0}} THEN -({_years('{1}', '{0}')}) END)"),
}


class SharedColumns:
    """Sub-expressions that become columns of their own, so that each is worked out once per row.

    Render all expressions twice with `call` as the hook (see Renderer): the first time the calls are counted; after
    `settle`, what occurs more than once and every kernel is a column. `wrap` puts the columns around a table.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._counted: Counter[str] = Counter()
        self._columns: dict[str, str] = {}
        self._settled = False

    def settle(self) -> None:
        """From now on shared calls are rendered as columns."""
        self._settled = True

    def call(self, name: str, parts: list[str], _node: object = None) -> str | None:
        """SQL of a call that is shared; None where it stays as it is."""
        if name in KERNELS:
            return self._kernel(KERNELS[name], parts) if self._settled else None
        if name not in REGISTERED and name != "regexp_matches":
            return None
        sql = expand(name, parts) if name in REGISTERED else f"regexp_matches({', '.join(parts)})"
        if not self._settled:
            self._counted[sql] += 1
            return None
        return self._column(sql) if self._counted[sql] > 1 else None

    def wrap(self, source: str) -> str:
        """`source AS alias` with the shared columns, in as few layers as their dependence allows."""
        levels: dict[str, int] = {}
        for sql, column in self._columns.items():
            used = re.findall(rf"\b{self.alias}\._s\d+\b", sql)
            levels[column] = 1 + max((levels[other] for other in used), default=0)
        text = f"{source} AS {self.alias}"
        for level in range(1, max(levels.values(), default=0) + 1):
            added = ", ".join(f"{sql} AS {column.rpartition('.')[2]}" for sql, column in self._columns.items() if levels[column] == level)
            text = f"(SELECT {self.alias}.*, {added} FROM {text}) AS {self.alias}"
        return text

    def _kernel(self, kernel: Kernel, parts: list[str]) -> str:
        arguments = [part if re.fullmatch(rf'{self.alias}\.("[^"]+"|\w+)', part) else self._column(part) for part in parts]
        steps: dict[str, str] = {}
        for name, sql in kernel.steps:
            steps[name] = self._column(sql.format(*arguments, **steps))
        # Also the outcome: worked out for a whole column at once it is cheaper than for the rows that some condition leaves.
        return self._column(kernel.result.format(*arguments, **steps))

    def _column(self, sql: str) -> str:
        return self._columns.setdefault(sql, f"{self.alias}._s{len(self._columns)}")
