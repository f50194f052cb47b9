"""What each stage is made of, and which of it is done: the ledger says so, nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.pipeline.context import RunContext

STAGES: tuple[str, ...] = ("extract", "standardise", "check", "mask", "write", "seal")
ALL = "all"
PACKAGE = "package"


def sources_of(context: RunContext) -> dict[str, set[str]]:
    """The core systems that the mappings of the standard read, each with its tables."""
    wanted: dict[str, set[str]] = {}
    for system, table in context.mappings.sources:
        wanted.setdefault(system, set()).add(table)
    return wanted


def units_of(context: RunContext, stage: str) -> list[str]:
    """The units of a stage in load order: core systems, tables, or `all` where the tables hang together."""
    standard = context.standard
    if stage == "extract":
        return sorted(sources_of(context))
    if stage == "seal":
        return [PACKAGE]
    if stage in ("standardise", "check"):
        # Transaction numbers are given out over all tables.
        return [ALL] if stage == "standardise" and standard.transaction else [table.code for table in context.tables]
    # A row with an error holds the rows of its transaction in every table.
    return [ALL] if stage == "mask" and standard.on_error == "hold_transactions" else [table.code for table in standard.submitted_tables]


def done_units(context: RunContext, stage: str) -> set[str]:
    """Systems or tables of a stage that need not be done again."""
    noted = {count.table for count in context.ledger.stages(context.run) if count.stage == stage}
    if stage == "standardise":
        return noted & {count.table for count in context.ledger.mapping(context.run)}
    if stage == "extract":
        return {system for system, tables in sources_of(context).items() if {f"{system}.{table}" for table in tables} <= noted}
    return noted


def finished(context: RunContext, stage: str) -> bool:
    """Whether a stage is done for all its tables. A check is never taken over: it decides whether the package may leave."""
    if stage in ("check", "write", "seal"):
        return False
    done = done_units(context, stage)
    if stage == "extract":
        return set(sources_of(context)) <= done
    tables = context.tables if stage == "standardise" else context.standard.submitted_tables
    return {table.code for table in tables} <= done
