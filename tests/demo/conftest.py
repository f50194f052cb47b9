"""A small demo insurer, built once per process; tests must not change it."""

from __future__ import annotations

import pytest

from etl.demo.insurer import build_frames
from tests.demo.rows import AS_OF, POLICIES, SEED


@pytest.fixture(scope="session")
def book():
    """All tables of a clean insurer by (system, table)."""
    return build_frames(policies=POLICIES, seed=SEED, as_of=AS_OF)
