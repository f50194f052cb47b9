"""figures.yaml and reconciliations.yaml: what is wrong in them is told with file and line."""

from __future__ import annotations

import contextlib

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from pack_fuzz import spoilt
from small_standard import load, write_pack

from etl.errors import EastboundError
from etl.figures.loader import NoFigures, load_figure_file, load_figures
from etl.figures.reconciliation_loader import NoReconciliations, load_reconciliation_file, load_reconciliations
from etl.packs.roots import PackRoots

ROWS = """\
rows:
  policies: {from: BD, joins: {JG: {"on": {JGDM: JGDM}}}, date: SXRQ, by: {branch: JGDM}}
figures:
"""
HEAD = "name: {zh: 名, en: name}, definition: {zh: 定义, en: definition}, unit: yuan, period: flow"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return load(write_pack(tmp_path_factory.mktemp("small")))


def broken(small, tmp_path, text: str) -> str:
    path = tmp_path / "figures.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(EastboundError) as caught:
        load_figure_file(path, small)
    return caught.value.sentence("en")


@pytest.mark.parametrize(("figure", "line", "problem"), [
    (f"{{id: a, {HEAD}, rows: policies, value: sum(BFF)}}", 4, "there is no item or column BFF; did you mean BF?"),
    (f"{{id: a, {HEAD}, rows: policies, value: sum(BDH)}}", 4, "BDH should be number, is text"),
    (f"{{id: a, {HEAD}, rows: policies, value: BF}}", 4, "BF should be inside sum, count"),
    (f"{{id: a, {HEAD}, rows: policies, value: sum(BF) / count(*)}}", 4, "a ratio is a formula"),
    (f"{{id: a, {HEAD}, rows: policies, value: count(*), where: BF}}", 4, "should give bool, gives number"),
    (f"{{id: a, {HEAD}, rows: policy, value: count(*)}}", 4, "there is no row set policy; did you mean policies?"),
    (f"{{id: a, {HEAD}, rows: policies}}", 4, "value should be an aggregate"),
    (f"{{id: a, {HEAD}}}", 4, "give rows and value, or a formula"),
    (f"{{id: A, {HEAD}, rows: policies, value: count(*)}}", 4, "an id is made of lower-case letters"),
    (f"{{id: a, {HEAD}, formula: a + 1}}", 4, "figure a is made of itself"),
    (f"{{id: a, {HEAD}, formula: b + 1}}", 4, "there is no item or column b"),
    (f"{{id: a, {HEAD}, formula: 1 + 1}}", 4, "it names no figure"),
    (f"{{id: a, {HEAD}, formula: 1, where: BF > 0}}", 4, "a formula takes no where"),
    (f"{{id: a, {HEAD.replace('yuan', 'euro')}, rows: policies, value: count(*)}}", 4, "unit 'euro' is not one of yuan"),
    (f"{{id: a, {HEAD.replace('en: definition', 'de: Definition')}, rows: policies, value: count(*)}}", 4, "definition needs zh and en"),
    (f"{{id: a, {HEAD}, rows: policies, value: count(*), whre: 1}}", 4, "unknown key whre; did you mean where?"),
])
def test_a_fault_in_a_figure_is_told_with_its_line(small, tmp_path, figure, line, problem):
    sentence = broken(small, tmp_path, f"{ROWS}  - {figure}\n")
    assert f"figures.yaml line {line}: " in sentence and problem in sentence


def test_figures_that_are_made_of_each_other_are_refused(small, tmp_path):
    assert "made of itself" in broken(small, tmp_path, f"{ROWS}  - {{id: a, {HEAD}, formula: b * 2}}\n  - {{id: b, {HEAD}, formula: a / 2}}\n")
    assert "appears twice" in broken(small, tmp_path, f"{ROWS}  - {{id: a, {HEAD}, rows: policies, value: count(*)}}\n  - {{id: a, {HEAD}, rows: policies, value: count(*)}}\n")


@pytest.mark.parametrize(("rows", "problem"), [
    ("{from: BX}", "has no table BX"), ("{from: BD, date: BDH}", "BDH should be a date"), ("{from: BD, date: SXRQX}", "there is no item SXRQX; did you mean SXRQ?"),
    ("{from: BD, by: {colour: JGDM}}", "a dimension is one of branch, channel, product"), ("{from: BD, by: {branch: SXRQ}}", "SXRQ should be a text"),
    ('{from: BD, joins: {JG: {"on": {SXRQ: JGDM}}}}', "SXRQ and JGDM differ in type"), ("{from: BD, joins: {JG: {}}}", "it has no on"),
    ('{from: BD, joins: {BD: {"on": {BDH: BDH}}}}', "table BD is there already"), ("{from: BD, runs: [next]}", "runs takes previous, current, later"),
    ("{from: BD, by: {branch: KHMC}}", "KHMC is private and cannot be a dimension"), ("{from: BD, once_per: [X]}", "there is no item X"), ("{from: BD, where: JG.JGMC = 'x'}", "there is no item or column JG.JGMC"),
])
def test_a_fault_in_a_row_set_is_told_with_its_line(small, tmp_path, rows, problem):
    sentence = broken(small, tmp_path, f"rows:\n  policies: {rows}\n")
    assert "figures.yaml line 2: " in sentence and problem in sentence


def test_a_flow_needs_a_date(small, tmp_path):
    assert "has no date, so it cannot be a flow" in broken(small, tmp_path, f"rows:\n  p: {{from: BD}}\nfigures:\n  - {{id: a, {HEAD}, rows: p, value: count(*)}}\n")


def test_a_pack_without_figures_says_what_to_write(small, tmp_path):
    with pytest.raises(NoFigures, match="validation_rules/small_2024/figures.yaml"):
        load_figures(small, PackRoots((tmp_path,)))


