"""The pack of east_life_2020 as data: counts known by hand, code tables complete and free of contradictions.

Read here with csv and yaml only, so that a fault of the loader cannot hide a fault of the pack.
"""

import csv
import datetime
import importlib.util
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PACK = ROOT / "mappings" / "standards" / "east_life_2020"
PROVENANCE = {"E", "R", "I", "G", "reconstructed"}
# Field counts of the published overview, the three leading fields included.

TABLES = {p.stem: yaml.safe_load(p.read_text("utf-8")) for p in sorted((PACK / "tables").glob("*.yaml"))}
ITEMS = [(t, item) for t, table in TABLES.items() for item in table["items"]]
ITEM_IDS = [f"{t}.{item['code']}" for t, item in ITEMS]
INDEX = yaml.safe_load((PACK / "codes" / "index.yaml").read_text("utf-8"))["tables"]


def read_codes(name):
    with (PACK / "codes" / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


CODES = {p.stem: read_codes(p.stem) for p in sorted((PACK / "codes").glob("*.csv"))}


def name_of(table, code, on="2026-10-31"):
    """Names of a code valid on a day."""
    return [
        r["name"]
        for r in CODES[table]
        if r["code"] == code and (r["valid_from"] or "0000") <= on <= (r["valid_to"] or "9999-12-31")
    ]


@pytest.mark.parametrize(("table", "item"), ITEMS, ids=ITEM_IDS)
def test_item_is_complete_and_its_references_exist(table, item):
    assert item["type"] in {"text", "integer", "decimal", "date"}
    assert item["name"]["zh"] and item["name"]["en"]
    assert item["provenance"] in PROVENANCE
    assert ("scale" in item) == (item["type"] == "decimal")
    if refs := item.get("refs"):
        target = [i for i in TABLES[refs["table"]]["items"] if i["code"] == refs["item"]]
        assert len(target) == 1
        assert target[0]["type"] == item["type"]
    if item["type"] == "date" and "default" in item:
        assert item["default"] == datetime.date(9999, 12, 31)


@pytest.mark.parametrize(("table", "item"), ITEMS, ids=ITEM_IDS)
def test_every_coded_value_and_default_fits(table, item):
    values = list(item.get("allow", []))
    if "codes" in item:
        assert item["codes"] in INDEX
        assert item["send"] in {"text", "code"}
        rows = CODES[item["codes"]]
        sent = [r["name" if item["send"] == "text" else "code"] for r in rows]
        if "default" in item:
            assert item["default"] in sent + values
        values += sent
    elif item["type"] == "text" and "default" in item:
        values.append(item["default"])
    # Lengths of text are bytes of UTF-8.
    assert [v for v in values if len(v.encode("utf-8")) > item["length"]] == []


def test_masked_values_fit():
    masked = {"name": 64, "id_number": 40}
    narrow = [f"{t}.{i['code']}" for t, i in ITEMS if i.get("privacy") in masked and i["length"] < masked[i["privacy"]]]
    assert narrow == []


def test_index_and_files_agree():
    assert set(INDEX) == set(CODES)


@pytest.mark.parametrize("table", CODES)
def test_rows_are_well_formed_and_periods_do_not_overlap(table):
    periods = defaultdict(list)
    for row in CODES[table]:
        assert list(row) == ["code", "name", "name_en", "valid_from", "valid_to", "provenance"]
        assert row["code"] == row["code"].strip() != ""
        assert row["name"] == row["name"].strip() != ""
        assert row["provenance"] in PROVENANCE
        start = datetime.date.fromisoformat(row["valid_from"] or "0001-01-01")
        end = datetime.date.fromisoformat(row["valid_to"] or "9999-12-31")
        assert start <= end, row
        periods[row["code"]].append((start, end))
    for code, spans in periods.items():
        spans.sort()
        assert all(a[1] < b[0] for a, b in pairwise(spans)), code


def test_text_of_a_table_sent_as_text_names_one_code():
    sent_as_text = {item["codes"] for _, item in ITEMS if item.get("send") == "text"}
    for table in sent_as_text:
        names = [row["name"] for row in CODES[table]]
        assert len(set(names)) == len(names), table


def test_level_one_divisions():
    level_one = [r for r in CODES["XZQH"] if r["code"].endswith("0000") and not r["valid_to"]]
    assert len(level_one) == 34
    assert all(r["name_en"] for r in level_one)
    assert name_of("XZQH", "110000") == ["北京市"]
    assert name_of("XZQH", "810000") == ["香港特别行政区"]


@pytest.mark.parametrize(
    ("code", "day", "names"),
    [
        ("440300", "2026-10-31", ["深圳市"]),
        ("130502", "2019-12-31", ["桥东区"]),  # Xingtai renamed its districts in 2020
        ("130502", "2020-01-01", ["襄都区"]),
        ("110103", "2010-12-31", ["崇文区"]),  # merged into Dongcheng in 2010
        ("110103", "2026-10-31", []),
        ("429001", "1998-01-01", ["随州市"]),  # 421300 since 2000
        ("429001", "2026-10-31", []),
        ("810001", "2026-10-31", ["中西区"]),
    ],
)
def test_divisions_as_of_a_day(code, day, names):
    assert name_of("XZQH", code, day) == names


def test_names_are_simplified():
    assert [r for r in CODES["XZQH"] if set(r["name"]) & set("區縣達嶺員會門別")] == []


def test_jurisdictions_are_31_provinces_and_5_cities():
    codes = {r["code"] for r in CODES["JGXQ"]}
    assert len(codes) == 36
    assert {"210200", "330200", "350200", "370200", "440300"} == {c for c in codes if not c.endswith("0000")}
    assert not codes & {"710000", "810000", "820000"}


def test_countries_and_currencies():
    assert len(CODES["GJ"]) == 249
    assert name_of("GJ", "156") == ["中国"]
    assert name_of("GJ", "840") == ["美国"]
    assert name_of("GJ", "158") == ["中国台湾"]
    english = {r["code"]: r["name_en"] for r in CODES["HBDM"]}
    assert english["156"] == "Yuan Renminbi"
    assert {"036", "156", "392", "826", "840", "978"} == {r["code"] for r in CODES["HBDM"] if r["provenance"] == "E"}


def test_ethnic_groups():
    assert [r["code"] for r in CODES["MZ"]] == [f"{n:02d}" for n in range(1, 57)]
    assert len({r["name"] for r in CODES["MZ"]}) == 56
    assert name_of("MZ", "01") == ["汉族"]
    assert name_of("MZ", "56") == ["基诺族"]


def test_company():
    assert name_of("BXJGDM", "000999") == ["东岸人寿保险股份有限公司"]


@pytest.fixture(scope="module")
def build_codes():
    spec = importlib.util.spec_from_file_location("build_codes", ROOT / "tools" / "build_codes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "periods"),
    [
        ("北京市", [("北京市", "", "")]),
        ("[1997-]通州区", [("通州区", "1997", "")]),
        ("[-1982]丽水地区,[1982-1994]台州地区", [("丽水地区", "", "1981"), ("台州地区", "1982", "1994")]),
        ("[1983-1982]下关市,[1983-]大理市", [("下关市", "", "1982"), ("大理市", "1983", "")]),
    ],
)
def test_periods_of_loc_dat(build_codes, text, periods):
    assert [tuple(p) for p in build_codes.parse_periods(text)] == periods


@pytest.mark.parametrize("text", ["[1997-通州区", "通州区,[2000-]某区"])
def test_unreadable_periods_are_refused(build_codes, text):
    with pytest.raises(ValueError, match=r"loc[.]dat"):
        build_codes.parse_periods(text)


def test_industries_are_20_sections_and_97_divisions():
    codes = [r["code"] for r in CODES["XYFL"]]
    assert [c for c in codes if c.isalpha()] == list("ABCDEFGHIJKLMNOPQRST")
    assert [c for c in codes if c.isdigit()] == [f"{n:02d}" for n in range(1, 98)]
    assert name_of("XYFL", "68") == ["保险业"]
    assert name_of("XYFL", "79") == ["土地管理业"]  # new in 2017: the later divisions moved up by one
    assert name_of("XYFL", "97") == ["国际组织"]


def test_political_status_education_and_occupations():
    assert [r["code"] for r in CODES["ZZMM"]] == [f"{n:02d}" for n in range(1, 14)]
    assert name_of("XLGB", "21") == ["大学本科毕业"]
    assert len(CODES["XLGB"]) == 40
    majors = [r["code"] for r in CODES["ZYFL"] if r["code"].endswith("0000")]
    assert majors == [f"{n}0000" for n in range(1, 9)]
    assert {r["code"][0] for r in CODES["ZYFL"]} == set("12345678")


def test_document_types_of_persons_and_organisations_differ():
    # FFMXB.ZJLX carries either: a rule tells them apart by the list.
    assert {r["code"] for r in CODES["GRZJLX"]} & {r["code"] for r in CODES["JGZJLX"]} == set()
