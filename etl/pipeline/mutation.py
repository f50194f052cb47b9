"""The mutation check over a run: its standardised tables come out of the vault into memory, nothing of the run is touched."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.engines import Engine, open_engine
from etl.engines.local import literal, quote
from etl.engines.types import sql_type
from etl.errors import EastboundError
from etl.packs.roots import PackRoots
from etl.pipeline.context import RunContext
from etl.pipeline.road import open_context
from etl.rules.mutation import MutationReport, mutate
from etl.workspace import Workspace

if TYPE_CHECKING:
    from etl.ledger import Ledger

LAST = "last"
# Columns beside the items that rules and findings look at.
_BESIDE = {"_row": "BIGINT", "_src_system": "VARCHAR", "_src_table": "VARCHAR", "_src_key": "VARCHAR", "_unmapped": "VARCHAR[]"}


class NothingToMutate(EastboundError):
    zh = ("工作区 {path} 中没有标准 {standard} 的已封包运行；变异测试需要一份干净的数据作底：先执行 "
          "eastbound demo init -w 目录 --policies 500，再执行 eastbound run -s {standard} -p 报送期 -w 目录")
    en = ("{path} holds no sealed run of {standard}; the mutation check needs clean data to start from: first "
          "eastbound demo init -w FOLDER --policies 500, then eastbound run -s {standard} -p PERIOD -w FOLDER")


class RunOfAnother(EastboundError):
    zh = "运行 {run} 属于标准 {found}，而不是 {standard}"
    en = "run {run} is one of {found}, not of {standard}"


@dataclass(frozen=True)
class Mutated:
    """What the mutation check told, and on which run's data."""

    run: str
    period: str
    report: MutationReport


def mutation_check(workspace: Workspace, standard: str, run: str = LAST, *, packs: Sequence[str] = (), jurisdiction: str | None = None,
                   derived: bool = False, only: Collection[str] | None = None, progress: Callable[[str, int, int], None] = lambda *_: None) -> Mutated:
    """Try a fault for every authored rule of `standard` (`derived`: for all rules) in the data of a run, `last` the latest sealed one.

    `only` names the rules to try; all watch.
    Rules and standard are those of the packs as they are now. Raises NothingToMutate, RunOfAnother.
    """
    from etl.ledger import open_ledger
    from etl.privacy.display import item_sql

    with open_ledger(workspace.ledger_place) as ledger, open_engine() as engine:
        then = open_context(workspace, _run(ledger, workspace, standard, run), ledger)
        request = replace(then.request, jurisdiction=jurisdiction) if jurisdiction else then.request
        now = RunContext(workspace, request, then.run, ledger, PackRoots.of(*workspace.packs, *packs), then.keyring, then.vault)
        load_tables(engine, now)
        chosen = [rule for rule in now.rules if (rule.id in only if only is not None else derived or rule.origin == "authored")]
        return Mutated(then.run, request.period.label, mutate(engine, now.standard, now.rules, chosen, show=item_sql, progress=progress))


def _run(ledger: Ledger, workspace: Workspace, standard: str, wanted: str) -> str:
    if wanted != LAST:
        run = ledger.run(wanted)
        if run.standard != standard:
            raise RunOfAnother(run=run.id, found=run.standard, standard=standard)
        return run.id
    sealed = [run for run in ledger.runs(standard) if run.status == "sealed"]
    if not sealed:
        raise NothingToMutate(path=str(workspace.root), standard=standard)
    return max(sealed, key=lambda run: (run.started_at, run.id)).id


def load_tables(engine: Engine, context: RunContext) -> None:
    """Copy the run's tables into the engine's memory as base.* and aside.*, with the items that the standard has now."""
    period = context.request.period
    engine.set_parameters(period_start=period.start, period_end=period.end, report_date=context.request.report_date)
    engine.load_codes(context.standard.codes.values(), period.end)
    engine.schema("base")
    files = set(context.vault.files(context.run))
    for table in context.tables:
        columns = {**_BESIDE, **{item.code: sql_type(item) for item in table.mapped_items}}
        for schema, ending in (("base", ""), ("aside", ".aside")):
            name = f"standard/{table.code}{ending}.parquet"
            target = f"CREATE OR REPLACE TABLE {schema}.{quote(table.code)} AS "
            if name not in files:
                engine.execute(target + f"SELECT {', '.join(f'CAST(NULL AS {kind}) AS {quote(code)}' for code, kind in columns.items())} LIMIT 0")
                continue
            with context.vault.read(context.run, name) as path:
                read = f"read_parquet({literal(str(path))})"
                there = {row[0] for row in engine.rows(f"DESCRIBE SELECT * FROM {read}")}
                listed = [f"CAST({quote(code) if code in there else 'NULL'} AS {kind}) AS {quote(code)}" for code, kind in columns.items()]
                engine.execute(target + f"SELECT {', '.join(listed)} FROM {read}" + (" ORDER BY _row" if "_row" in there else ""))
