from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from etl.bench.definition import PARAMETERS, Course, load_course
from etl.bench.policies import make_policies
from etl.engines import Engine, open_engine


@pytest.fixture(scope="session")
def course() -> Course:
    return load_course()


@pytest.fixture
def engine(course):
    with open_engine() as opened:
        opened.set_parameters(**PARAMETERS)
        opened.load_codes(course.standard.codes.values(), date(2026, 10, 31))
        yield opened


def make(engine: Engine, course: Course, path: Path, rows: int, dirty: float, seed: int = 1) -> Path:
    assert make_policies(engine, course, path, rows, dirty, seed) == rows
    return path
