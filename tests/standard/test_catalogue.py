"""The catalogue page: everything of a standard is on it, in both languages, and it needs nothing from outside."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from small_standard import NAME, edit, load, write_pack

from etl.packs.roots import PackRoots
from etl.rules.definition import FAMILY_NAMES
from etl.rules.loader import load_rules
from etl.standard import load_standard
from etl.standard.catalogue import write_catalogue

VOID = {"meta", "input", "br", "link", "img"}
# Elements that HTML lets end without an end tag.
OPEN_ENDED = {"td", "tr", "li", "p"}


class Page(HTMLParser):
    """Ids, links and the balance of elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if "id" in found:
            self.ids.append(found["id"])
        self.links += [found[key] for key in ("href", "src") if key in found]
        if tag not in VOID | OPEN_ENDED:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in OPEN_ENDED:
            assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data


def test_the_page_of_the_life_standard(tmp_path):
    standard = load_standard("east_life_2020")
    rules = load_rules(standard)
    path = write_catalogue(standard, rules, tmp_path, FAMILY_NAMES)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert path.name == "east_life_2020.html" and page.open == []
    assert {f"t-{table}" for table in standard.tables} | {f"c-{code}" for code in standard.codes} | {f"r-{rule.id}" for rule in rules} <= set(page.ids)
    assert {f"i-{t.code}-{i.code}" for t in standard.tables.values() for i in t.items} <= set(page.ids) and len(page.ids) == len(set(page.ids))
    # Every link leads somewhere on the page, and nothing is loaded from elsewhere.
    assert {link for link in page.links if link.removeprefix("#") not in page.ids or not link.startswith("#")} == set()
    assert not re.search(r"https?://|@import|url\(", text)
    for wanted in ("个人保单表", "Individual policies", "保单状态为终止时，终止日期必填", "A terminated policy needs its termination date", "BDZT = '终止'", "BDZT = 终止, BDZZRQ1 = ∅",
                   "每个数据项和代码表都标明其内容有多可靠", "rebuilt by this project", "文本，最多 28 字节", "text, up to 28 bytes", "未生效"):
        assert wanted in page.text, wanted
    again = write_catalogue(standard, rules, tmp_path / "again", FAMILY_NAMES)
    assert again.read_bytes() == path.read_bytes()


def test_what_packs_say_cannot_break_the_page(tmp_path):
    root = write_pack(tmp_path, {f"validation_rules/{NAME}/BD.yaml": """\
table: BD
rules:
  - id: SM24-BD-BDH-VR-01
    family: value_range
    expect: BDH <> '</script><b>' AND BDH < 'z'
    severity: warning
    message: {zh: "<i>甲</i>", en: "<i>a</i>"}
    examples: {pass: [{BDH: "<u>"}], fail: [{BDH: null}, {BDH: "</script><b>"}]}
"""})
    edit(root, "codes/ZT.csv", "01,有效", "01,<script>alert(1)</script>")
    edit(root, "tables/BD.yaml", "name: {zh: 保单表, en: Policies}", "name: {zh: 保单表, en: Policies}\nnote: '\"><img src=x onerror=1>'")
    standard = load(root)
    page = Page(write_catalogue(standard, load_rules(standard, PackRoots((root,))), tmp_path / "out").read_text(encoding="utf-8"))
    assert page.open == [] and page.links and all(link.startswith("#") for link in page.links)
    assert "<script>alert(1)</script>" in page.text and "<i>a</i>" in page.text and "BDH = </script><b>" in page.text


def test_a_standard_with_the_least_in_it(tmp_path):
    root = write_pack(tmp_path)
    page = Page(write_catalogue(load(root), [], tmp_path / "out").read_text(encoding="utf-8"))
    assert "t-BD" in page.ids and "Check rules" not in page.text and "not sent: used for reconciliations only" in page.text
