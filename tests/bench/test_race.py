"""The race: equal findings, medians, and nobody silently dropped."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.bench import race as races
from etl.bench.contenders import CONTENDERS
from etl.bench.race import FindingsDiffer, Lap, Race, Result, assert_equal, run_race
from tests.bench.conftest import make


def findings(path) -> set[tuple[str, int]]:
    table = pq.read_table(path, columns=["rule", "row"])
    rows = list(zip(table["rule"].to_pylist(), table["row"].to_pylist()))
    assert len(rows) == len(set(rows))
    return set(rows)


def test_all_contenders_find_the_same(engine, course, tmp_path):
    data = make(engine, course, tmp_path / "data.parquet", 2000, 0.5)
    found = {}
    for name, contender in CONTENDERS.items():
        contender.prepare(None)(data, tmp_path / f"{name}.parquet")
        found[name] = findings(tmp_path / f"{name}.parquet")
    assert len(found["naive"]) > 1000
    assert {name: len(rows ^ found["naive"]) for name, rows in found.items()} == dict.fromkeys(CONTENDERS, 0)


def test_clean_data_give_empty_findings_everywhere(engine, course, tmp_path):
    data = make(engine, course, tmp_path / "data.parquet", 300, 0)
    for name, contender in CONTENDERS.items():
        contender.prepare(None)(data, tmp_path / f"{name}.parquet")
        assert findings(tmp_path / f"{name}.parquet") == set()


@pytest.mark.slow
def test_processes_are_measured_and_compared(tmp_path):
    seen = []
    race = run_race(tmp_path, rows=500, dirty=0.5, names=["naive", "pandas"], rounds=2, progress=lambda name, lap, event: seen.append((name, lap, event)))
    assert_equal(race)
    report = race.report()
    assert [(name, lap) for name, lap, event in seen if event == "start"] == [("data", 1), ("naive", 1), ("pandas", 1), ("naive", 2), ("pandas", 2)]
    assert {key: report[key] for key in ("rows", "rules", "dirty", "rounds", "equal")} == {"rows": 500, "rules": 100, "dirty": 0.5, "rounds": 2, "equal": True}
    naive, pandas = report["contenders"]
    assert naive["outcome"] == pandas["outcome"] == "finished" and naive["ratio"] == 1
    assert (naive["missing"], naive["extra"], pandas["missing"], pandas["extra"]) == (None, None, 0, 0)
    assert naive["findings"] == pandas["findings"] > 200 and naive["peak_mb"] > 50 and len(naive["laps"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == [next(tmp_path.glob("policies-500-0.5-*.parquet")).name]


def test_who_takes_too_long_or_too_much_is_said_to_be_cut_off(tmp_path):
    slow = run_race(tmp_path, rows=200, dirty=0, names=["naive"], timeout=0.01).report()["contenders"][0]
    assert (slow["outcome"], slow["findings"], slow["ratio"]) == ("time", None, None)
    greedy = run_race(tmp_path, rows=200, dirty=0, names=["naive"], memory_cap=1_000_000).report()["contenders"][0]
    assert (greedy["outcome"], greedy["findings"]) == ("memory", None)


@pytest.mark.slow
def test_who_breaks_is_said_to_have_failed(tmp_path):
    # No engine can start in so little memory.
    race = run_race(tmp_path, rows=200, dirty=0, names=["naive"], memory="1KB")
    assert race.results[0].outcome == "failed" and race.results[0].laps[0].reason.startswith("OutOfMemoryException: ")


def test_a_missing_an_extra_and_a_doubled_finding_are_noticed(tmp_path):
    content = {"naive": [("A", 1), ("B", 2)], "ours": [("A", 1), ("A", 1), ("C", 3)]}
    results = []
    for name, rows in content.items():
        pq.write_table(pa.table({"rule": [r for r, _ in rows], "row": [n for _, n in rows]}), tmp_path / f"{name}.parquet")
        results.append(Result(name, [Lap("finished", 1.0)]))
    assert races._compare(tmp_path, results) == 2
    assert (results[1].findings, results[1].missing, results[1].extra) == (3, 1, 2)
    race = Race(10, 100, 0.0, 2, 0, 0.0, 1, results)
    assert race.report()["equal"] is False
    with pytest.raises(FindingsDiffer, match="ours -1 \\+2"):
        assert_equal(race)


def test_medians_and_ratio():
    results = [Result("ours", [Lap("finished", s, s * 2, 10**6) for s in (1.0, 9.0, 2.0)]), Result("naive", [Lap("finished", 4.0)] * 3)]
    ours, naive = Race(1000, 100, 0.1, 5, 0, 0.0, 3, results).report()["contenders"]
    # Medians of 1, 9, 2 and of 4, 4, 4; a thousand rows and a hundred rules in two seconds.
    assert (ours["seconds"], ours["user_seconds"], ours["ratio"], ours["rows_rules_per_second"]) == (2.0, 4.0, 0.5, 50_000)
    assert naive["ratio"] == 1
