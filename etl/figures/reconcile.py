"""Reconcile: hold two sides against each other key by key; every row of the difference goes to Parquet, none is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engines.local import Engine, literal, quote
from etl.figures.compile import Known, chosen_sql, column
from etl.figures.compute import compute
from etl.figures.definition import Figure, FigureValue
from etl.figures.reconciliation import Reconciliation, Result, Term, Tolerance, not_compared
from etl.figures.runs import Book, apart, best_runs, open_book
from etl.privacy.display import item_sql
from etl.submission.definition import Period

if TYPE_CHECKING:
    from etl.packs.roots import PackRoots
    from etl.standard.definition import Standard

COLUMNS = ("kind", "key", "left", "right", "difference", "left_rows", "right_rows")
_AMOUNT = "DECIMAL(38,4)"


def reconcile(book: Book, one: Reconciliation, folder: Path, *, others: PackRoots, workbook: Path | None = None) -> Result:
    """Carry out one reconciliation of the book's run; differing rows go to `folder`/<id>.parquet (none there: none differ)."""
    target = folder / f"{one.id}.parquet"
    target.unlink(missing_ok=True)
    if one.kind == "rules":
        return _by_rules(book, one)
    if one.kind == "workbook":
        from etl.figures.workbook import against_workbook

        return against_workbook(book, one, workbook, target)
    if one.kind == "figures":
        return _by_figures(book, one, target)
    return _by_rows(book, one, target, others)


def _by_rules(book: Book, one: Reconciliation) -> Result:
    """Rules that ran with the check: their outcomes, by reference."""
    outcomes = [o for o in book.ledger.findings(book.run.id) if (one.family and o.family == one.family) or o.rule in one.rules]
    if not outcomes:
        return not_compared(one.id, "该次运行没有这些规则的结果", "the run has no outcomes of these rules")
    broken = [o for o in outcomes if o.outcome in ("errored", "skipped")]
    failed = [o for o in outcomes if o.outcome == "failed"]
    notes = tuple((f"规则 {o.rule}：{o.failed} 条发现", f"rule {o.rule}: {o.failed} finding(s)") for o in failed)
    notes += tuple((f"规则 {o.rule} 未能判断", f"rule {o.rule} could not be judged") for o in broken)
    if failed:
        reason = (f"{len(failed)}/{len(outcomes)} 条规则不通过；用 eastbound findings --family reconciliation 查看",
                  f"{len(failed)} of {len(outcomes)} rules failed; see eastbound findings --family reconciliation")
        return Result(one.id, "differs", reason, keys=len(outcomes), amounts=sum(o.failed for o in failed), notes=notes)
    if broken:
        return Result(one.id, "not_compared", (f"{len(broken)} 条规则未能判断", f"{len(broken)} rule(s) could not be judged"), keys=len(outcomes), notes=notes)
    return Result(one.id, "agrees", (f"{len(outcomes)} 条规则全部通过", f"all {len(outcomes)} rules passed"), keys=len(outcomes))


def _by_figures(book: Book, one: Reconciliation, target: Path) -> Result:
    sides: list[dict[str, Decimal]] = []
    for term in one.figures:
        values = _figure_values(book, term.figure, term.run, one.by)
        if isinstance(values, tuple):
            return not_compared(one.id, *values)
        sides.append(values)
    return compare_values(book.engine, one.id, sides[0], sides[1], one.tolerance, target)


def _figure_values(book: Book, name: str, run: str, by: str | None) -> dict[str, Decimal] | tuple[str, str]:
    if run == "previous":
        found = book.runs_of("previous")
        if not found:
            return ("没有上一期的运行", "there is no run of the period before")
        # Both periods by the same definition, the present one.
        with open_book(book.workspace, book.ledger, found[-1]) as earlier:
            earlier.roots = book.roots
            return _figure_values(earlier, name, "current", by)
    figures = book.figures()
    book.open_for(figures, [name])
    values = compute(book.engine, figures, [name], book.tables, by)[name]
    lacking = next((value for value in values if value.value is None), None)
    if lacking and lacking.reason:
        return lacking(figures.figures[name], lacking)
    return {value.member or "": value.value for value in values if value.value is not None}


