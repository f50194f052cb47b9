"""The data of the race: clean where they should be, dirty where they should be, the same for the same seed."""

from __future__ import annotations

from etl.bench.faults import FAULTS
from etl.bench.naive import naive_statement
from etl.bench.policies import fingerprint
from etl.expressions.reference import TWINS
from tests.bench.conftest import make


def broken(engine, course, path) -> dict[str, int]:
    engine.view_parquet("data", "POLICY", path)
    return dict(engine.rows(f"SELECT rule, count(*) FROM ({naive_statement('POLICY', course.rules)}) GROUP BY rule"))


def test_clean_policies_break_no_rule(engine, course, tmp_path):
    assert broken(engine, course, make(engine, course, tmp_path / "clean.parquet", 5000, 0)) == {}


def test_every_rule_is_broken_by_some_fault(engine, course, tmp_path):
    found = broken(engine, course, make(engine, course, tmp_path / "dirty.parquet", 8000, 1))
    assert set(found) == {rule.id for rule in course.rules}


def test_share_of_dirty_rows(engine, course, tmp_path):
    path = make(engine, course, tmp_path / "some.parquet", 20000, 0.1)
    engine.view_parquet("data", "POLICY", path)
    rows = engine.one(f"SELECT count(DISTINCT row) FROM ({naive_statement('POLICY', course.rules)})")
    # 2,000 rows carry a fault; a few faults hit items that such a row has not, and show nowhere.
    assert 1700 <= rows <= 2150


def test_numbers_that_check_themselves_do_so_by_the_slow_twins(engine, course, tmp_path):
    path = make(engine, course, tmp_path / "clean.parquet", 400, 0)
    rows = engine.dicts(f"SELECT * FROM read_parquet('{path}')")
    people = [row for row in rows if row["TBRZJLX"] == "111"]
    assert len(people) > 300
    for row in people:
        number = row["TBRZJHM"]
        assert TWINS["is_id_card"](number) and TWINS["id_birth_date"](number) == row["TBRCSRQ"] and TWINS["id_sex"](number) == row["TBRXB"]
    organisations = [row["TBRZJHM"] for row in rows if row["TBRZJLX"] == "910"] + [row["TBRDWDM"] for row in rows if row["TBRDWDM"]]
    assert organisations and all(TWINS["is_uscc"](code) for code in organisations)


def test_same_seed_same_rows(engine, course, tmp_path):
    one, two, other = (make(engine, course, tmp_path / f"{name}.parquet", 500, 0.5, seed) for name, seed in (("one", 1), ("two", 1), ("other", 2)))

    def differing(a, b):
        return engine.one(f"SELECT count(*) FROM (SELECT * FROM read_parquet('{a}') EXCEPT SELECT * FROM read_parquet('{b}'))")

    assert differing(one, two) == 0 and differing(one, other) == 500
    assert fingerprint(course) == fingerprint(course)


def test_rows_are_numbered_and_forty_wide(engine, course, tmp_path):
    path = make(engine, course, tmp_path / "some.parquet", 300, 0.5)
    assert engine.one(f"SELECT min(_row) || '-' || max(_row) || '-' || count(DISTINCT _row) FROM read_parquet('{path}')") == "1-300-300"
    items = [item.code for item in course.table.items]
    assert len(items) == 40
    assert all(set(fault) <= set(items) for fault in FAULTS)
