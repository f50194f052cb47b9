"""What people see of a private value in findings, pages and logs: the same text from Python and from DuckDB.

This is a courtesy to readers, not the masking of what is sent (see `transforms`): a reviewer can recognise a case.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from etl.privacy.transforms import kept_clear
from etl.standard.definition import DataItem


@dataclass(frozen=True)
class Shape:
    """First `left` characters, `stars`, last `right` characters; a value shorter than `minimum` shows nothing.

    `same_length` shows a short value as that many stars, otherwise as `stars`.
    """

    left: int
    right: int
    stars: str
    minimum: int
    same_length: bool = True


SHAPES: dict[str, Shape] = {
    "name": Shape(1, 0, "**", 2, same_length=False),
    "id_number": Shape(3, 2, "***", 8),
    "phone": Shape(3, 4, "****", 11),
    "account": Shape(4, 4, "****", 12),
    "address": Shape(3, 0, "***", 4, same_length=False),
}
# A privacy class that this module does not know yet shows nothing at all.
HIDDEN = "***"


def display_value(privacy: str | None, text: str | None, keep: Collection[str] = ()) -> str | None:
    """How a value of the privacy class is shown; None and values in `keep` (未记录) are shown as they are."""
    if privacy is None or text is None or text in keep:
        return text
    if privacy == "email":
        at = text.find("@")
        return HIDDEN if at < 0 else text[: min(at, 1)] + HIDDEN + text[at:]
    shape = SHAPES.get(privacy)
    if shape is None:
        return HIDDEN
    if len(text) < shape.minimum:
        return "*" * len(text) if shape.same_length else shape.stars
    return text[: shape.left] + shape.stars + (text[-shape.right :] if shape.right else "")


def display_sql(privacy: str | None, expression: str, keep: Collection[str] = ()) -> str:
    """A DuckDB expression that gives what `display_value` gives for the text `expression`."""
    if privacy is None:
        return expression
    value = f"({expression})"
    exempt = f"WHEN {value} IN ({', '.join(_literal(text) for text in sorted(keep))}) THEN {value} " if keep else ""
    return f"CASE WHEN {value} IS NULL THEN NULL {exempt}{_shown(privacy, value)} END"



def item_sql(item: DataItem, expression: str) -> str:
    """`display_sql` for a data item: its defaults and allowed texts (未记录) stay readable."""
    return display_sql(item.privacy, expression, kept_clear(item))


def _shown(privacy: str, value: str) -> str:
    if privacy == "email":
        at = f"instr({value}, '@')"
        first, domain = f"substr({value}, 1, least({at} - 1, 1))", f"substr({value}, {at})"
        return f"WHEN {at} = 0 THEN '{HIDDEN}' ELSE concat({first}, '{HIDDEN}', {domain}) "
    shape = SHAPES.get(privacy)
    if shape is None:
        return f"ELSE '{HIDDEN}' "
    short = f"repeat('*', length({value}))" if shape.same_length else f"'{shape.stars}'"
    tail = f", right({value}, {shape.right})" if shape.right else ""
    long = f"concat(left({value}, {shape.left}), '{shape.stars}'{tail})"
    return f"WHEN length({value}) < {shape.minimum} THEN {short} ELSE {long} "


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
