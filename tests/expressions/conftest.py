from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from etl.engines import Engine, open_engine
from etl.standard import CodeTable, CodeValue

XB = CodeTable("XB", {"zh": "性别"}, "G", "", (
    CodeValue("1", "男性", valid_to=date(2025, 12, 31)), CodeValue("2", "女性"), CodeValue("9", "未知", valid_to=date(2020, 12, 31)),
))
EMPTY = CodeTable("EMPTY", {"zh": "空表"}, "G", "", ())


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """An engine with two code tables as valid on 2024-06-30 and the parameters of June 2024."""
    with open_engine(threads=1) as opened:
        opened.load_codes((XB, EMPTY), date(2024, 6, 30))
        opened.set_parameters(period_start=date(2024, 6, 1), period_end=date(2024, 6, 30), report_date=date(2024, 7, 15))
        yield opened
