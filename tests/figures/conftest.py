from __future__ import annotations

from collections.abc import Iterator

import pytest
from figure_desk import Desk

from etl.engines import Engine, open_engine


@pytest.fixture(scope="session")
def east_engine() -> Iterator[Engine]:
    with open_engine(threads=1) as engine:
        yield engine


@pytest.fixture
def desk(east_engine: Engine) -> Desk:
    return Desk(east_engine)
