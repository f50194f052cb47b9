"""A small standard of one table, built in code, and the road from rows to a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from etl.standard.definition import CodeTable, CodeValue, DataItem, FileFormat, SerialFormat, Standard, Table
from etl.submission.definition import Company, Period, WrittenFile
from etl.submission.writer import write_table

COMPANY = Company("000999", "东岸人寿保险股份有限公司")
PERIOD = Period.parse("2026-10")
REPORT_DATE = date(2026, 11, 10)


def item(code: str, kind: str = "text", length: int = 40, **more: Any) -> DataItem:
    return DataItem(code=code, name={"zh": code}, type=kind, length=length, **more)


ITEMS = (
    item("LSH", length=28, required=True, role="serial"),
    item("BXJGDM", length=6, required=True, role="company_code"),
    item("BXJGMC", length=60, required=True, role="company_name"),
    item("BDH", length=12, required=True, key=True),
    item("XM", length=12),
    item("ZT", length=12, codes="ZT", send="text", allow=("未记录",)),
    item("SXRQ", "date", 10),
    item("BF", "decimal", 16, scale=2),
    item("FS", "integer", 9),
)


def build_standard(serial: SerialFormat | None = None, **fmt: Any) -> Standard:
    table = Table("DEMO", {"zh": "示例"}, 1, {}, 1, "full", ITEMS)
    states = CodeTable("ZT", {}, "E", "", (CodeValue("1", "有效"), CodeValue("2", "终止")))
    companies = CodeTable(
        "JG", {}, "E", "", (CodeValue(COMPANY.code, COMPANY.name), CodeValue("000888", "西岸人寿保险股份有限公司"))
    )
    return Standard(
        name="demo",
        prefix="DM",
        title={"zh": "示例"},
        version="1",
        frequency="monthly",
        on_error="block_package",
        company_codes="JG",
        serial=serial or SerialFormat(),
        format=FileFormat(**fmt),
        masking={},
        tables={"DEMO": table},
        codes={"ZT": states, "JG": companies},
    )


def row(
    bdh: str = "P1",
    xm: str | None = "张三",
    zt: str | None = "有效",
    sxrq: date | None = date(2024, 2, 29),
    bf: str | None = "12.50",
    fs: int | None = 3,
) -> tuple:
    return (bdh, xm, zt, sxrq, None if bf is None else Decimal(bf), fs)


def save_rows(path: Path, rows: list[tuple]) -> Path:
    """Rows as a masked Parquet table in the house's form."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "BDH": pa.string(),
        "XM": pa.string(),
        "ZT": pa.string(),
        "SXRQ": pa.date32(),
        "BF": pa.decimal128(16, 2),
        "FS": pa.int64(),
    }
    columns = {name: pa.array([r[index] for r in rows], kind) for index, (name, kind) in enumerate(types.items())}
    columns["_row"] = pa.array(range(1, len(rows) + 1), pa.int64())
    columns["_src_key"] = pa.array([f"K{n}" for n in range(len(rows))], pa.string())
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., WrittenFile]:
    """Write rows to a file: `written(rows, standard, first_sequence)`."""

    def write(rows: list[tuple], standard: Standard | None = None, first: int = 1, folder: str = "out") -> WrittenFile:
        standard = standard or build_standard()
        source = save_rows(tmp_path / "source.parquet", rows)
        return write_table(
            source,
            standard.tables["DEMO"],
            standard,
            company=COMPANY,
            period=PERIOD,
            report_date=REPORT_DATE,
            first_sequence=first,
            folder=tmp_path / folder,
        )

    return write


@pytest.fixture
def make() -> Any:
    """Helpers for tests that need more than a written file."""

    class Make:
        standard = staticmethod(build_standard)
        row = staticmethod(row)
        rows = staticmethod(save_rows)
        company, period, report_date = COMPANY, PERIOD, REPORT_DATE

        @staticmethod
        def with_item(standard: Standard, code: str, **changes: Any) -> Standard:
            table = standard.tables["DEMO"]
            items = tuple(replace(i, **changes) if i.code == code else i for i in table.items)
            return replace(standard, tables={"DEMO": replace(table, items=items)})

    return Make
