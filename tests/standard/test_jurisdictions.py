"""`jurisdictions` of a standard: what is declared is what is loaded, and what cannot place rows is a load error with its line."""

from __future__ import annotations

import pytest

from etl.errors import EastboundError
from etl.packs.roots import PackRoots
from etl.standard import load_standard
from etl.standard.definition import PlacingStep
from etl.standard.jurisdictions import jurisdictions_of_standard, with_part_format
from tests.pipeline.small_provinces import write_packs


@pytest.fixture
def root(tmp_path):
    return write_packs(tmp_path)


def edit(root, old: str, new: str) -> None:
    path = root / "mappings/standards/prov/standard.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def load(root):
    return load_standard("prov", PackRoots((root,)))


def test_what_is_declared_is_what_is_loaded(root):
    told = load(root).jurisdictions
    assert told.tables["CP"] == () and told.tables["KH"] == (PlacingStep(through="GX", on={"KHH": "KHH"}, first="BDH"),)
    assert told.tables["JF"] == (PlacingStep(unit="DWDM"), PlacingStep(through="BD", on={"BDH": "BDH"}))
    assert (told.directory.table, told.directory.area, told.directory.head_value) == ("DW", "QH", "01")
    assert told.folder == "{company}{jurisdiction}-{period_end:%Y%m%d}"


def test_a_part_has_its_own_folder_and_the_rest_of_the_format(root):
    standard = load(root)
    plain = with_part_format(standard, "310000", {})
    assert plain.format.folder == "{company}310000-{period_end:%Y%m%d}" and plain.format.file_name == standard.format.file_name
    own = with_part_format(standard, "310000", {"encoding": "gb18030", "file_name": "{jurisdiction}{table}"})
    assert (own.format.encoding, own.format.file_name, own.format.separator) == ("gb18030", "310000{table}", standard.format.separator)


def test_a_standard_whose_files_are_split_already_needs_no_declaration():
    audit = load_standard("audit_life")
    assert audit.jurisdictions is None and all(steps == (PlacingStep(item="SSDM"),) for steps in jurisdictions_of_standard(audit).tables.values())


@pytest.mark.parametrize(("old", "new", "en", "zh"), [
    ("    CP: head\n", "", "nothing says which jurisdiction the rows of these tables belong to: CP", "未说明下列报送表的行归属哪个监管辖区：CP"),
    ("    CP: head\n", "    CP: []\n", "table CP: say how its rows are placed", "表 CP 没有给出归属方式"),
    ("    CP: head\n", "    CP: heads\n", "should be a list", "应是列表"),
    ("    CP: head\n", "    CP: head\n    ZJ: head\n", "there is no submitted table ZJ", "没有报送表 ZJ"),
    ("[{item: QH}]", "[{item: QHH}]", "table DW has no item QHH; did you mean QH?", "表 DW 没有数据项 QHH，是否指 QH？"),
    ("[{item: QH}]", "[{item: QH, unit: DWDM}]", "exactly one of item, unit and through", "item、unit、through 之一"),
    ("[{item: QH}]", "[{item: QH, first: CJ}]", "first goes with through only", "first 只与 through 同用"),
    ("[{through: BD, \"on\": {BDH: BDH}}]\n    JF", "[{through: BD, \"on\": {BDH: TBR}}]\n    JF", "BD.TBR is personal or no text", "BD.TBR 是个人信息或不是文本"),
    ("[{through: BD, \"on\": {BDH: BDH}}]\n    JF", "[{through: BD}]\n    JF", "through needs on", "through 须给出 on"),
    (", first: BDH", "", "several rows of GX may fit", "GX 可能有多行相符"),
    ("BD: [{unit: DWDM}]", "BD: [{unit: DWDM}, {through: KH, \"on\": {BDH: KHH}}]", "`through` goes round in a circle", "through 成环"),
    ("  directory: {table: DW, unit: DWDM, area: QH, head: {item: CJ, value: \"01\"}}\n", "", "head and unit need a directory", "head 与 unit 须有 directory"),
    ("head: {item: CJ, value: \"01\"}", "head: {item: CJ}", "head needs item and value", "head 应含 item 与 value"),
    ("jurisdictions:\n", "jurisdictions:\n  folder: x\n", "folder needs {jurisdiction}", "folder 应含 {jurisdiction}"),
    ("jurisdictions:\n", "jurisdictions:\n  foldr: x\n", "unknown key foldr; did you mean folder?", "未知键 foldr，是否指 folder？"),
])
def test_what_cannot_place_rows_is_a_load_error(root, old, new, en, zh):
    edit(root, old, new)
    with pytest.raises(EastboundError) as caught:
        load(root)
    assert en in caught.value.sentence("en") and zh in caught.value.sentence("zh") and "standard.yaml" in caught.value.sentence("en")


def test_every_table_of_the_life_standard_is_declared_with_how_well_it_is_known():
    standard = load_standard("east_life_2020")
    assert set(standard.jurisdictions.tables) == {table.code for table in standard.submitted_tables} and len(standard.jurisdictions.tables) == 46
    assert standard.jurisdictions.tables["GRBDB"] == (PlacingStep(item="JGXQDM"), PlacingStep(unit="GLJGDM"))
    assert sum(not steps for steps in standard.jurisdictions.tables.values()) == 18
