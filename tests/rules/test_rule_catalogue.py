from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import pytest
from openpyxl import load_workbook

from etl.language import set_language
from etl.rules.catalogue import COLUMNS, counts, entry, row_texts, write_page, write_workbook
from etl.rules.derived import derived_rules

RULES = ["""
id: SM24-BD-ZZRQ-CR-01
official_id: X-17
family: conditional_required
when: BDZT = '终止'
expect: ZZRQ IS NOT NULL
severity: error
message: {zh: 终止须有<日期>, en: "=A terminated policy & its date"}
basis: "+ own thought (I)"
effective: {from: 2024-01-01, to: 2030-12-31}
changed: 2026-11-21
examples: {pass: [{BDZT: 终止, ZZRQ: 2024-05-01}, {BDZT: 有效}], fail: [{BDZT: 终止}]}
""", """
id: SM24-BD-BF-VR-01
family: value_range
expect: "-BF <= 0"
severity: warning
message: {zh: "@保费", en: "-premium\\twith a tab"}
examples: {pass: [{BF: 0}], fail: [{BF: -0.01}]}
"""]


@pytest.fixture
def rules(read_rules, small):
    return [*derived_rules(small, small.tables["BD"]), *read_rules(*RULES)]


@pytest.fixture(autouse=True)
def english():
    set_language("en")
    yield
    set_language(None)


def test_an_entry_says_all_there_is_of_a_rule(rules, small):
    told = entry(rules[-2], small)
    assert told["id"] == "SM24-BD-ZZRQ-CR-01" and told["official_id"] == "X-17" and told["standard"] == "small_2024"
    assert (told["table"], told["table_name"], told["item"], told["item_name"]) == ("BD", "保单表", "ZZRQ", "终止日期")
    assert (told["family"], told["family_name"], told["origin"], told["severity"]) == ("conditional_required", "条件必填", "authored", "error")
    assert (told["when"], told["expect"], told["text_zh"]) == ("BDZT = '终止'", "ZZRQ IS NOT NULL", "终止须有<日期>")
    assert (told["effective_from"], told["effective_to"], told["changed"]) == (date(2024, 1, 1), date(2030, 12, 31), date(2026, 11, 21))
    assert (told["examples_pass"], told["examples_fail"]) == (2, 1) and told["examples"]["fail"] == [{"BDZT": "终止"}]
    assert re.fullmatch("[0-9a-f]{16}", told["version"]) and told["jurisdiction"] is None and told["silenced"] is None
    derived = entry(rules[0], small)
    assert (derived["id"], derived["origin"], derived["expect"], derived["examples_fail"]) == ("SM24-BD-BDH-REQ", "derived", "BDH IS NOT NULL", 0)


def test_counts_by_origin_family_and_table(rules):
    # Of BD: two items required, four texts with a length and a format each, a code table, a reference, a key.
    found = counts(rules)
    texts = 4
    assert found["origin"] == {"all": {"authored": 2, "derived": 2 + 2 * texts + 1 + 1 + 1}}
    assert found["table"] == {"BD": {"authored": 2, "derived": 13}}
    assert found["family"]["length"] == {"authored": 0, "derived": 4} and found["family"]["value_range"] == {"authored": 1, "derived": 0}
    assert list(found["family"])[:2] == ["conditional_required", "value_range"]


def test_a_workbook_reads_back_as_it_was_written_and_holds_no_formula(rules, small, tmp_path):
    path = tmp_path / "rules.xlsx"
    assert write_workbook(rules, small, path) == len(rules) == 15
    sheet = load_workbook(path)["rules"]
    rows = list(sheet.iter_rows())
    assert [cell.value for cell in rows[0]] == [en for _, _, en, _ in COLUMNS]
    assert [[cell.value or "" for cell in row] for row in rows[1:]] == [row_texts(entry(rule, small)) for rule in rules]
    assert {cell.data_type for row in rows for cell in row if cell.value is not None} == {"s"}
    by_name = {en: cell for (_, _, en, _), cell in zip(COLUMNS, rows[-2], strict=True)}
    assert (by_name["text"].value, by_name["basis"].value) == ("=A terminated policy & its date", "+ own thought (I)")
    assert by_name["effective from"].value == "2024-01-01"
    assert json.loads(by_name["passing examples"].value.splitlines()[0]) == {"BDZT": "终止", "ZZRQ": "2024-05-01"}
    last = {en: cell for (_, _, en, _), cell in zip(COLUMNS, rows[-1], strict=True)}
    assert (last["text in Chinese"].value, last["expect"].value, last["text"].value) == ("@保费", "-BF <= 0", "-premium\twith a tab")
    assert by_name["text"].quotePrefix and sheet.freeze_panes == "B2" and sheet.auto_filter.ref == f"A1:{by_name['failing examples'].column_letter}16"
    assert sheet.column_dimensions["A"].width > 20


class Page(HTMLParser):
    """Rules of a page by id, with their attributes and text; and whatever the page would load from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rules: dict[str, dict[str, str]] = {}
        self.outside: list[str] = []
        self.here: dict[str, str] | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.outside += [value for name, value in attrs if name in ("src", "href") and value]
        if tag == "details":
            self.here = self.rules[given["id"]] = {**given, "text": ""}

    def handle_endtag(self, tag):
        if tag == "details":
            self.here = None

    def handle_data(self, data):
        if self.here is not None:
            self.here["text"] += data


def test_the_page_holds_every_rule_and_needs_nothing_else(rules, small, tmp_path):
    silenced = replace(rules[-1], silenced={"zh": "本地不适用", "en": "does not apply here", "basis": "letter (I)"}, jurisdiction="440300")
    path = tmp_path / "rules.html"
    assert write_page([*rules[:-1], silenced], small, path) == 15
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert set(page.rules) == {rule.id for rule in rules} and page.outside == []
    one = page.rules["SM24-BD-ZZRQ-CR-01"]
    assert (one["data-table"], one["data-family"], one["data-severity"], one["data-origin"]) == ("BD", "conditional_required", "error", "authored")
    for said in ("终止须有<日期>", "=A terminated policy & its date", "BDZT = '终止'", "ZZRQ IS NOT NULL", "X-17", "+ own thought (I)", "2024-01-01 – 2030-12-31", "2026-11-21",
                 '{"BDZT": "终止", "ZZRQ": "2024-05-01"}'):
        assert said in one["text"], said
    assert page.rules[silenced.id]["class"] == "silenced" and "本地不适用 / does not apply here (letter (I))" in page.rules[silenced.id]["text"]
    assert "<日期>" not in text and "prefers-color-scheme" in text and "@media print" in text and 'name="viewport"' in text
    again = tmp_path / "again.html"
    write_page([silenced, *rules[:-1]], small, again)
    assert again.read_bytes() == path.read_bytes()
