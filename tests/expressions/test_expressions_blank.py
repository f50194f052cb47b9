"""What is blank, by vectors: Python and the engine must read each of them the same."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.expressions import Scope, parse_expression
from etl.expressions.blank import BLANKS, clean_text, clean_text_sql
from etl.expressions.functions import expand
from etl.expressions.reference import TWINS

VECTORS = json.loads((Path(__file__).with_name("blank_vectors.json")).read_text("utf-8"))
TEXTS = st.lists(st.sampled_from([*BLANKS, "\t", "\n", "\x1f", "\x7f", "\u2003", "0", "０", "张", "a", "𠮷"]), max_size=6).map("".join)


@pytest.mark.parametrize("vector", VECTORS, ids=[v["why"] + " " + ascii(v["delivered"]) for v in VECTORS])
def test_python_reads_the_vector(vector):
    assert clean_text(vector["delivered"]) == vector["read"]


def test_the_engine_reads_every_vector(engine):
    engine.connection.register("v", pa.table({"n": range(len(VECTORS)), "t": pa.array([v["delivered"] for v in VECTORS], pa.string())}))
    assert [r[0] for r in engine.rows(f"SELECT {clean_text_sql('t')} FROM v ORDER BY n")] == [v["read"] for v in VECTORS]


@given(st.lists(TEXTS, min_size=1, max_size=30))
def test_cleaning_trimming_and_judging_agree_on_any_text(engine, texts):
    engine.connection.register("v", pa.table({"n": range(len(texts)), "t": pa.array(texts, pa.string())}))
    trim = parse_expression("trim(T)", Scope({"T": "text"})).sql(lambda _: "t")
    rows = engine.rows(f"SELECT t, {clean_text_sql('t')}, {trim}, {expand('is_plain_text', ['t'])} FROM v ORDER BY n")
    for text, cleaned, trimmed, plain in rows:
        assert cleaned == clean_text(text)
        assert trimmed == (cleaned or "")
        assert plain == TWINS["is_plain_text"](text)
        assert TWINS["is_plain_text"](clean_text(text)) is not False or any(ord(c) < 32 or ord(c) == 127 for c in text)


@given(TEXTS)
def test_cleaning_twice_is_cleaning_once(text):
    assert clean_text(clean_text(text)) == clean_text(text)