def lacking(figure: Figure, value: FigureValue) -> tuple[str, str]:
    from etl.language import current_language, set_language

    assert value.reason
    spoken, sentences = current_language(), []
    for language in ("zh", "en"):
        set_language(language)
        sentences.append(value.reason.sentence())
    set_language(spoken)
    return (f"指标 {figure.id} 无值：{sentences[0]}", f"figure {figure.id} has no value: {sentences[1]}")


def compare_values(engine: Engine, name: str, left: dict[str, Decimal], right: dict[str, Decimal], tolerance: Tolerance, target: Path,
                   totals: bool = True) -> Result:
    """Compare two sides that are small: member -> value."""
    import pyarrow as pa

    for side, values in (("_left", left), ("_right", right)):
        table = pa.table({"_key": pa.array(list(values), pa.string()), "_amount": pa.array([format(v, "f") for v in values.values()], pa.string())})
        engine.connection.register(f"{side}_arrow", table)
        engine.execute(f"CREATE OR REPLACE TEMP TABLE {side} AS SELECT _key, CAST(_amount AS {_AMOUNT}) AS _amount, 1 AS _rows FROM {side}_arrow")
        engine.connection.unregister(f"{side}_arrow")
    return compare(engine, name, tolerance, target, totals)


def _by_rows(book: Book, one: Reconciliation, target: Path, others: PackRoots) -> Result:
    notes: tuple[tuple[str, str], ...] = ()
    engine = book.engine
    if one.other:
        days = _show_other(book, one)
        if days is None:
            period = book.period.label
            return not_compared(one.id, f"{one.other} 在 {period} 内没有运行；先执行 eastbound run -s {one.other} -p <日期>",
                                f"{one.other} has no run within {period}; start one with eastbound run -s {one.other} -p DAY")
        compared, whole = days
        if compared < whole:
            notes = ((f"只比较了 {whole} 天中的 {compared} 天：其余日子没有 {one.other} 的运行", f"{compared} of {whole} days compared: {one.other} has no run of the others"),)
    for side, terms in (("_left", one.left), ("_right", one.right)):
        selects = []
        for term in terms:
            for table in sorted(term.rows.tables()):
                if term.standard is None:
                    for role in term.rows.looked_up:
                        book.open(role, table)
                # What is only looked up may be in the run of the period alone.
                there = (term.role, table) in book.rows or (table != term.rows.table and ("current", table) in book.rows)
                if not there and term.role == "previous":
                    return not_compared(one.id, "没有上一期的运行", "there is no run of the period before")
                if not there:
                    return not_compared(one.id, f"没有表 {table}", f"there is no table {table}")
            earlier = book.runs_of("previous") if term.role == "previous" else []
            period = Period.parse(earlier[0].period) if earlier else book.period
            selects.append(_term_sql(term, _standard_of(book, term, others), book.tables.known, period, bool(one.other)))
        engine.execute(f"CREATE OR REPLACE TEMP TABLE {side} AS SELECT _key, CAST(coalesce(sum(_amount), 0) AS {_AMOUNT}) AS _amount, count(*) AS _rows "
                       f"FROM ({' UNION ALL '.join(selects)}) GROUP BY _key")
    return replace(compare(engine, one.id, one.tolerance, target), notes=notes)


def _standard_of(book: Book, term: Term, others: PackRoots) -> Standard:
    if term.standard is None:
        return book.standard
    from etl.standard.loader import load_standard

    return load_standard(term.standard, others)


def _show_other(book: Book, one: Reconciliation) -> tuple[int, int] | None:
    """Show the engine the other standard's tables and the days they cover; (days covered, days of the period), or None without any."""
    assert one.other
    best = best_runs(book.ledger, one.other)
    runs = [(period, best[period]) for period in apart([period for period in best if book.period.start <= period.start and period.end <= book.period.end])]
    tables = {table for term in (*one.left, *one.right) if term.standard for table in term.rows.tables()}
    for table in sorted(tables):
        files = [path for _, run in runs if (path := book.file(run, table))]
        if not files:
            return None
        book.show("other", table, files)
        book.rows["other", table] = 0
    covered = " UNION ".join(f"SELECT unnest(generate_series(DATE '{period.start}', DATE '{period.end}', INTERVAL 1 DAY))::DATE AS day" for period, _ in runs)
    book.engine.execute(f"CREATE OR REPLACE TEMP TABLE _days AS {covered}")
    return int(book.engine.one("SELECT count(*) FROM _days")), (book.period.end - book.period.start).days + 1


