"""The stages. Each reads files, writes files, and leaves its three numbers per table in the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable

from etl.engines.local import Engine, quote
from etl.ledger.definition import MappingCount
from etl.ledger.definition import RuleOutcome as LedgerOutcome
from etl.pipeline.context import RunContext
from etl.pipeline.stage_findings import stage_findings
from etl.pipeline.transactions import number_transactions


def extract(context: RunContext) -> None:
    """Read every source table that a mapping needs, each core system in one consistent snapshot."""
    from etl.sources.extract import extract_system

    wanted: dict[str, set[str]] = {}
    for system, table in context.mappings.sources:
        wanted.setdefault(system, set()).add(table)
    done = {count.table for count in context.ledger.stages(context.run) if count.stage == "extract"}
    for system in sorted(wanted):
        if {f"{system}.{table}" for table in wanted[system]} <= done:
            continue
        context.progress("extract", system, "start", {})
        extracted = extract_system(
            context.systems[system], context.workspace.url(system), context.vault.folder(context.run, "extract"),
            batch_id=context.run, tables=wanted[system],
            memory=context.request.memory,
            progress=lambda name, table, rows, total: context.progress("extract", f"{name}.{table}", "rows", {"rows": rows, "total": total}))
        for one in extracted:
            context.ledger.record_stage(context.run, "extract", f"{system}.{one.table}", rows_in=one.rows_in, rows_out=one.rows_out,
                                        rows_aside=one.rows_aside, seconds=one.seconds)
        context.progress("extract", system, "done", {"rows": sum(t.rows_out for t in extracted), "aside": sum(t.rows_aside for t in extracted)})


def register_sources(context: RunContext, engine: Engine) -> None:
    """Make the extracted tables known to the engine as src."system.table"."""
    for system, table in sorted(context.mappings.sources):
        engine.view_parquet("src", f"{system}.{table}", context.extracted(system, table))


def standardise(context: RunContext) -> None:
    """Source columns and codes become data items; what cannot be converted is set aside."""
    from etl.mapping.run import standardise_table

    counts: list[MappingCount] = []
    with context.engine() as engine:
        register_sources(context, engine)
        for table in context.tables:
            with _timed(context, "standardise", table.code) as note:
                result = standardise_table(engine, context.standard, table, context.mappings, context.standardised(table.code), context.set_aside(table.code))
                note(result.rows_in, result.rows_out, result.rows_aside)
            counts += [MappingCount(table.code, c.item, c.mapped, c.defaulted, c.constant, c.unmapped) for c in result.items]
        number_transactions(context, engine)
    context.ledger.record_mapping(context.run, counts)


def register_tables(context: RunContext, engine: Engine) -> None:
    """Make the standardised tables, what was set aside of them, and the code tables known to the engine."""
    engine.load_codes(context.standard.codes.values(), context.request.period.end)
    for table in context.tables:
        engine.view_parquet("data", table.code, context.standardised(table.code))
        engine.view_parquet("aside", table.code, context.set_aside(table.code))


def check(context: RunContext) -> None:
    """Run every rule over every table; all findings go to Parquet, outcomes to the ledger."""
    from etl.pipeline.earlier import earlier_of, prepare, write_fixed
    from etl.privacy.display import item_sql
    from etl.profiles.profile import profile_tables
    from etl.rules.overlays import silenced_outcomes
    from etl.rules.run import check_table
    from etl.rules.versions import fingerprint

    outcomes = []
    by_table: dict[str, list] = {}
    for rule in context.rules:
        by_table.setdefault(rule.table, []).append(rule)
    with context.engine() as engine:
        register_tables(context, engine)
        earlier = earlier_of(context)
        setting = prepare(context, engine, earlier)
        for table in context.tables:
            rules = by_table.get(table.code, [])
            with _timed(context, "check", table.code) as note:
                found = check_table(engine, context.standard, table, rules, context.findings(table.code), show=item_sql, setting=setting)
                rows = int(engine.one(f"SELECT count(*) FROM data.{quote(table.code)}"))
                note(rows, rows, 0)
            outcomes += found
        outcomes += stage_findings(context, engine, item_sql, setting)
        write_fixed(context, engine, earlier)
        profile_tables(context, engine)
    outcomes += silenced_outcomes(context.silenced)
    versions = {rule.id: fingerprint(rule) for rule in [*context.rules, *context.silenced]}
    context.ledger.record_findings(context.run, [
        LedgerOutcome(o.rule, o.family, o.severity, o.table, o.outcome, o.judged, o.failed, o.reason, versions.get(o.rule, "")) for o in outcomes])


def mask(context: RunContext) -> None:
    """Private items become what the standard says may leave the house; held rows stay behind."""
    from etl.pipeline.hold import held_rows, note_held, without_held
    from etl.privacy.mask import mask_table

    with context.engine() as engine:
        held = held_rows(context, engine)
        note_held(context, engine, held)
        for table in context.standard.submitted_tables:
            with _timed(context, "mask", table.code) as note:
                source = without_held(context, engine, table, held)
                counts = mask_table(source, context.masked(table.code), table, context.standard, context.keyring, day=context.request.period.end)
                aside = len(held.get(table.code, ()))
                note(counts.rows + aside, counts.rows, aside)


def write(context: RunContext) -> None:
    """The fixed-format text of every table, and which row got which serial number."""
    from etl.pipeline.written import write_all

    write_all(context, _timed)


def seal(context: RunContext) -> None:
    """The independent reader goes over what was written; only then does the package appear."""
    from etl.pipeline.written import seal_all

    seal_all(context, _timed)


class _timed:
    """Notes a table's numbers and time in the ledger, and tells progress, when the block ends well."""

    def __init__(self, context: RunContext, stage: str, table: str) -> None:
        self.context, self.stage, self.table = context, stage, table
        self.numbers: tuple[int, int, int] | None = None

    def __enter__(self) -> Callable[[int, int, int], None]:
        self.context.progress(self.stage, self.table, "start", {})
        self.started = time.monotonic()
        return self._note

    def _note(self, rows_in: int, rows_out: int, rows_aside: int) -> None:
        self.numbers = (rows_in, rows_out, rows_aside)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None or self.numbers is None:
            return
        rows_in, rows_out, rows_aside = self.numbers
        self.context.ledger.record_stage(self.context.run, self.stage, self.table, rows_in=rows_in, rows_out=rows_out,
                                         rows_aside=rows_aside, seconds=time.monotonic() - self.started)
        self.context.progress(self.stage, self.table, "done", {"rows": rows_out, "aside": rows_aside})

