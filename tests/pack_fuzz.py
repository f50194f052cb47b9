"""Spoiling a pack document in one place, for tests that no shape of it brings the loader down."""

from __future__ import annotations

import copy
from datetime import date
from typing import Any

from hypothesis import strategies as st

ODD_VALUES = st.sampled_from([
    None, True, False, 0, -1, 3, 1.5, "", "x", "BDH", "JG", "BDZT = '有效'", date(2024, 1, 31), [], [1], ["BDH"], [None], [[]], [{}], {}, {"a": 1}, {"zh": {}},
    {"table": "JG"}, {1: 2}, {"from": "x"}, "sum(JE)", "count(*)", "(", 10**30,
])


def places(value: Any, at: tuple = ()) -> list[tuple]:
    """The key paths of everything inside `value`."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at] + [place for key, child in children for place in places(child, (*at, key))]


@st.composite
def spoilt(draw: st.DrawFn, document: Any) -> Any:
    """`document` with one or two values replaced, removed or added to."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 2))):
        inside = [place for place in places(document) if place]
        if not inside:
            return document
        *above, last = draw(st.sampled_from(inside))
        parent = document
        for key in above:
            parent = parent[key]
        action = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if action == "remove":
            del parent[last]
        elif action == "add" and isinstance(parent, dict):
            parent[draw(st.sampled_from(["extra", "where", "when", "codes", "default", "aggregate", "values", "tolerance", "by"]))] = copy.deepcopy(draw(ODD_VALUES))
        else:
            parent[last] = copy.deepcopy(draw(ODD_VALUES))
    return document
