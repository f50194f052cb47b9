"""What the rules of each table came to, kept in the run's folder from the check of the table until all tables are checked."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import EastboundError
from etl.files import whole_file
from etl.rules.definition import RuleOutcome

if TYPE_CHECKING:
    from etl.pipeline.context import RunContext


class CheckIncomplete(EastboundError):
    zh = "运行 {run} 的表 {tables} 在标准化之后还没有检核，不能得出结论；请先检核这些表"
    en = "run {run}: table(s) {tables} were not checked since they were standardised, so there is no conclusion yet; check them first"
    exit_code = 3


def _file(context: RunContext, table: str) -> Path:
    return context.folder / "outcomes" / f"{table}.json"


def keep_outcomes(context: RunContext, table: str, outcomes: list[RuleOutcome]) -> None:
    """Keep the outcomes of a table; again replaces."""
    path = _file(context, table)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.write_text(json.dumps([asdict(outcome) for outcome in outcomes], ensure_ascii=False), encoding="utf-8")


def forget_outcomes(context: RunContext, table: str) -> None:
    """A table that is standardised anew is unchecked."""
    _file(context, table).unlink(missing_ok=True)


def kept_outcomes(context: RunContext) -> list[RuleOutcome]:
    """The outcomes of all tables, in load order. Raises CheckIncomplete."""
    missing = [table.code for table in context.tables if not _file(context, table.code).is_file()]
    if missing:
        raise CheckIncomplete(run=context.run, tables=", ".join(missing))
    return [RuleOutcome(**entry) for table in context.tables for entry in json.loads(_file(context, table.code).read_text(encoding="utf-8"))]
