"""What the writer writes, the independent reader reads: for any values, encoding, separator and line end."""

from __future__ import annotations

import ast
import tempfile
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.submission.reader import inspect_file, load_lines
from etl.submission.writer import write_table

TEXTS = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\x00\x01\r\n|\t"), min_size=1, max_size=12
)
CHINESE = st.text(st.sampled_from("张李王东岸㐀\U00020000\U0003134a é€ａ１"), min_size=1, max_size=12)
ROWS = st.lists(
    st.tuples(
        st.from_regex(r"\A[A-Z0-9]{1,12}\Z"),
        st.none() | TEXTS | CHINESE,
        st.sampled_from([None, "有效", "终止", "未记录"]),
        st.none() | st.dates(date(1, 1, 1), date(9999, 12, 31)),
        st.none() | st.decimals(Decimal("-99999999999999.99"), Decimal("99999999999999.99"), places=2),
        st.none() | st.integers(-999_999_999, 999_999_999),
    ),
    max_size=30,
)
FORMATS = st.fixed_dictionaries(
    {
        "encoding": st.sampled_from(["utf-8", "gb18030"]),
        "separator": st.sampled_from(["\x01", "|", "\t"]),
        "line_end": st.sampled_from(["\n", "\r\n"]),
        "header": st.booleans(),
        "null": st.sampled_from(["", "\\N"]),
        "date": st.sampled_from(["%Y-%m-%d", "%Y%m%d", "%d/%m/%Y"]),
        "length_unit": st.just("characters"),
    }
)


@settings(max_examples=120, deadline=None)
@given(ROWS, FORMATS, st.integers(1, 9_999_999_000))
def test_everything_comes_back(make_module, rows, fmt, first):
    make = make_module
    standard = make.standard(**fmt)
    table = standard.tables["DEMO"]
    rows = [r for r in rows if r[1] != fmt["null"]]
    with tempfile.TemporaryDirectory() as folder:
        source = make.rows(Path(folder) / "s.parquet", rows)
        file = write_table(
            source,
            table,
            standard,
            company=make.company,
            period=make.period,
            report_date=make.report_date,
            first_sequence=first,
            folder=Path(folder),
        )
        report = inspect_file(file.path, table, standard, expect_company="000999")
        lines = load_lines(file.path, table, standard)
    assert report.problems == []
    assert (report.rows, report.bytes, report.sha256, report.totals) == (
        file.rows,
        file.bytes,
        file.sha256,
        file.totals,
    )
    assert (report.first_serial, report.last_serial) == (file.first_serial, file.last_serial)
    assert report.totals["BF"] == str(sum((r[4] for r in rows if r[4] is not None), Decimal("0.00")))
    assert report.totals["FS"] == str(sum(r[5] for r in rows if r[5] is not None))
    assert lines.columns == ["_line", *(i.code for i in table.items)]
    assert lines["_line"].to_list() == [n + (2 if fmt["header"] else 1) for n in range(len(rows))]
    assert lines["BDH"].to_list() == [r[0] for r in rows]
    assert lines["XM"].to_list() == [r[1] for r in rows]
    assert lines["ZT"].to_list() == [r[2] for r in rows]
    assert lines["BF"].to_list() == [None if r[4] is None else f"{r[4]:.2f}" for r in rows]


@pytest.fixture(scope="module")
def make_module():
    # hypothesis wants fixtures that outlive one example.
    import importlib.util

    spec = importlib.util.spec_from_file_location("submission_rows", Path(__file__).with_name("conftest.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return type(
        "Make",
        (),
        {
            "standard": staticmethod(module.build_standard),
            "rows": staticmethod(module.save_rows),
            "company": module.COMPANY,
            "period": module.PERIOD,
            "report_date": module.REPORT_DATE,
        },
    )


@pytest.mark.parametrize("name", ["reader", "fixed_reader", "checks", "problems"])
def test_the_reader_shares_only_the_standard_with_the_writer(name):
    import etl.submission

    tree = ast.parse((Path(etl.submission.__file__).parent / f"{name}.py").read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    ours = {module for module in modules if module.startswith("etl")}
    ground = {"etl.standard.definition", "etl.standard.layout", "etl.language"}
    assert ours <= ground | {f"etl.submission.{other}" for other in ("reader", "fixed_reader", "checks", "problems")}
