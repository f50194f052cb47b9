"""Mappings are held against contracts and standard when they are loaded."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from pack_fuzz import spoilt
from small_sources import CODES, COLUMNS, FILES, MAPPING
from small_standard import line_of

from etl.errors import EastboundError, Problems
from etl.mapping.loader import load_mappings, source_columns
from etl.packs.roots import PackRoots
from etl.sources.definition import SourceColumn, SourceSystem, SourceTable


def faults(road, *changes, name=MAPPING) -> list[EastboundError]:
    with pytest.raises(EastboundError) as caught:
        road.map(*changes, name=name)
    return caught.value.errors if isinstance(caught.value, Problems) else [caught.value]


def test_a_mapping_knows_its_sources_and_maps(road):
    mappings = road.map()
    mapping = mappings.tables["BD"]
    [branch] = mapping.branches
    assert (mapping.system, branch.alias, [j.kind for j in branch.joins]) == ("core", "c", ["left", "aggregate"])
    assert mappings.sources == {("core", "Cont"), ("core", "App"), ("core", "Pay")}
    assert branch.items["BDZT"].maps == ("core.cont_state",) and branch.items["BDH"].maps == ()
    assert branch.items["ZZRQ"].expression.columns == ("c.EndText",)
    assert branch.items["ZZRQ"].line == line_of(road.root / MAPPING, "ZZRQ:")
    assert mappings.code_maps["core.cont_state"].entries == {"1": "有效", "2": "终止"}
    assert branch.joins[0].pairs[0][0] == "ContNo" and branch.joins[0].pairs[0][1].columns == ("c.ContNo",)


def test_contracts_give_the_families_of_columns():
    columns = tuple(SourceColumn(kind, kind, precision=10) for kind in ("text", "integer", "decimal", "date", "timestamp"))
    system = SourceSystem("s", {}, {"T": SourceTable("T", {}, ("text",), columns)})
    assert source_columns({"s": system}) == {"s.T": {"text": "text", "integer": "number", "decimal": "number", "date": "date", "timestamp": "timestamp"}}


@pytest.mark.parametrize(("old", "new", "where", "zh", "en"), [
    ("BDH: c.ContNo", "BDH: c.ContNoo", "BDH:", "没有数据项或列 c.ContNoo，是否指 c.ContNo？", "no item or column c.ContNoo; did you mean c.ContNo?"),
    ("KHMC: a.AppName", "KHMC: x.AppName", "KHMC:", "没有数据项或列 x.AppName，是否指 a.AppName？", "did you mean a.AppName?"),
    ("JFCS: coalesce(p.times, 0)", "JFCS: coalesce(p.Money, 0)", "JFCS:", "没有数据项或列 p.Money", "no item or column p.Money"),
    ("from: core.Cont c", "from: core.Kont c", "from:", "来源契约中没有表 core.Kont，是否指 core.Cont？", "no contract has table core.Kont; did you mean core.Cont?"),
    ("from: core.Cont c", "from: kore.Cont c", "from:", "来源契约中没有表 kore.Cont", "no contract has table kore.Cont"),
    ("from: core.Cont c", "from: Cont", "from:", "应写作 系统.表 别名", "should read system.table alias"),
    ("{left: core.App a,", "{left: core.App c,", "core.App", "别名 c 已被使用", "alias c is already taken"),
    ("{left: core.App a,", "{right: core.App a,", "core.App", "连接应含 left 或 aggregate 与 on", "a join takes left or aggregate, and on"),
    ("on: a.ContNo = c.ContNo", "on: a.ContNo > c.ContNo", "core.App", "on 的每一项应为 a.列 = 前面别名的表达式", "each part of on should be a.column = expression over earlier aliases"),
    ("on: a.ContNo = c.ContNo", "on: a.ContNo = a.IDNo", "core.App", "on 的每一项应为", "each part of on should be"),
    ("on: a.ContNo = c.ContNo", "on: a.ContNo = c.Prem", "core.App", "不能比较文本（a.ContNo）与数值（c.Prem）", "cannot compare text (a.ContNo) with number (c.Prem)"),
    ("on: a.ContNo = c.ContNo", "on: a.ContNo = p.ContNo", "core.App", "没有数据项或列 p.ContNo", "no item or column p.ContNo"),
    ("on: a.ContNo = c.ContNo", "on: \"a.ContNo = code(cont_state, c.State)\"", "core.App", "此处不能用 code", "code cannot be used here"),
    ("where: p.Money > 0", "where: c.Prem > 0", "core.Pay", "没有数据项或列 c.Prem", "no item or column c.Prem"),
    ("where: p.Money > 0", "where: \"parse_date(p.PayDate, '%Y') > period_start()\"", "core.Pay", "此处不能用 parse_date", "parse_date cannot be used here"),
    ("last: max(p.PayDate)", "last: p.PayDate", "core.Pay", "p.PayDate 应放在 sum", "p.PayDate should be inside sum"),
    ("values: {total: sum(p.Money), times: count(*), last: max(p.PayDate)}", "values: {}", "core.Pay", "aggregate 需要 values", "an aggregate join needs values"),
    ("where: c.Kind = '1'", "where: c.Kind = 1", "where: c.", "不能比较文本（c.Kind）与数值（1）", "cannot compare text (c.Kind) with number (1)"),
    ("where: c.Kind = '1'", "where: code(cont_state, c.State) = '有效'", "where: code", "此处不能用 code", "code cannot be used here"),
    ("code(cont_state, c.State)", "code(cont_stat, c.State)", "BDZT:", "没有代码对照表 cont_stat", "there is no code map cont_stat"),
    ("code(cont_state, c.State)", "code(lifee.cont_state, c.State)", "BDZT:", "没有代码对照表 lifee.cont_state", "there is no code map lifee.cont_state"),
    ("      SXRQ: c.SignDate\n", "", "items:", "缺少数据项 SXRQ 的取数口径", "item SXRQ is not mapped; give an expression, or default with a reason"),
    ("SXRQ: c.SignDate", "SXRRQ: c.SignDate", "SXRRQ:", "没有可映射的数据项 SXRRQ，是否指 SXRQ？", "has no item SXRRQ to map; did you mean SXRQ?"),
    ("      SXRQ: c.SignDate\n", "      SXRQ: c.SignDate\n      LSH: c.ContNo\n", "LSH:", "没有可映射的数据项 LSH", "has no item LSH to map"),
    ("SXRQ: c.SignDate", "SXRQ: c.ContNo", "SXRQ:", "SXRQ：表达式 'c.ContNo'：结果应为日期，实为文本", "should give date, gives text"),
    ("SXRQ: c.SignDate", "SXRQ: c.Modified", "SXRQ:", "结果应为日期，实为时间戳", "should give date, gives timestamp"),
    ("BF: c.Prem", "BF: c.Amount", "BF:", "结果应为数值，实为文本", "should give number, gives text"),
    ("BDH: c.ContNo", "BDH: c.Prem", "BDH:", "结果应为文本，实为数值", "should give text, gives number"),
    ("SXRQ: c.SignDate", "SXRQ: {default: true}", "SXRQ:", "应为 default 或 constant，并说明 why", "give default or constant, and why"),
    ("SXRQ: c.SignDate", "SXRQ: {default: true, constant: 1, why: x}", "SXRQ:", "应为 default 或 constant", "give default or constant, and why"),
    ("SXRQ: c.SignDate", "SXRQ: {default: 2024-01-01, why: x}", "SXRQ:", "default 只能为 true；固定值用 constant", "default can only be true"),
    ("SXRQ: c.SignDate", "SXRQ: {constant: 2024/1/1, why: x}", "SXRQ:", "SXRQ 为日期：应写作 2024-01-31", "SXRQ is a date: write it as 2024-01-31"),
    ("BF: c.Prem", "BF: {constant: 1.005, why: x}", "BF:", "BF 最多 2 位小数", "BF has at most 2 decimals"),
    ("BF: c.Prem", "BF: {constant: abc, why: x}", "BF:", "BF 为数值，不能是 'abc'", "BF is a number, not 'abc'"),
    ("standard: small_2024", "standard: small_2023", "standard:", "standard 应为 small_2024", "standard should be small_2024"),
    ("table: BD", "table: BDD", "table:", "标准中没有表 BDD，是否指 BD？", "the standard has no table BDD; did you mean BD?"),
    ("branches:", "brances:", "brances", "未知键 brances，是否指 branches？", "unknown key brances; did you mean branches?"),
    ("    where: c.Kind", "    were: c.Kind", "were", "未知键 were，是否指 where？", "unknown key were; did you mean where?"),
])
def test_a_wrong_mapping_is_explained(road, old, new, where, zh, en):
    found = [e for e in faults(road, (old, new)) if zh in e.sentence("zh")]
    assert found, [e.sentence("zh") for e in faults(road, (old, new))]
    assert en in found[0].sentence("en")
    path = road.root / MAPPING
    assert (found[0].values["path"], found[0].values["line"]) == (str(path), line_of(path, where))


@pytest.mark.parametrize(("old", "new", "line", "zh", "en"), [
    ("2,终止,ended", "1,终止,ended", 3, "来源代码 1 重复", "source code 1 appears twice"),
    ("2,终止,ended", " 1\u3000,终止,ended", 3, "来源代码 1 重复", "source code 1 appears twice"),
    ("2,终止,ended", "2,,ended", 3, "source 或 target 为空", "source or target is empty"),
    ("2,终止,ended", "2", 3, "有 1 列，应为 3 列", "it has 1 columns instead of 3"),
    ("source,target,note", "from,to,note", 1, "首行应为 source,target,note", "the first line should read source,target,note"),
])
def test_a_wrong_code_map_is_explained(road, old, new, line, zh, en):
    error = faults(road, (old, new), name=CODES)[0]
    assert zh in error.sentence("zh") and en in error.sentence("en")
    assert (error.values["path"], error.values["line"]) == (str(road.root / CODES), line)


def test_all_faults_of_a_mapping_come_at_once(road):
    assert len(faults(road, ("BDH: c.ContNo", "BDH: c.X"), ("KHMC: a.AppName", "KHMC: a.X"), ("      BF: c.Prem\n", ""))) == 3


def test_a_column_gone_from_the_contract_is_found_before_anything_runs(road):
    less = {**COLUMNS, "core.Cont": {c: k for c, k in COLUMNS["core.Cont"].items() if c != "SignDate"}}
    with pytest.raises(EastboundError) as caught:
        load_mappings(road.standard, less, PackRoots((road.root,)))
    assert "c.SignDate" in caught.value.sentence("en") and caught.value.values["line"] == line_of(road.root / MAPPING, "SXRQ:")


def test_a_table_mapped_twice_is_a_fault(road):
    other = road.root / "mappings/sources/life/small_2024/BD.yaml"
    other.parent.mkdir(parents=True)
    other.write_text(FILES[MAPPING], encoding="utf-8")
    with pytest.raises(EastboundError) as caught:
        road.map()
    assert "表 BD 已在" in caught.value.sentence("zh") and "is already mapped in" in caught.value.sentence("en")


def test_code_maps_are_those_of_the_mappings_own_system_unless_named(road):
    assert road.map(("code(cont_state, c.State)", "code(life.cont_state, c.State)")).tables["BD"].branches[0].items["BDZT"].maps == ("life.cont_state",)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spoilt(yaml.safe_load(FILES[MAPPING].replace("on:", "'on':").replace("BF: c.Prem", "BF: {constant: 1.5, why: {zh: x, en: y}}"))))
def test_no_shape_of_a_file_brings_the_loader_down(road, document):
    (road.root / MAPPING).write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    try:
        load_mappings(road.standard, COLUMNS, PackRoots((road.root,)))
    except EastboundError as error:
        assert error.sentence("zh") and error.sentence("en")
