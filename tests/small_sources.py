"""A small core system with a mapping for the policies of the small standard, in memory and on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from small_standard import NAME, load, write_pack

from etl.engines import Engine, open_engine
from etl.mapping.definition import MappingSet
from etl.mapping.loader import load_mappings
from etl.mapping.run import Standardised, standardise_table
from etl.packs.roots import PackRoots

MAPPING = f"mappings/sources/core/{NAME}/BD.yaml"
CODES = "mappings/sources/core/codes/cont_state.csv"
FILES = {
    MAPPING: """\
standard: small_2024
table: BD
branches:
  - from: core.Cont c
    where: c.Kind = '1'
    joins:
      - {left: core.App a, on: a.ContNo = c.ContNo}
      - {aggregate: core.Pay p, on: p.ContNo = c.ContNo, where: p.Money > 0, values: {total: sum(p.Money), times: count(*), last: max(p.PayDate)}}
    items:
      BDH: c.ContNo
      JGDM: c.Branch
      KHMC: a.AppName
      BDZT: code(cont_state, c.State)
      SXRQ: c.SignDate
      ZZRQ: parse_date(c.EndText, '%Y%m%d')
      BF: c.Prem
      JFCS: coalesce(p.times, 0)
""",
    CODES: "source,target,note\n1,有效,\n2,终止,ended\n",
    "mappings/sources/life/codes/cont_state.csv": "source,target,note\nA,有效,\n",
}
COLUMNS = {
    "core.Cont": {"ContNo": "text", "Kind": "text", "Branch": "text", "State": "text", "SignDate": "date", "EndText": "text", "Prem": "number", "Times": "number",
                  "Amount": "text", "Modified": "timestamp"},
    "core.App": {"ContNo": "text", "AppName": "text", "IDNo": "text"},
    "core.Pay": {"ContNo": "text", "Money": "number", "PayDate": "text", "Payer": "text"},
}
TYPES = {"text": pa.string(), "date": pa.date32(), "number": pa.decimal128(18, 4), "timestamp": pa.timestamp("us")}
CONT = {"Kind": "1", "Branch": "J1", "State": "1", "SignDate": date(2024, 1, 1), "EndText": "20301231", "Prem": 100, "Times": 1}


class Road:
    """Source rows to standard rows: `source` gives the rows of a table, `map` loads the mapping, `run` standardises."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.root = write_pack(folder / "packs", FILES)
        self.standard = load(self.root)
        self.target, self.aside = folder / "BD.parquet", folder / "BD.aside.parquet"
        for name in COLUMNS:
            self.source(name, [])

    def source(self, name: str, rows: Sequence[dict[str, Any]], shuffle: int = 0) -> None:
        """Make `rows` the extracted table; `shuffle` turns their order on disk, which carries no meaning."""
        system, table = name.split(".")
        columns = {c: pa.array([row.get(c) for row in rows], TYPES[kind]) for c, kind in COLUMNS[name].items()}
        number = [row.get("_src_row", n) for n, row in enumerate(rows, 1)]
        columns |= {"_src_system": [system] * len(rows), "_src_table": [table] * len(rows), "_src_key": [str(row.get("ContNo")) for row in rows],
                    "_batch": ["b1"] * len(rows), "_src_row": pa.array(number, pa.int64())}
        made = pa.table(columns, schema=pa.schema([*((c, TYPES[k]) for c, k in COLUMNS[name].items()), ("_src_system", pa.string()), ("_src_table", pa.string()),
                                                   ("_src_key", pa.string()), ("_batch", pa.string()), ("_src_row", pa.int64())]))
        if shuffle:
            made = made.take([(n * 7919 + shuffle) % len(rows) for n in range(len(rows))])
        pq.write_table(made, self.path(system, table))
        self.engine.view_parquet("src", name, self.path(system, table))

    def path(self, system: str, table: str) -> Path:
        return self.folder / f"{system}.{table}.parquet"

    def map(self, *changes: tuple[str, str], name: str = MAPPING) -> MappingSet:
        """Load the mapping after replacing texts, each of which must be there once."""
        text = FILES[name]
        for old, new in changes:
            assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {name}"
            text = text.replace(old, new)
        (self.root / name).write_text(text, encoding="utf-8")
        return load_mappings(self.standard, COLUMNS, PackRoots((self.root,)))

    def run(self, mappings: MappingSet | None = None) -> Standardised:
        return standardise_table(self.engine, self.standard, self.standard.tables["BD"], mappings or self.map(), self.target, self.aside)

    def kept(self) -> list[dict[str, Any]]:
        return pq.read_table(self.target).to_pylist()

    def set_aside(self) -> list[dict[str, Any]]:
        return pq.read_table(self.aside).to_pylist()


@contextmanager
def small_road(folder: Path, threads: int = 1) -> Iterator[Road]:
    """A road with empty sources; the period is June 2024."""
    with open_engine(threads=threads) as engine:
        engine.set_parameters(period_start=date(2024, 6, 1), period_end=date(2024, 6, 30), report_date=date(2024, 7, 15))
        yield Road(engine, folder)
