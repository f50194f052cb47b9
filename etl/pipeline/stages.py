"""The stages. Each reads files, writes files, and leaves its three numbers per table in the ledger.

A stage is made of units (`etl.pipeline.units`): core systems, tables, the package. A stage function does the units that it
is given and passes over those that are done; without any it does the whole stage. One process may so walk the whole road,
or many processes a unit each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from etl.engines.local import Engine, quote
from etl.ledger.definition import MappingCount
from etl.pipeline.context import RunContext
from etl.pipeline.transactions import number_transactions
from etl.pipeline.units import done_units, sources_of
from etl.standard.definition import Table


def extract(context: RunContext, units: Sequence[str] | None = None) -> None:
    """Read every source table that a mapping needs, each core system (a unit) in one consistent snapshot."""
    wanted = sources_of(context)
    done = done_units(context, "extract")
    for system in units or sorted(wanted):
        if system not in done:
            _extract_system(context, system, wanted[system])


def _extract_system(context: RunContext, system: str, tables: set[str]) -> None:
    from etl.capture import capture_system

    context.progress("extract", system, "start", {})
    extracted = capture_system(
        context.systems[system], context.workspace.url(system, context.request.period), context.vault, context.run, tables=tables, mode=context.request.capture,
        ledger=context.ledger, company=context.workspace.company, base=context.workspace.capture_base, memory=context.request.memory,
        progress=lambda name, table, rows, total: context.progress("extract", f"{name}.{table}", "rows", {"rows": rows, "total": total}),
        done=lambda one: context.ledger.record_stage(context.run, "extract", f"{system}.{one.table}", rows_in=one.rows_in, rows_out=one.rows_out,
                                                     rows_aside=one.rows_aside, seconds=one.seconds))
    context.progress("extract", system, "done", {"rows": sum(t.rows_out for t in extracted), "aside": sum(t.rows_aside for t in extracted)})


def register_sources(context: RunContext, engine: Engine) -> None:
    """Make the extracted tables known to the engine as src."system.table"."""
    from etl.capture import view_image

    for system, table in sorted(context.mappings.sources):
        view_image(engine, system, table, context.vault.folder(context.run, "extract", system))


def standardise(context: RunContext, units: Sequence[str] | None = None) -> None:
    """Source columns and codes become data items; what cannot be converted is set aside. A unit is a table.

    Transaction numbers run through all tables: a standard that has them is one unit, and done when they are given out.
    """
    from etl.mapping.run import standardise_table
    from etl.pipeline.outcomes import forget_outcomes

    numbered = context.standard.transaction is not None
    done = done_units(context, "standardise")
    notes: list[Callable[[], None]] = []
    with context.engine() as engine:
        register_sources(context, engine)
        for table in chosen(context.tables, units, done):
            forget_outcomes(context, table.code)
            with Timed(context, "standardise", table.code, notes) as note:
                result = standardise_table(engine, context.standard, table, context.mappings, context.standardised(table.code), context.set_aside(table.code))
                counts = [MappingCount(table.code, c.item, c.mapped, c.defaulted, c.constant, c.unmapped) for c in result.items]
                note(result.rows_in, result.rows_out, result.rows_aside, before=_mapping_note(context, table.code, counts))
            if not numbered:
                _write_down(notes)
        if notes:
            number_transactions(context, engine)
    _write_down(notes)


def _mapping_note(context: RunContext, table: str, counts: list[MappingCount]) -> Callable[[], None]:
    return lambda: context.ledger.record_mapping(context.run, counts, table=table)


def _write_down(notes: list[Callable[[], None]]) -> None:
    while notes:
        notes.pop(0)()


def register_tables(context: RunContext, engine: Engine) -> None:
    """Make the standardised tables, what was set aside of them, and the code tables known to the engine."""
    engine.load_codes(context.standard.codes.values(), context.request.period.end)
    for table in context.tables:
        engine.view_parquet("data", table.code, context.standardised(table.code))
        engine.view_parquet("aside", table.code, context.set_aside(table.code))


def check(context: RunContext, units: Sequence[str] | None = None) -> None:
    """Run every rule over every table (a unit is a table); all findings go to Parquet, the outcomes are kept for `conclude`.

    Without units the check is concluded at once. A check is never taken over from before: it decides whether the package may leave.
    """
    from etl.pipeline.earlier import earlier_of, prepare
    from etl.pipeline.outcomes import keep_outcomes
    from etl.privacy.display import item_sql
    from etl.rules.run import check_table

    with context.engine() as engine:
        register_tables(context, engine)
        earlier = earlier_of(context)
        setting = prepare(context, engine, earlier)
        for table in chosen(context.tables, units, ()):
            rules = context.rules_of(table.code) if units else [rule for rule in context.rules if rule.table == table.code]
            with Timed(context, "check", table.code) as note:
                found = check_table(engine, context.standard, table, rules, context.findings(table.code), show=item_sql, setting=setting)
                rows = int(engine.one(f"SELECT count(*) FROM data.{quote(table.code)}"))
                keep_outcomes(context, table.code, found)
                note(rows, rows, 0)
        if units is None:
            _conclude(context, engine, earlier, setting)


def conclude(context: RunContext) -> None:
    """Bring the checks of all tables together: what earlier stages found, what is mended, the profiles; the outcomes go to the ledger.

    Raises CheckIncomplete where a table was not checked since it was standardised last.
    """
    from etl.pipeline.earlier import earlier_of, prepare

    with context.engine() as engine:
        register_tables(context, engine)
        earlier = earlier_of(context)
        _conclude(context, engine, earlier, prepare(context, engine, earlier))


def _conclude(context: RunContext, engine: Engine, earlier: Any, setting: Any) -> None:
    from etl.ledger.definition import RuleOutcome as LedgerOutcome
    from etl.pipeline.earlier import write_fixed
    from etl.pipeline.outcomes import kept_outcomes
    from etl.pipeline.stage_findings import stage_findings
    from etl.privacy.display import item_sql
    from etl.profiles.profile import profile_tables
    from etl.rules.overlays import silenced_outcomes
    from etl.rules.versions import fingerprint

    outcomes = kept_outcomes(context)
    outcomes += stage_findings(context, engine, item_sql, setting)
    write_fixed(context, engine, earlier)
    profile_tables(context, engine)
    outcomes += silenced_outcomes(context.silenced)
    versions = {rule.id: fingerprint(rule) for rule in [*context.rules, *context.silenced]}
    context.ledger.record_findings(context.run, [
        LedgerOutcome(o.rule, o.family, o.severity, o.table, o.outcome, o.judged, o.failed, o.reason, versions.get(o.rule, "")) for o in outcomes])


def mask(context: RunContext, units: Sequence[str] | None = None) -> None:
    """Private items become what the standard says may leave the house; held rows stay behind. A unit is a table.

    What is held back in one table depends on all: a standard that holds back is one unit.
    """
    from etl.pipeline.hold import held_rows, note_held, without_held
    from etl.privacy.mask import mask_table

    done = done_units(context, "mask")
    with context.engine() as engine:
        held = held_rows(context, engine)
        note_held(context, engine, held)
        for table in chosen(context.standard.submitted_tables, units, done):
            with Timed(context, "mask", table.code) as note:
                source = without_held(context, engine, table, held)
                counts = mask_table(source, context.masked(table.code), table, context.standard, context.keyring, day=context.request.period.end)
                aside = len(held.get(table.code, ()))
                note(counts.rows + aside, counts.rows, aside)


def write(context: RunContext, units: Sequence[str] | None = None) -> None:
    """The fixed-format text of every table (a unit), and which row got which serial number."""
    from etl.pipeline.written import write_tables

    write_tables(context, Timed, chosen(context.standard.submitted_tables, units, ()), whole=units is None)


def seal(context: RunContext, units: Sequence[str] | None = None) -> None:
    """The independent reader goes over what was written; only then does the package appear. The unit is the package."""
    from etl.pipeline.written import seal_all

    seal_all(context, Timed)


def chosen(tables: Iterable[Table], units: Sequence[str] | None, done: Iterable[str]) -> list[Table]:
    """The tables that `units` name (all of them without units, or by the unit `all`), without those that are done."""
    from etl.pipeline.units import ALL

    every = units is None or ALL in units
    return [table for table in tables if (every or table.code in units) and table.code not in done]  # type: ignore[operator]


class Timed:
    """Notes a table's numbers and time in the ledger, and tells progress, when the block ends well.

    With `later` the note is put there instead, for whoever knows when the table is really done.
    """

    def __init__(self, context: RunContext, stage: str, table: str, later: list[Callable[[], None]] | None = None) -> None:
        self.context, self.stage, self.table, self.later = context, stage, table, later
        self.numbers: tuple[int, int, int] | None = None
        self.before: Callable[[], None] | None = None

    def __enter__(self) -> Callable[..., None]:
        self.context.progress(self.stage, self.table, "start", {})
        self.started = time.monotonic()
        return self._note

    def _note(self, rows_in: int, rows_out: int, rows_aside: int, before: Callable[[], None] | None = None) -> None:
        self.numbers, self.before = (rows_in, rows_out, rows_aside), before

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None or self.numbers is None:
            return
        seconds = time.monotonic() - self.started
        if self.later is None:
            self._write_down(seconds)
        else:
            self.later.append(lambda: self._write_down(seconds))

    def _write_down(self, seconds: float) -> None:
        rows_in, rows_out, rows_aside = self.numbers  # type: ignore[misc]
        if self.before is not None:
            self.before()
        self.context.ledger.record_stage(self.context.run, self.stage, self.table, rows_in=rows_in, rows_out=rows_out, rows_aside=rows_aside, seconds=seconds)
        self.context.progress(self.stage, self.table, "done", {"rows": rows_out, "aside": rows_aside})


def package_path(context: RunContext) -> Path | None:
    """The folder of the sealed package; None before."""
    run = context.ledger.run(context.run)
    return context.workspace.root / run.package if run.package else None