@pytest.fixture
def figures(small, tmp_path):
    path = tmp_path / "figures.yaml"
    path.write_text(f"{ROWS}  - {{id: a, {HEAD}, rows: policies, value: sum(BF)}}\n", encoding="utf-8")
    return load_figure_file(path, small)


TEXTS = "id: x, name: {zh: 名, en: name}, definition: {zh: 定义, en: definition}"


@pytest.mark.parametrize(("text", "problem"), [
    (f"{{{TEXTS}, left: {{from: BD, key: [BDH]}}, right: {{from: BD, key: [BDH, JGDM]}}}}", "the keys of the sides differ in number"),
    (f"{{{TEXTS}, left: {{from: BD, key: [BDH]}}}}", "right is missing"),
    (f"{{{TEXTS}, left: {{from: BD, key: []}}, right: {{from: BD, key: [BDH]}}}}", "key is empty"),
    (f"{{{TEXTS}, left: {{from: BD, key: [BDH]}}, right: {{standard: nowhere, from: BD, key: [BDH]}}}}", "nowhere"),
    (f"{{{TEXTS}, left: {{from: BD, key: [BDH], amount: BDH}}, right: {{from: BD, key: [BDH]}}}}", "should give number, gives text"),
    (f"{{{TEXTS}, kind: figures, left: {{figure: b}}, right: {{figure: a}}}}", "there is no figure b"),
    (f"{{{TEXTS}, kind: figures, by: channel, left: {{figure: a}}, right: {{figure: a}}}}", "figure a cannot be split by channel"),
    (f"{{{TEXTS}, kind: workbook, sheets: [{{sheet: S}}]}}", "give cells or columns"),
    (f"{{{TEXTS}, kind: workbook, sheets: [{{sheet: S, cells: {{5C: a}}}}]}}", "5C is no cell"),
    (f"{{{TEXTS}, kind: workbook, sheets: [{{sheet: S, columns: {{P: a}}}}]}}", "columns need header_row, by and member"),
    (f"{{{TEXTS}, kind: rules, rules: {{family: x}}, left: {{from: BD, key: [BDH]}}}}", "takes no left"),
    (f"{{{TEXTS}, kind: rules, rules: {{}}, tolerance: {{absolute: -1}}}}", "should be a number from 0 on"),
])
def test_a_fault_in_a_reconciliation_is_told_with_its_line(small, figures, tmp_path, text, problem):
    path = tmp_path / "reconciliations.yaml"
    path.write_text(f"reconciliations:\n  - {text}\n", encoding="utf-8")
    with pytest.raises(EastboundError) as caught:
        load_reconciliation_file(path, small, figures, PackRoots((tmp_path,)))
    sentence = caught.value.sentence("en")
    assert "reconciliations.yaml line 2: " in sentence and problem in sentence


def test_a_pack_without_reconciliations_says_what_to_write(small, figures, tmp_path):
    with pytest.raises(NoReconciliations, match="reconciliations.yaml"):
        load_reconciliations(small, figures, PackRoots((tmp_path,)))


WHOLE = """\
dimensions:
  branch: {name: {zh: 机构, en: Branch}, table: JG, key: JGDM, text: JGMC}
  channel: {name: {zh: 状态, en: State}, codes: ZT}
rows:
  policies: {from: BD, joins: {JG: {"on": {JGDM: JGDM}, where: JGMC IS NOT NULL}}, date: SXRQ, where: BF > 0, once_per: [BDH], by: {branch: JGDM}, runs: [current]}
figures:
  - {id: a, name: {zh: 名, en: name}, definition: {zh: 定义, en: definition}, unit: yuan, period: flow, rows: policies, value: sum(BF), where: BDZT = '有效'}
  - {id: b, name: {zh: 名, en: name}, definition: {zh: 定义, en: definition}, unit: percent, period: closing, formula: a * 100 / a}
"""
AGAINST = """\
reconciliations:
  - {id: x, name: {zh: 名, en: name}, definition: {zh: 定义, en: definition}, tolerance: {absolute: 1, relative: 0.1},
     left: {from: BD, date: SXRQ, where: BF > 0, key: [BDH], amount: BF}, right: [{run: previous, from: BD, key: [BDH], amount: BF}]}
  - {id: y, name: {zh: 名, en: name}, definition: {zh: 定义, en: definition}, kind: figures, left: {figure: a}, right: {figure: b, run: previous}, by: branch}
  - {id: z, name: {zh: 名, en: name}, definition: {zh: 定义, en: definition}, kind: workbook,
     sheets: [{sheet: S, factor: 10, cells: {A1: a}, header_row: 1, first_row: 2, member: M, by: branch, columns: {P: a}, skip: [合计]}]}
  - {id: r, name: {zh: 名, en: name}, definition: {zh: 定义, en: definition}, kind: rules, rules: {family: reconciliation, ids: [A]}}
"""


def write(path, document):
    path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


@given(document=spoilt(yaml.safe_load(WHOLE)))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_spoilt_figures_file_brings_the_loader_down(small, tmp_path, document):
    with contextlib.suppress(EastboundError):
        load_figure_file(write(tmp_path / "figures.yaml", document), small)


@given(document=spoilt(yaml.safe_load(AGAINST)))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_spoilt_reconciliations_file_brings_the_loader_down(small, tmp_path, document):
    known = load_figure_file(write(tmp_path / "figures.yaml", yaml.safe_load(WHOLE)), small)
    with contextlib.suppress(EastboundError):
        load_reconciliation_file(write(tmp_path / "reconciliations.yaml", document), small, known, PackRoots((tmp_path,)))
