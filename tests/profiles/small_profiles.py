"""A standard of one table made by hand, and profiles of it without any data behind them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from etl.profiles.definition import WHOLE, ItemProfile, TableProfile
from etl.standard.definition import Standard
from etl.standard.loader import load_standard_folder

STANDARD = """
standard: small_2026
prefix: SM
name: {zh: 小标准, en: Small standard}
version: "1"
frequency: monthly
serial: null
format: {kind: delimited, encoding: utf-8, separator: "|", line_end: "\\n", header: false, "null": "", date: "%Y-%m-%d", length_unit: characters,
         file_name: "{table}.txt", folder: "{company}"}
"""
BRANCH = """
table: JG
number: 1
name: {zh: 机构, en: Branches}
level: 1
capture: full
items:
  - {code: JGDM, name: {zh: 机构代码, en: Branch}, type: text, length: 10, required: true, key: true}
"""
POLICY = """
table: BD
number: 2
name: {zh: 保单, en: Policies}
level: 2
capture: full
items:
  - {code: BDH, name: {zh: 保单号, en: Policy no}, type: text, length: 20, required: true, key: true}
  - {code: JGDM, name: {zh: 机构代码, en: Branch}, type: text, length: 10, refs: {table: JG, item: JGDM}}
  - {code: ZT, name: {zh: 状态, en: State}, type: text, length: 10, codes: ZT, send: text, allow: [未知], default: 未知}
  - {code: XM, name: {zh: 姓名, en: Name}, type: text, length: 20, privacy: name}
  - {code: CS, name: {zh: 出生年, en: Birth year}, type: integer, length: 4, privacy: id_number}
  - {code: BF, name: {zh: 保费, en: Premium}, type: decimal, length: 16, scale: 2}
  - {code: RQ, name: {zh: 生效日期, en: Effective}, type: date, length: 10, default: 9999-12-31}
"""


def write_standard(root: Path) -> Path:
    """A pack root with the standard `small_2026`: branches JG, policies BD. Returns `root`."""
    folder = root / "mappings/standards/small_2026"
    (folder / "tables").mkdir(parents=True)
    (folder / "codes").mkdir()
    (folder / "standard.yaml").write_text(STANDARD, encoding="utf-8")
    (folder / "tables/JG.yaml").write_text(BRANCH, encoding="utf-8")
    (folder / "tables/BD.yaml").write_text(POLICY, encoding="utf-8")
    (folder / "codes/index.yaml").write_text("tables:\n  ZT: {name: {zh: 状态, en: States}, provenance: G, source: by hand}\n", encoding="utf-8")
    (folder / "codes/ZT.csv").write_text("code,name,name_en,valid_from,valid_to,provenance\n1,有效,,,,G\n2,终止,,,,G\n3,作废,,,2020-12-31,G\n", encoding="utf-8")
    return root


def small_standard(root: Path) -> Standard:
    return load_standard_folder(write_standard(root) / "mappings/standards/small_2026")


def write_expectations(root: Path, text: str) -> Path:
    """The file profiles.yaml of `small_2026`; `text` is its list of expectations, two blanks deep."""
    path = root / "validation_rules/small_2026/profiles.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"standard: small_2026\nexpectations:\n{text}", encoding="utf-8")
    return path


def policies(period: str, rows: int, states: Mapping[str, int] | None = None, *, premium: str | None = None, nulls: int = 0, other: int = 0) -> TableProfile:
    """A profile of BD: rows, rows per state, sum of BF, nulls of BF."""
    items = {WHOLE: ItemProfile(WHOLE, rows), "BF": ItemProfile("BF", rows, nulls=nulls, blanks=nulls, distinct=rows - nulls, total=None if premium is None else Decimal(premium))}
    counts = {} if states is None else states
    filled = sum(counts.values()) + other
    items["ZT"] = ItemProfile("ZT", rows, nulls=rows - filled, blanks=rows - filled, distinct=len(counts), codes=dict(counts), other=other)
    return TableProfile("BD", period, "r-" + period, items)
