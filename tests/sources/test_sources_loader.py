from __future__ import annotations

import pytest

from etl.errors import Problems
from etl.packs.roots import PackRoots
from etl.packs.yamlfile import PackFileBroken
from etl.sources.errors import SourceUnknown
from etl.sources.loader import load_source, load_sources, source_names

GOOD = """\
system: policy
name: {zh: 保单系统, en: Policies}
schema: core
tables:
  - table: P
    name: {zh: 保单, en: Policies}
    key: [No]
    required_rows: true
    columns:
      - {name: No, type: text, length: 20, nullable: false, note: 保单号}
      - {name: Prem, type: decimal, precision: 16, scale: 2}
      - {name: Start, type: date}
"""


@pytest.fixture
def pack(tmp_path):
    def write(text: str, system: str = "policy") -> PackRoots:
        folder = tmp_path / "mappings" / "sources" / system
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "source.yaml").write_text(text, encoding="utf-8")
        return PackRoots((tmp_path,))

    return write


def test_a_contract_is_read_whole(pack):
    system = load_source("policy", pack(GOOD))
    table = system.tables["P"]
    assert (system.name, system.schema, system.title["en"], table.key, table.required_rows) == ("policy", "core", "Policies", ("No",), True)
    assert [(c.name, c.text, c.nullable, c.line) for c in table.columns] == [("No", "text(20)", False, 10), ("Prem", "decimal(16,2)", True, 11), ("Start", "date", True, 12)]
    assert [c.name for c in table.reading({"Start"})] == ["No", "Start"]
    assert (table.watermark, table.overlap_days) == (None, 1)
    dated = load_source("policy", pack(GOOD.replace("required_rows: true", "watermark: Start\n    overlap_days: 3"))).tables["P"]
    assert (dated.watermark, dated.overlap_days) == ("Start", 3)


@pytest.mark.parametrize(("old", "new", "line", "words"), [
    ("type: date}", "type: datum}", 12, "P.Start: type 'datum' is not one of text, integer, decimal, date, timestamp"),
    ("key: [No]", "key: [Noo]", 7, "key column Noo of P is not among its columns; did you mean No?"),
    ("nullable: false", "nulable: false", 10, "unknown key nulable; did you mean nullable?"),
    ("nullable: false", "nullable: 'no'", 10, "nullable must be true or false"),
    ("name: Start", "name: PREM", 12, "P.PREM appears twice"),
    ("name: Start", "name: _batch", 12, "P._batch: the name is kept for lineage columns"),
    ("precision: 16, scale: 2", "precision: 2, scale: 16", 11, "P.Prem: a decimal needs a precision of 1 to 38 and a scale no larger"),
    ("precision: 16, scale: 2", "scale: 2", 11, "P.Prem: a decimal needs a precision"),
    ("length: 20", "length: long", 10, "P.No: length must be a whole number"),
    ("required_rows: true", "required_rows: 5", 8, "required_rows must be true or false"),
    ("system: policy", "system: other", 1, "system must be the folder's name, policy"),
    ("required_rows: true", "watermark: Prm", 8, "watermark must be a column beside the key, not Prm; did you mean Prem?"),
    ("required_rows: true", "watermark: No", 8, "watermark must be a column beside the key, not No"),
    ("required_rows: true", "overlap_days: -1", 8, "overlap_days must be a whole number, 0 or more"),
    ("required_rows: true", "overlap_days: 2", 8, "a table without watermark has no use for overlap_days"),
    ("    key: [No]\n", "", 5, "key must be a list that is not empty"),
    ("  - table: P", "  - tabel: P", 5, "a table without its name"),
])
def test_a_fault_names_file_and_line_and_how_to_mend_it(pack, old, new, line, words):
    assert old in GOOD
    roots = pack(GOOD.replace(old, new, 1))
    with pytest.raises(PackFileBroken) as caught:
        load_source("policy", roots)
    assert caught.value.values["path"].endswith("policy/source.yaml")
    assert caught.value.values["line"] == line
    assert words in caught.value.sentence("en")
    assert caught.value.sentence("zh") != caught.value.sentence("en")


def test_several_faults_come_together_and_over_all_systems(pack):
    pack(GOOD.replace("type: date", "type: day").replace("length: 20", "length: 0"))
    roots = pack(GOOD.replace("key: [No]", "key: []"), system="claims2")
    with pytest.raises(Problems) as caught:
        load_sources(roots)
    assert caught.value.values["count"] == 4  # two in policy; in claims2 the key, and the name of another folder


def test_an_unknown_system_lists_the_known_ones(pack):
    with pytest.raises(SourceUnknown, match="no source system named polcy. Known: policy"):
        load_source("polcy", pack(GOOD))


def test_a_later_root_wins(pack, tmp_path):
    first = pack(GOOD)
    second = tmp_path / "more"
    folder = second / "mappings" / "sources" / "policy"
    folder.mkdir(parents=True)
    (folder / "source.yaml").write_text(GOOD.replace("schema: core\n", ""), encoding="utf-8")
    roots = PackRoots((*first.roots, second))
    assert source_names(roots) == ["policy"] and load_sources(roots)["policy"].schema is None


def test_every_shipped_contract_loads():
    systems = load_sources()
    assert set(systems) == set(source_names())
    assert all(system.tables for system in systems.values())
