from __future__ import annotations

from collections.abc import Iterator

import pytest
from small_sources import Road, small_road


@pytest.fixture
def road(tmp_path) -> Iterator[Road]:
    with small_road(tmp_path) as made:
        yield made
