from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from evaluator import ARROW
from small_standard import NAME, load, write_pack

from etl.engines import Engine, open_engine
from etl.packs.roots import PackRoots
from etl.rules.definition import Rule, RuleOutcome
from etl.rules.loader import load_rules
from etl.rules.run import check_table, plain
from etl.standard import Standard, Table


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Standard:
    return load(write_pack(tmp_path_factory.mktemp("small")))


@pytest.fixture
def read_rules(tmp_path, small) -> Callable[..., list[Rule]]:
    """Rules from YAML texts or dicts, loaded for the small standard as if they were the file of one table."""
    def read(*rules: str | dict[str, Any], table: str = "BD", document: Any = None) -> list[Rule]:
        folder = tmp_path / "validation_rules" / NAME
        folder.mkdir(parents=True, exist_ok=True)
        listed = [yaml.safe_load(rule) if isinstance(rule, str) else rule for rule in rules]
        text = yaml.safe_dump(document if document is not None else {"table": table, "rules": listed}, allow_unicode=True, sort_keys=False)
        (folder / f"{table}.yaml").write_text(text, encoding="utf-8")
        return load_rules(small, PackRoots((tmp_path,)))

    return read


class Checker:
    """Tables of the small standard in memory, and the findings of rules over them."""

    def __init__(self, engine: Engine, standard: Standard, folder: Path) -> None:
        self.engine, self.standard, self.folder = engine, standard, folder
        for code in standard.tables:
            self.put(code, [])
            self.put(code, [], schema="aside")

    def put(self, code: str, rows: Sequence[dict[str, Any]], schema: str = "data") -> None:
        """Make `rows` the table; `_row` counts from 1, the source key is `K<row>`, items left out are NULL."""
        table = self.standard.tables[code]
        columns = {item.code: pa.array([row.get(item.code) for row in rows], ARROW[item.type](item)) for item in table.mapped_items}
        columns |= {"_row": pa.array(range(1, len(rows) + 1), pa.int64()), "_src_system": pa.array(["core"] * len(rows), pa.string()),
                    "_src_table": pa.array([f"T_{code}"] * len(rows), pa.string()), "_src_key": pa.array([f"K{n}" for n in range(1, len(rows) + 1)], pa.string()),
                    "_unmapped": pa.array([row.get("_unmapped", []) for row in rows], pa.list_(pa.string()))}
        unknown = {key for row in rows for key in row} - set(columns)
        assert not unknown, unknown
        self.engine.connection.register("_put", pa.table(columns))
        self.engine.execute(f'CREATE OR REPLACE TABLE {schema}."{code}" AS SELECT * FROM _put')
        self.engine.connection.unregister("_put")

    def check(self, rules: Sequence[Rule], table: str = "BD", **options: Any) -> tuple[list[dict[str, Any]], dict[str, RuleOutcome]]:
        """(findings, outcome by rule)."""
        target = self.folder / "findings.parquet"
        outcomes = check_table(self.engine, self.standard, self.table(table), rules, target, **{"show": plain, **options})
        findings = self.engine.dicts(f"SELECT * FROM read_parquet('{target}')")
        return findings, {outcome.rule: outcome for outcome in outcomes}

    def rows(self, rules: Sequence[Rule], table: str = "BD") -> list[tuple[str, int]]:
        """(rule, row) of every finding."""
        findings, outcomes = self.check(rules, table)
        assert {o.outcome for o in outcomes.values()} <= {"passed", "failed"}
        return sorted((f["rule"], f["row"]) for f in findings)

    def table(self, code: str) -> Table:
        return self.standard.tables[code]


@pytest.fixture
def checker(small, tmp_path) -> Iterator[Checker]:
    with open_engine(threads=1) as engine:
        engine.load_codes(small.codes.values(), date(2024, 6, 30))
        engine.set_parameters(period_start=date(2024, 6, 1), period_end=date(2024, 6, 30), report_date=date(2024, 7, 15))
        yield Checker(engine, small, tmp_path)
