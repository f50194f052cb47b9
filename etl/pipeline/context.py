"""What a stage needs to know: the request, the packs as loaded, where files go, whom to tell of progress."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engines import Engine, open_engine
from etl.errors import EastboundError
from etl.packs.roots import PackRoots
from etl.standard.definition import Standard, Table
from etl.standard.effective import in_force_on
from etl.standard.loader import load_standard
from etl.submission.definition import Company, Period
from etl.workspace import Workspace

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.ledger.definition import Run
    from etl.mapping.definition import MappingSet
    from etl.privacy.keys import Keyring
    from etl.privacy.vault import Vault
    from etl.profiles.definition import ExpectationSet
    from etl.rules.definition import Rule

# (stage, table or system, event, numbers): event is 'start', 'rows' or 'done'.
Progress = Callable[[str, str, str, dict[str, Any]], None]


class CompanyUnknown(EastboundError):
    zh = "保险机构代码 {code} 不在代码表 {table} 中；请检查 workspace.yaml 的 company"
    en = "company code {code} is not in code table {table}; check company in workspace.yaml"


class NoMapping(EastboundError):
    zh = "标准 {standard} 的表 {tables} 没有任何来源映射；请在 mappings/sources/<系统>/{standard}/ 下补充"
    en = "no mapping delivers table(s) {tables} of {standard}; add them under mappings/sources/<system>/{standard}/"


@dataclass(frozen=True)
class RunRequest:
    """What to run. `report_date` is the date inside the serial numbers; `jurisdiction` whose local rules count as well.

    `capture` is how core systems are read: `full`, `incremental` or `change` (see `etl.capture`).
    """

    standard: str
    period: Period
    report_date: date
    memory: str | None = None
    jurisdiction: str | None = None
    capture: str = "full"

    def options(self) -> dict[str, Any]:
        return {"memory": self.memory, "jurisdiction": self.jurisdiction, "capture": self.capture}

    @classmethod
    def of(cls, run: Run) -> RunRequest:
        """What a run of the ledger was asked to do."""
        own = {name: run.options[name] for name in cls.__dataclass_fields__ if name in run.options}
        return cls(run.standard, Period.parse(run.period), run.report_date, **own)


def silent(*_: Any) -> None:
    """Progress for those who do not ask for it."""


@dataclass
class RunContext:
    """One run. Packs are loaded once, on first use, from the run's own snapshot."""

    workspace: Workspace
    request: RunRequest
    run: str
    ledger: Ledger
    roots: PackRoots
    keyring: Keyring
    vault: Vault
    progress: Progress = field(default=silent)

    @cached_property
    def _whole_standard(self) -> Standard:
        return load_standard(self.request.standard, self.roots)

    @cached_property
    def standard(self) -> Standard:
        """What of the standard is in force on the last day of the period."""
        return in_force_on(self._whole_standard, self.request.period.end)

    @cached_property
    def systems(self) -> dict[str, Any]:
        from etl.sources.loader import load_sources

        return load_sources(self.roots)

    @cached_property
    def mappings(self) -> MappingSet:
        from etl.mapping.loader import load_mappings, source_columns

        mappings = load_mappings(self._whole_standard, source_columns(self.systems), self.roots).within(self.standard)
        missing = [table.code for table in self.standard.ordered_tables if table.code not in mappings.tables]
        if missing:
            raise NoMapping(standard=self.standard.name, tables=", ".join(missing))
        return mappings

    @cached_property
    def _all_rules(self) -> list[Rule]:
        from etl.rules.derived import all_rules
        from etl.rules.loader import load_rules, rules_within

        authored = load_rules(self._whole_standard, self.roots, jurisdiction=self.request.jurisdiction)
        return [rule for rule in all_rules(self.standard, rules_within(self.standard, authored)) if rule.in_force(self.request.period.end)]

    @cached_property
    def rules(self) -> list[Rule]:
        """Derived and authored rules in force on the last day of the period, without those that the jurisdiction silenced."""
        return [rule for rule in self._all_rules if not rule.silenced]

    @cached_property
    def silenced(self) -> list[Rule]:
        """Rules that the jurisdiction of the run silenced: not run, and listed as such."""
        return [rule for rule in self._all_rules if rule.silenced]

    def rules_of(self, table: str) -> list[Rule]:
        """The rules in force of one table: as `rules`, without reading those of the other tables."""
        from etl.rules.derived import derived_rules
        from etl.rules.loader import load_rules, rules_within

        if "_all_rules" in self.__dict__:
            return [rule for rule in self.rules if rule.table == table]
        authored = load_rules(self._whole_standard, self.roots, {table}, self.request.jurisdiction)
        found = [*derived_rules(self.standard, self.standard.tables[table]), *rules_within(self.standard, authored)]
        return [rule for rule in found if rule.table == table and rule.in_force(self.request.period.end) and not rule.silenced]

    @cached_property
    def expectations(self) -> ExpectationSet:
        """What the pack expects of the profiles of tables and items in force on the last day of the period."""
        from etl.profiles.loader import expectations_within, load_expectations

        return expectations_within(self.standard, load_expectations(self._whole_standard, self.roots))

    @cached_property
    def company(self) -> Company:
        return company_of(self.workspace, self.standard, self.request.period.end)

    def take_packs(self, other: RunContext) -> None:
        """Use what `other` has loaded from the same packs."""
        for name in ("standard", "systems", "mappings", "_all_rules", "rules", "expectations", "company"):
            if name in other.__dict__:
                self.__dict__[name] = other.__dict__[name]

    @property
    def tables(self) -> tuple[Table, ...]:
        return self.standard.ordered_tables

    @property
    def folder(self) -> Path:
        return self.workspace.run_folder(self.run)

    def extracted(self, system: str, table: str) -> Path:
        return self.vault.folder(self.run, "extract", system) / f"{table}.parquet"

    def extracted_aside(self, system: str, table: str) -> Path:
        return self.vault.folder(self.run, "extract", system) / f"{table}.aside.parquet"

    def standardised(self, table: str) -> Path:
        return self.vault.folder(self.run, "standard") / f"{table}.parquet"

    def set_aside(self, table: str) -> Path:
        return self.vault.folder(self.run, "standard") / f"{table}.aside.parquet"

    def findings(self, table: str) -> Path:
        return self.folder / "findings" / f"{table}.parquet"

    @property
    def sent_folder(self) -> Path:
        """Where what will be sent is made ready: the run's folder, or the vault where it is clear personal data."""
        return self.vault.folder(self.run, "sent") if self.standard.sends_clear else self.folder

    def masked(self, table: str) -> Path:
        return self.sent_folder / "masked" / f"{table}.parquet"

    def serials(self, table: str) -> Path:
        return self.folder / "serials" / f"{table}.parquet"

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """An engine that spills into the vault, in a folder of its own (several processes may work on a run), and knows the period."""
        spill = self.vault.folder(self.run, "spill", f"{os.getpid()}-{secrets.token_hex(4)}")
        try:
            with open_engine(spill, memory=self.request.memory) as engine:
                period = self.request.period
                engine.set_parameters(period_start=period.start, period_end=period.end, report_date=self.request.report_date)
                yield engine
        finally:
            shutil.rmtree(spill, ignore_errors=True)

    def relative(self, path: Path) -> str:
        return path.relative_to(self.workspace.root).as_posix()


def company_of(workspace: Workspace, standard: Standard, day: date) -> Company:
    """The workspace's company, its name from the standard's code table."""
    if not standard.company_codes:
        return Company(workspace.company, workspace.company)
    names = {value.code: value.name for value in standard.codes[standard.company_codes].on(day)}
    if workspace.company not in names:
        raise CompanyUnknown(code=workspace.company, table=standard.company_codes)
    return Company(workspace.company, names[workspace.company])
