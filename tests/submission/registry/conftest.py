from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    from synthetic import Platform

    with Platform(tmp_path_factory.mktemp("registry")) as started:
        yield started
