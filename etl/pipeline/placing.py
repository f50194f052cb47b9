"""Where the rows of a sealed national package belong: one jurisdiction (监管辖区) for each, or an error that lists what has none.

Rows are placed by what was sent (the masked tables), in the order that the standard's `jurisdictions` gives. The result lies in
`runs/<run>/places/<TABLE>.parquet`: `_row` of the file, `standard_row`, `serial`, `jurisdiction`. It is made once, whoever asks first.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engines.local import Engine, literal, quote
from etl.errors import EastboundError
from etl.files import whole_file
from etl.pipeline.road import open_context
from etl.standard.jurisdictions import jurisdictions_of_standard

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.ledger.definition import Run
    from etl.pipeline.context import RunContext
    from etl.standard.definition import Jurisdictions, PlacingStep, Table
    from etl.workspace import Workspace

PLACES, UNPLACED, SUMMARY = "places", "unplaced.csv", "places.json"
SHOWN = 20


class NotWhole(EastboundError):
    zh = "运行 {run} 不是全国报送包（它属于辖区 {jurisdiction}），不能再拆分"
    en = "run {run} made no national package (it is of jurisdiction {jurisdiction}), so it cannot be split"


class NotSplit(EastboundError):
    zh = "标准 {standard} 没有说明各表的行归属哪个监管辖区，不能拆分；请在 standard.yaml 中加入 jurisdictions（见 docs/provinces.md），再重新执行 eastbound run"
    en = ("{standard} does not say which jurisdiction the rows of its tables belong to, so it cannot be split; add jurisdictions to standard.yaml "
          "(see docs/provinces.md) and start a new eastbound run")


class FormatNotSplit(EastboundError):
    zh = "标准 {standard} 的报送包不能按监管辖区拆分：需要分隔符格式、不含未脱敏的个人信息，并有流水号或 split_by"
    en = "packages of {standard} cannot be split by jurisdiction: that takes a delimited format, no clear personal data, and serial numbers or split_by"


class HeadUnclear(EastboundError):
    zh = "运行 {run} 的表 {table} 中应恰有一个总公司辖区（{item} = {value}），实有 {found} 个；请更正来源后重新运行"
    en = "run {run}: {table} should have exactly one jurisdiction of a head office ({item} = {value}), but has {found}; mend the source and run again"


class RowsUnplaced(EastboundError):
    zh = "运行 {run} 有 {count} 行找不到监管辖区，未拆分任何部分（不会默认归总公司）：{shown}。全部列于 {path}；请更正机构或保单的来源数据后重新运行"
    en = ("run {run}: no jurisdiction was found for {count} row(s), so nothing was split (they are not taken for the head office's): {shown}. All are listed in "
          "{path}; mend the units or policies at the source and run again")
    exit_code = 1


def place_rows(context: RunContext) -> dict[str, dict[str, int]]:
    """{jurisdiction: {table: rows}} of a sealed run, jurisdictions in order; makes the places on first use.

    Raises NotSplit, FormatNotSplit, HeadUnclear, RowsUnplaced.
    """
    from filelock import FileLock

    declared = jurisdictions_of_standard(context.standard)
    standard = context.standard
    if declared is None:
        raise NotSplit(standard=standard.name)
    # Clear data would have to stay in the vault, and a line without a number could not be found again in the whole.
    if standard.sends_clear or standard.format.kind == "fixed" or not (standard.serial or standard.split_by):
        raise FormatNotSplit(standard=standard.name)
    summary = context.folder / PLACES / SUMMARY
    locks = context.workspace.root / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    # Tasks of several jurisdictions start at once: the first one places the rows, the others wait and take them over.
    with FileLock(locks / f"places-{context.run}.lock", is_singleton=False):
        if not summary.is_file():
            found = _place_all(context, declared)
            with whole_file(summary) as partial:
                partial.write_text(json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True), encoding="utf-8")
    return dict(sorted(json.loads(summary.read_text(encoding="utf-8")).items()))


def whole_context(workspace: Workspace, ledger: Ledger, run_id: str) -> RunContext:
    """The context of a sealed national run. Raises RunUnknown, RunNotSealed, NotWhole."""
    from etl.ledger.approvals import RunNotSealed
    from etl.ledger.definition import SEALED

    run = ledger.run(run_id)
    if run.part_of or run.jurisdiction:
        raise NotWhole(run=run_id, jurisdiction=run.jurisdiction)
    if run.status != SEALED:
        raise RunNotSealed(run=run_id, status=run.status)
    return open_context(workspace, run_id, ledger)


def parts_of(ledger: Ledger, run: Run) -> dict[str, Run]:
    """Jurisdiction -> the part made last of a national run."""
    found: dict[str, Run] = {}
    for part in ledger.runs(run.standard, run.period, parts=True):
        if part.part_of == run.id and part.jurisdiction:
            found.setdefault(part.jurisdiction, part)
    return found


def places(context: RunContext, table: str) -> Path:
    return context.folder / PLACES / f"{table}.parquet"


def _place_all(context: RunContext, declared: Jurisdictions) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    with context.vault.scratch() as spill, _engine(spill, context.request.memory) as engine:
        for table in context.standard.submitted_tables:
            engine.view_parquet("data", table.code, context.masked(table.code))
        head = _directory(context, engine, declared)
        waiting = {table.code: table for table in context.standard.submitted_tables}
        while waiting:
            # The loader has refused circles: there is always a table that leans on no waiting one.
            table = next(t for t in waiting.values() if not any(step.through in waiting for step in _steps(context, declared, t)))
            del waiting[table.code]
            _place(context, engine, table, _steps(context, declared, table), head)
            for jurisdiction, rows in engine.rows(f"SELECT jurisdiction, count(*) FROM places.{quote(table.code)} WHERE jurisdiction IS NOT NULL GROUP BY 1"):
                counts.setdefault(jurisdiction, {})[table.code] = int(rows)
        _refuse_unplaced(context, engine)
    return counts


def _engine(spill: Path, memory: str | None):
    from etl.engines import open_engine

    return open_engine(spill, memory=memory)


def _steps(context: RunContext, declared: Jurisdictions, table: Table) -> tuple[PlacingStep, ...]:
    """The steps of a table that its items and its partners, as in force in the period, allow."""
    known = context.standard.tables
    steps = declared.tables.get(table.code, ())
    return tuple(s for s in steps if (s.item or s.unit) in table.by_code
                 or (s.through in known and set(s.on) <= table.by_code.keys() and {*s.on.values(), *([s.first] if s.first else [])} <= known[s.through].by_code.keys()))


def _directory(context: RunContext, engine: Engine, declared: Jurisdictions) -> str:
    """Make `_units(unit, area)` known to the engine; returns the head office's jurisdiction ('' without a directory)."""
    told = declared.directory
    if told is None:
        return ""
    table, area = f"data.{quote(told.table)}", quote(told.area)
    engine.execute(f"CREATE TEMP TABLE _units AS SELECT {quote(told.unit)} AS unit, min({area}) AS area FROM {table} WHERE {_is_area(area)} GROUP BY 1")
    heads = engine.rows(f"SELECT DISTINCT {area} FROM {table} WHERE {quote(told.head_item)} = {literal(told.head_value)} AND {_is_area(area)}")
    if len(heads) != 1:
        raise HeadUnclear(run=context.run, table=told.table, item=told.head_item, value=told.head_value, found=len(heads))
    return str(heads[0][0])


