"""What the race is run over: its standard, its hundred rules, its period, and the folder with its files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from etl.rules.definition import Rule
from etl.standard.definition import Standard, Table

STANDARD = "bench_policies"
TABLE = "POLICY"
PERIOD_START, PERIOD_END, REPORT_DATE = date(2026, 10, 1), date(2026, 10, 31), date(2026, 11, 15)
PARAMETERS = {"period_start": PERIOD_START, "period_end": PERIOD_END, "report_date": REPORT_DATE}
PACKS = Path(__file__).with_name("packs")


@dataclass(frozen=True)
class Course:
    """The standard with its one table, and the rules that are raced over it."""

    standard: Standard
    rules: tuple[Rule, ...]

    @property
    def table(self) -> Table:
        return self.standard.tables[TABLE]


@cache
def load_course() -> Course:
    """The pack of the race, loaded as any other pack is."""
    from etl.packs.roots import PackRoots
    from etl.rules.loader import load_rules
    from etl.standard.loader import load_standard

    roots = PackRoots((PACKS,))
    standard = load_standard(STANDARD, roots)
    return Course(standard, tuple(load_rules(standard, roots)))
