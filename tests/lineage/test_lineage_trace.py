"""From a submitted line back to the source rows: all of them, none other, and nothing private in the clear."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_sources import CONT, MAPPING, Road, small_road
from small_standard import line_of

from etl.lineage.trace import SerialUnknown, column_classes, find_serial, trace_row
from etl.mapping.compile import compile_trace


@pytest.fixture
def road(tmp_path):
    with small_road(tmp_path) as made:
        made.source("core.Cont", [{"ContNo": "P1", **CONT}, {"ContNo": "P2", **CONT, "State": None, "EndText": None}, {"ContNo": "P3", **CONT, "Kind": "2"}])
        made.source("core.App", [{"ContNo": "P1", "AppName": "张三", "IDNo": "310101198503123012"}, {"ContNo": "P2", "AppName": "李四", "_src_row": 5},
                                 {"ContNo": "P2", "AppName": "王五", "_src_row": 4}])
        made.source("core.Pay", [{"ContNo": "P1", "Money": 60, "PayDate": "20240101", "Payer": "张三"}, {"ContNo": "P2", "Money": 1}, {"ContNo": "P1", "Money": -5},
                                 {"ContNo": "P1", "Money": 40, "PayDate": "20240201"}])
        made.run()
        yield made


def behind(road: Road, alias: str, driving: int, mappings=None) -> list[int]:
    mapping = (mappings or road.map()).tables["BD"]
    return [row["_src_row"] for row in road.engine.dicts(compile_trace(mapping, mapping.branches[0], alias, {}), [driving])]


def test_the_rows_behind_one_driving_row(road):
    assert behind(road, "c", 1) == [1]
    assert behind(road, "a", 1) == [1]
    # The rows that the sum is made of: not the negative one, which the join's filter leaves out.
    assert behind(road, "p", 1) == [1, 4]
    assert behind(road, "p", 2) == [2]
    assert behind(road, "a", 2) == [4], "of two partners the one that was taken"
    assert behind(road, "p", 3) == [] and behind(road, "c", 9) == []


def test_a_row_without_partners_has_none_behind_it(road):
    road.source("core.App", [])
    road.source("core.Pay", [{"ContNo": None, "Money": 1}])
    assert behind(road, "a", 1) == [] and behind(road, "p", 1) == []


def test_a_join_through_another_is_traced(road):
    mappings = road.map(("      - {aggregate: core.Pay p, on: p.ContNo = c.ContNo, where:", "      - {aggregate: core.Pay p, on: p.Payer = a.AppName, where:"))
    assert behind(road, "p", 1, mappings) == [1]
    assert behind(road, "p", 2, mappings) == []


def trace(road: Road, row: int, show=None, mappings=None):
    return trace_row(road.engine, road.standard.tables["BD"], mappings or road.map(), row, serial="S1", run="R1", standardised=road.target,
                     extracted=road.path, show=show, company=("000001", "某人寿"))


def stars(privacy: str, text: str, item) -> str:
    return f"<{privacy}:{len(text)}>"


def test_a_traced_line_holds_what_was_sent_and_what_it_came_from(road):
    found = trace(road, 1)
    assert (found.serial, found.run, found.table) == ("S1", "R1", "BD")
    assert found.items == {"LSH": "S1", "BXJG": "000001", "BDH": "P1", "JGDM": "J1", "KHMC": "张三", "BDZT": "有效", "SXRQ": "2024-01-01", "ZZRQ": "2030-12-31",
                           "BF": "100.00", "JFCS": "2"}
    assert [(s.system, s.table, s.key, s.part) for s in found.sources] == [
        ("core", "Cont", "P1", "c"), ("core", "App", "P1", "a"), ("core", "Pay", "P1", "p"), ("core", "Pay", "P1", "p")]
    assert found.sources[0].row["State"] == "1" and found.sources[0].row["EndText"] == "20301231" and found.sources[0].row["Prem"] == "100.0000"
    assert [s.row["Money"] for s in found.sources[2:]] == ["60.0000", "40.0000"]
    assert not [name for source in found.sources for name in source.row if name.startswith("_")]


def test_every_item_tells_how_it_came_about(road):
    origins = {origin.item: origin for origin in trace(road, 1).origins}
    assert list(origins) == ["BDH", "JGDM", "KHMC", "BDZT", "SXRQ", "ZZRQ", "BF", "JFCS"]
    state = origins["BDZT"]
    assert (state.kind, state.expression, state.columns, state.code_maps) == ("expression", "code(cont_state, c.State)", ("c.State",), {"core.cont_state": {"1": "有效"}})
    assert (state.path, state.line) == (str(road.root / MAPPING), line_of(road.root / MAPPING, "BDZT:"))
    assert origins["JFCS"].columns == ("p.times",)
    default = {origin.item: origin for origin in trace(road, 2).origins}["ZZRQ"]
    assert (default.kind, default.value) == ("expression or default", "9999-12-31")


def test_constants_and_defaults_tell_why(road):
    mappings = road.map(("JGDM: c.Branch", "JGDM: {constant: J9, why: {zh: 只有一家, en: there is but one}}"), ("BDZT: code(cont_state, c.State)", "BDZT: {default: true, why: {zh: 无, en: none}}"))
    road.run(mappings)
    origins = {origin.item: origin for origin in trace(road, 1, mappings=mappings).origins}
    assert (origins["JGDM"].kind, origins["JGDM"].expression, origins["JGDM"].why["en"]) == ("constant", "J9", "there is but one")
    assert (origins["BDZT"].kind, origins["BDZT"].expression, origins["BDZT"].value) == ("default", "未知", "未知")


def test_without_leave_private_values_are_covered_on_both_ends(road):
    found = trace(road, 1, stars)
    assert found.items["KHMC"] == "<name:2>" and found.items["BDH"] == "P1"
    [policy, customer, *payments] = [source.row for source in found.sources]
    assert customer == {"ContNo": "P1", "AppName": "<name:2>", "IDNo": "<unmapped:18>"}, "what no item uses is covered whatever it is"
    assert policy["ContNo"] == "P1" and policy["Kind"] == "1" and policy["Amount"] is None
    assert [p["Payer"] for p in payments] == ["<unmapped:2>", None] and payments[0]["Money"] == "60.0000"
    assert "张三" not in str(found) and "310101198503123012" not in str(found)


def test_what_an_aggregate_takes_out_of_a_private_column_is_private(road):
    mappings = road.map(("KHMC: a.AppName", "KHMC: p.who"), ("times: count(*)", "times: count(*), who: any_of(p.Payer)"))
    classes = column_classes(road.standard.tables["BD"], mappings.tables["BD"].branches[0])
    assert classes["p.who"] == "name" and classes["p.Payer"] == "name" and classes["p.Money"] is None
    road.run(mappings)
    found = trace(road, 1, stars, mappings)
    assert found.items["KHMC"] == "<name:2>" and "张三" not in str([s.row for s in found.sources if s.part == "p"])


def test_both_sides_of_a_join_on_a_private_column_are_private(road):
    mappings = road.map(("- {aggregate: core.Pay p, on: p.ContNo = c.ContNo,", "- {aggregate: core.Pay p, on: p.Payer = a.AppName,"))
    classes = column_classes(road.standard.tables["BD"], mappings.tables["BD"].branches[0])
    assert classes["a.AppName"] == "name" and classes["p.Payer"] == "name" and classes["c.ContNo"] is None and classes["c.Kind"] is None
    assert "a.IDNo" not in classes
    road.run(mappings)
    assert "张三" not in str(trace(road, 1, stars, mappings))


def test_a_column_of_an_open_and_a_private_item_is_private(road):
    for order in (("BDH: c.ContNo", "BDH: c.Branch"), ("JGDM: c.Branch", "JGDM: c.ContNo")):
        mappings = road.map(order, ("KHMC: a.AppName", "KHMC: c.ContNo"))
        assert column_classes(road.standard.tables["BD"], mappings.tables["BD"].branches[0])["c.ContNo"] == "name"


def test_a_serial_number_finds_its_table_and_row(tmp_path, road):
    for name, serials in (("BD", ["A1", "A2"]), ("SF", ["B1"])):
        pq.write_table(pa.table({"row": pa.array(range(1, len(serials) + 1), pa.int64()), "serial": serials}), tmp_path / f"{name}.serials.parquet")
    tables = {name: tmp_path / f"{name}.serials.parquet" for name in ("JG", "BD", "SF")}
    assert find_serial(road.engine, "A2", tables) == ("BD", 2) and find_serial(road.engine, "B1", tables) == ("SF", 1)
    assert find_serial(road.engine, "A2' OR '1'='1", tables) is None
    error = SerialUnknown(serial="X", where="run R1")
    assert "X" in error.sentence("zh") and "eastbound runs" in error.sentence("en")


def test_values_read_as_people_write_them(road):
    road.source("core.Cont", [{"ContNo": "P1", **CONT, "Prem": Decimal("0.5"), "SignDate": date(1, 1, 1)}])
    road.run()
    found = trace(road, 1)
    assert (found.items["BF"], found.items["SXRQ"], found.sources[0].row["Modified"]) == ("0.50", "0001-01-01", None)