def _is_area(sql: str) -> str:
    return f"regexp_matches({sql}, '^[0-9]{{6}}$')"


def _place(context: RunContext, engine: Engine, table: Table, steps: tuple[PlacingStep, ...], head: str) -> None:
    """Write the places of one table, and make them known as places.<TABLE>."""
    joins, areas = [], []
    for number, step in enumerate(steps):
        if step.item:
            own = f"r.{quote(step.item)}"
            areas.append(f"CASE WHEN {_is_area(own)} THEN {own} END")
        else:
            source, on = (f"(SELECT unit AS _k0, area FROM _units) AS s{number}", [step.unit]) if step.unit else (_partners(step, f"s{number}"), list(step.on))
            joins.append(f"LEFT JOIN {source} ON " + " AND ".join(f"s{number}._k{n} = r.{quote(item)}" for n, item in enumerate(on)))
            areas.append(f"s{number}.area")
    declared_head = not steps and bool(head)
    area = literal(head) if declared_head else f"coalesce({', '.join([*areas, 'NULL'])})"
    names = {row[0] for row in engine.rows(f"DESCRIBE SELECT * FROM data.{quote(table.code)}")}
    standard_row = "r._standard_row" if "_standard_row" in names else "r._row"
    serials = f"read_parquet({literal(str(context.serials(table.code)))})"
    target = places(context, table.code)
    engine.write_parquet(
        f"SELECT r._row, {standard_row} AS standard_row, n.serial, CAST({area} AS VARCHAR) AS jurisdiction FROM data.{quote(table.code)} AS r "
        f"JOIN {serials} AS n ON n.\"row\" = {standard_row} {' '.join(joins)} ORDER BY r._row", target)
    engine.view_parquet("places", table.code, target)


def _partners(step: PlacingStep, name: str) -> str:
    """One placed partner per value of the joined items: the one with the least `first`."""
    keys = list(step.on.values())
    told = ", ".join(f"p.{quote(item)} AS _k{n}" for n, item in enumerate(keys))
    order = f"(p.{quote(step.first)}, p._row)" if step.first else "p._row"
    return (f"(SELECT {told}, arg_min(w.jurisdiction, {order}) AS area FROM data.{quote(step.through)} AS p JOIN places.{quote(step.through)} AS w USING (_row) "
            f"WHERE w.jurisdiction IS NOT NULL GROUP BY {', '.join(f'p.{quote(item)}' for item in keys)}) AS {name}")


def _refuse_unplaced(context: RunContext, engine: Engine) -> None:
    """Raise RowsUnplaced where a row has no jurisdiction; all such rows go to a file, by table and serial number."""
    found = []
    for table in context.standard.submitted_tables:
        found += [(table.code, serial) for (serial,) in engine.rows(f"SELECT serial FROM places.{quote(table.code)} WHERE jurisdiction IS NULL ORDER BY _row")]
    path = context.folder / PLACES / UNPLACED
    path.unlink(missing_ok=True)
    if not found:
        return
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([("table", "serial"), *found])
    shown = ", ".join(f"{table} {serial}" for table, serial in found[:SHOWN]) + (" ..." if len(found) > SHOWN else "")
    raise RowsUnplaced(run=context.run, count=len(found), shown=shown, path=context.relative(path))
