"""Tables of east_life_2020 in memory, and its figures over them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from etl.engines import Engine
from etl.figures.compute import Tables, compute
from etl.figures.definition import FigureSet, FigureValue
from etl.figures.loader import load_figures
from etl.standard import Standard, load_standard

EAST = load_standard("east_life_2020")
FIGURES = load_figures(EAST)
TYPES = {"text": lambda item: pa.string(), "date": lambda item: pa.date32(), "integer": lambda item: pa.int64(), "decimal": lambda item: pa.decimal128(38, item.scale)}


def put(engine: Engine, standard: Standard, code: str, rows: Sequence[dict[str, Any]], schema: str = "data") -> int:
    """Make `rows` the table `schema.code`; items left out are NULL. Amounts may be given as text."""
    table = standard.tables[code]
    unknown = {key for row in rows for key in row} - {item.code for item in table.mapped_items}
    assert not unknown, (code, unknown)

    def value(item: Any, row: dict[str, Any]) -> Any:
        given = row.get(item.code)
        return Decimal(str(given)) if item.type == "decimal" and given is not None else date.fromisoformat(given) if item.type == "date" and given is not None else given

    columns = {item.code: pa.array([value(item, row) for row in rows], TYPES[item.type](item)) for item in table.mapped_items}
    columns |= {"_row": pa.array(range(1, len(rows) + 1), pa.int64()), "_src_system": pa.array(["core"] * len(rows), pa.string()),
                "_src_table": pa.array([f"T_{code}"] * len(rows), pa.string()), "_src_key": pa.array([f"K{n}" for n in range(1, len(rows) + 1)], pa.string())}
    engine.schema(schema)
    engine.connection.register("_put", pa.table(columns))
    engine.execute(f'CREATE OR REPLACE TABLE {schema}."{code}" AS SELECT * FROM _put')
    engine.connection.unregister("_put")
    return len(rows)


class Desk:
    """Tables in memory for October 2026, and figures over them. A table that is not put is there without rows."""

    def __init__(self, engine: Engine, standard: Standard = EAST, figures: FigureSet = FIGURES) -> None:
        self.engine, self.standard, self.figures = engine, standard, figures
        self.rows: dict[tuple[str, str], int] = {}
        engine.set_parameters(period_start=date(2026, 10, 1), period_end=date(2026, 10, 31), report_date=date(2026, 11, 15))
        for source in figures.row_sets.values():
            for table in source.tables():
                self.put(table, [])

    def put(self, table: str, rows: Sequence[dict[str, Any]], role: str = "current") -> None:
        self.rows[role, table] = put(self.engine, self.standard, table, rows, "data" if role == "current" else role)

    def all(self, name: str, by: str | None = None) -> list[FigureValue]:
        return compute(self.engine, self.figures, [name], Tables(self.rows), by)[name]

    def value(self, name: str) -> Decimal | None:
        """The value as it is shown."""
        found = self.all(name)[0].value
        return None if found is None else self.figures.figures[name].rounded(found)

    def why(self, name: str) -> list[str]:
        """Codes of the reason and of what is behind it."""
        reason, codes = self.all(name)[0].reason, []
        while reason:
            codes.append(reason.code)
            reason = reason.of
        return codes

    def by(self, name: str, dimension: str) -> dict[str | None, Decimal | None]:
        return {value.member: None if value.value is None else self.figures.figures[name].rounded(value.value) for value in self.all(name, dimension)}
