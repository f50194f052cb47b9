"""From a figure to the rows that make it up: streamed, masked, each with its serial number and its source row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from etl.engines.local import literal
from etl.figures.compile import amount_sql, chosen_sql, column, conditions
from etl.figures.definition import DIMENSIONS, Figure
from etl.privacy.display import item_sql

if TYPE_CHECKING:
    from etl.figures.runs import Book
    from etl.standard.definition import Standard

COLUMNS = ("figure", "table", "key", "amount", "date", "branch", "channel", "product", "serial", "source_system", "source_table", "source_key", "items")


def figure_rows(book: Book, name: str) -> Iterator[dict[str, Any]]:
    """Every row of a figure, of each figure that a formula is made of, in the order of the tables.

    `amount` is what the row adds (or what is averaged); `items` holds what the definition looks at. Nothing private is clear.
    """
    figures = book.figures()
    book.open_for(figures, [name])
    for figure in figures.rows_of(name):
        if book.tables.missing(figure):
            continue
        cursor = book.engine.execute(rows_sql(book, figure))
        while batch := cursor.fetchmany(5_000):
            for row in batch:
                found = dict(zip(COLUMNS, (figure.id, figure.source.table if figure.source else "", *row), strict=True))
                found["items"] = json.loads(found["items"])
                yield found


def rows_sql(book: Book, figure: Figure) -> str:
    """SQL of `COLUMNS` without the first two."""
    source = figure.source
    assert source
    table = book.standard.tables[source.table]
    columns = {"_key": "concat_ws('|', " + ", ".join(_shown(book.standard, source.table, item.code) for item in table.key_items) + ")",
               "_amount": amount_sql(figure), "_date": column(source.date) if source.date else "CAST(NULL AS DATE)"}
    for dimension in DIMENSIONS:
        columns[f"_{dimension}"] = column(source.by[dimension]) if dimension in source.by else "CAST(NULL AS VARCHAR)"
    looked_at = [name for expression in (figure.value, figure.where, source.where) if expression for name in expression.columns]
    packed = ", ".join(f"{literal(name)}, {_shown(book.standard, source.table, name)}" for name in dict.fromkeys(looked_at))
    columns |= {"_source_system": "t._src_system", "_source_table": "t._src_table", "_source_key": "t._src_key",
                "_items": f"CAST(json_object({packed}) AS VARCHAR)", "_order": "t._n", "_row": "t._row"}
    chosen = chosen_sql(source, book.tables.known, conditions(source, figure.where, figure.period == "flow"), columns)
    serials = book.workspace.run_folder(book.run.id) / "serials" / f"{source.table}.parquet"
    # Numbers belong to the rows of this run only, and lead to what `eastbound trace` shows.
    own = serials.is_file() and source.runs == ("current",)
    serial, joined = ("s.serial", f" LEFT JOIN read_parquet({literal(str(serials))}) AS s ON s.\"row\" = r._row") if own else ("CAST(NULL AS VARCHAR)", "")
    return (f"SELECT _key, _amount, _date, _branch, _channel, _product, {serial}, _source_system, _source_table, _source_key, _items "
            f"FROM ({chosen}) AS r{joined} ORDER BY r._order, r._row")


def _shown(standard: Standard, table: str, name: str) -> str:
    """An item as text, masked where it is private."""
    other, _, code = name.rpartition(".")
    item = standard.tables[other or table].by_code[code]
    text = f"CAST({column(name)} AS VARCHAR)"
    return item_sql(item, text) if item.privacy else text
