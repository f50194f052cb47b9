"""What the members of a dimension are called: branches, channels and products by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engines.local import quote

if TYPE_CHECKING:
    from etl.figures.definition import FigureSet
    from etl.figures.runs import Book


def member_names(book: Book, figures: FigureSet, by: str) -> dict[str, str]:
    """Code -> name of the members of a dimension; {} where the pack does not say."""
    label = figures.labels.get(by)
    if label is None:
        return {}
    if label.codes:
        return {value.code: value.name for value in book.standard.codes[label.codes].on(book.period.end)}
    if not label.table or not label.key or not label.text or not book.open("current", label.table):
        return {}
    # A private name is not for headings.
    if book.standard.tables[label.table].by_code[label.text].privacy:
        return {}
    return dict(book.engine.rows(f"SELECT {quote(label.key)}, min({quote(label.text)}) FROM data.{quote(label.table)} WHERE {quote(label.key)} IS NOT NULL GROUP BY 1"))