def _term_sql(term: Term, standard: Standard, known: Known, period: Period, same_days: bool = False) -> str:
    """Key and amount of each row of a term that is dated in `period`, its run's own, or on the days that both submissions have."""
    where = [term.rows.where.sql(column)] if term.rows.where else []
    if term.date:
        days = "IN (SELECT day FROM _days)" if same_days else f"BETWEEN DATE '{period.start}' AND DATE '{period.end}'"
        where.append(f"({term.date.sql(column)} {days})")
    parts = ", ".join(_shown(standard, term, item) for item in term.key)
    amount = term.amount.sql(column) if term.amount else "1"
    return chosen_sql(term.rows, known, where, {"_key": f"concat_ws('|', {parts})", "_amount": f"CAST({amount} AS {_AMOUNT})"})


def _shown(standard: Standard, term: Term, name: str) -> str:
    """A key item as text; a private one masked: what is written down and shown holds no clear value."""
    table, _, code = name.rpartition(".")
    item = standard.tables[table or term.rows.table].by_code[code]
    text = f"coalesce(CAST({column(name)} AS VARCHAR), '')"
    return item_sql(item, text) if item.privacy else text


def compare(engine: Engine, name: str, tolerance: Tolerance, target: Path, totals: bool = True) -> Result:
    """Compare the temporary tables _left and _right (_key, _amount, _rows); write what differs.

    They agree when every key, every amount and (with `totals`) the totals do, each to within the tolerance.
    """
    allowed = f"greatest({tolerance.absolute}, {tolerance.relative} * abs(r._amount))"
    joined = "_left AS l FULL OUTER JOIN _right AS r ON l._key = r._key"
    differing = f"(l._key IS NULL OR r._key IS NULL OR abs(l._amount - r._amount) > {allowed})"
    counts = engine.rows(
        f"SELECT coalesce(sum(l._amount), 0), coalesce(sum(r._amount), 0), count(*), count(*) FILTER (r._key IS NULL), count(*) FILTER (l._key IS NULL), "
        f"count(*) FILTER (l._key IS NOT NULL AND r._key IS NOT NULL AND {differing}) FROM {joined}")[0]
    left, right, keys, only_left, only_right, amounts = (Decimal(counts[0]), Decimal(counts[1]), *map(int, counts[2:]))
    if keys == 0:
        return not_compared(name, "两侧都没有行", "neither side has rows")
    off = only_left + only_right + amounts
    total = not totals or tolerance.allows(left - right, right)
    outcome = "agrees" if total and not off else "differs"
    reason = ("", "") if outcome == "agrees" else (f"{off} 个键有差异" if off else "合计超出容差", f"{off} key(s) differ" if off else "the totals differ by more than the tolerance")
    file = None
    if off or not total:
        # Where only the total is off, the small differences below the tolerance are what makes it up.
        which = differing if off else "l._amount IS DISTINCT FROM r._amount"
        engine.write_parquet(
            f"SELECT {literal(name)} AS reconciliation, CASE WHEN r._key IS NULL THEN 'only_left' WHEN l._key IS NULL THEN 'only_right' ELSE 'amount' END AS kind, "
            f"coalesce(l._key, r._key) AS key, l._amount AS {quote('left')}, r._amount AS {quote('right')}, coalesce(l._amount, 0) - coalesce(r._amount, 0) AS difference, "
            f"coalesce(l._rows, 0) AS left_rows, coalesce(r._rows, 0) AS right_rows FROM {joined} WHERE {which} ORDER BY kind, key", target)
        file = target
    return Result(name, outcome, reason, left, right, keys, only_left, only_right, amounts, file)


def differing_rows(engine: Engine, file: Path, limit: int | None = None, offset: int = 0) -> Iterable[dict]:
    """Rows of a difference, in the order of the file."""
    page = f" LIMIT {int(limit)} OFFSET {int(offset)}" if limit is not None else ""
    cursor = engine.execute(f"SELECT {', '.join(quote(c) for c in COLUMNS)} FROM read_parquet({literal(str(file))}) ORDER BY kind, key{page}")
    while batch := cursor.fetchmany(10_000):
        for row in batch:
            yield dict(zip(COLUMNS, row, strict=True))


def chosen(reconciliations: Sequence[Reconciliation], names: Sequence[str]) -> list[Reconciliation]:
    """Those asked for, all of them without names."""
    return [one for one in reconciliations if not names or one.id in names]
