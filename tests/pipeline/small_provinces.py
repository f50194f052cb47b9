"""A small insurer in three jurisdictions: a head office in 110000, branches in 310000 and 440300, and customers who have policies in two of them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from etl.workspace import Workspace

STANDARD = """
standard: prov
prefix: PV
name: {zh: 辖区标准, en: Standard of three jurisdictions}
version: "1"
frequency: monthly
deadline: {day: 15}
company_codes: COMPANY
format: {kind: delimited, encoding: utf-8, separator: "\\x01", line_end: "\\n", "null": "", date: "%Y-%m-%d",
         length_unit: bytes, file_name: "{company}-{table}-{period_end:%Y%m%d}.txt", folder: "{company}-{period_end:%Y%m%d}"}
masking:
  name: {transform: hmac_sha256, bits: 256}
jurisdictions:
  directory: {table: DW, unit: DWDM, area: QH, head: {item: CJ, value: "01"}}
  tables:
    DW: [{item: QH}]
    CP: head
    KH: [{through: GX, "on": {KHH: KHH}, first: BDH}]
    BD: [{unit: DWDM}]
    GX: [{through: BD, "on": {BDH: BDH}}]
    JF: [{unit: DWDM}, {through: BD, "on": {BDH: BDH}}]
"""
LEAD = """
  - {code: LSH, type: text, length: 28, required: true, role: serial}
  - {code: JGDM, type: text, length: 6, required: true, role: company_code}
  - {code: JGMC, type: text, length: 200, required: true, role: company_name}
"""
# table -> (number, level, submitted, items); in load order DW 1-3, CP 4-5, KH 6-9, BD 10-13, GX 14-18, JF 19-22.
TABLES = {
    "DW": (1, 0, True, "{code: DWDM, type: text, length: 10, required: true, key: true}", "{code: MC, type: text, length: 60}", "{code: QH, type: text, length: 6}",
           "{code: CJ, type: text, length: 2}"),
    "CP": (2, 0, True, "{code: CPDM, type: text, length: 10, required: true, key: true}"),
    "KH": (3, 1, True, "{code: KHH, type: text, length: 10, required: true, key: true}", "{code: XM, type: text, length: 64, required: true, privacy: name}"),
    "BD": (4, 2, True, "{code: BDH, type: text, length: 10, required: true, key: true}", "{code: DWDM, type: text, length: 10}",
           "{code: BF, type: decimal, length: 18, scale: 2, required: true}", "{code: TBR, type: text, length: 64, privacy: name}"),
    "GX": (5, 3, True, "{code: KHH, type: text, length: 10, required: true, key: true}", "{code: BDH, type: text, length: 10, required: true, key: true}"),
    "JF": (6, 3, True, "{code: BDH, type: text, length: 10, required: true, key: true}", "{code: XH, type: integer, length: 10, required: true, key: true}",
           "{code: JE, type: decimal, length: 18, scale: 2, required: true}", "{code: DWDM, type: text, length: 10}"),
    "ZJ": (7, 3, False, "{code: DWDM, type: text, length: 10, required: true, key: true, refs: {table: DW, item: DWDM}}", "{code: JE, type: decimal, length: 18, scale: 2}"),
}
UNITS = [("H", "总公司", "110000", "01"), ("S1", "上海分公司", "310000", "02"), ("S2", "深圳分公司", "440300", "02")]
PRODUCTS = [("A",), ("B",)]
CUSTOMERS = [("C1", "张三"), ("C2", "李四"), ("C3", "𠮷田"), ("C4", "王五")]
POLICIES = [("P1", "S1", "1000.00", "张三"), ("P2", "S2", "250.50", "𠮷田"), ("P3", "S2", "99.90", "李四"), ("P4", "H", "10.00", "王五")]
# C1 has a policy in Shanghai and one in Shenzhen: P1 is the first by number.
LINKS = [("C1", "P2"), ("C1", "P1"), ("C2", "P3"), ("C3", "P2"), ("C4", "P4")]
# The payment P3|1 names no unit: it goes where its policy is.
PAYMENTS = [("P1", 1, "1000.00", "S1"), ("P2", 1, "250.50", "S2"), ("P2", 2, "250.50", "S2"), ("P3", 1, "99.90", None)]
TOTALS = [("S1", "1000.00"), ("S2", "350.40"), ("H", "10.00")]
DATA = {"DW": UNITS, "CP": PRODUCTS, "KH": CUSTOMERS, "BD": POLICIES, "GX": LINKS, "JF": PAYMENTS, "ZJ": TOTALS}
# Sequence numbers of the lines of each jurisdiction, by hand from the above.
EXPECTED = {
    "110000": {"DW": [1], "CP": [4, 5], "KH": [9], "BD": [13], "GX": [18], "JF": []},
    "310000": {"DW": [2], "CP": [], "KH": [6], "BD": [10], "GX": [14], "JF": [19]},
    "440300": {"DW": [3], "CP": [], "KH": [7, 8], "BD": [11, 12], "GX": [15, 16, 17], "JF": [20, 21, 22]},
}


def _columns(code: str) -> list[tuple[str, str]]:
    """(item, type) of the items that come from the core system."""
    found = []
    for item in TABLES[code][3:]:
        words = dict(part.split(": ", 1) for part in str(item).strip("{}").split(", ") if ": " in part)
        found.append((words["code"], words["type"]))
    return found


def write_packs(root: Path) -> Path:
    standard, source, rules = root / "mappings/standards/prov", root / "mappings/sources/core", root / "validation_rules/prov"
    for folder in (standard / "tables", standard / "codes", source / "prov", rules / "local"):
        folder.mkdir(parents=True)
    (standard / "standard.yaml").write_text(STANDARD, encoding="utf-8")
    head = "code,name,name_en,valid_from,valid_to,provenance\n"
    (standard / "codes/index.yaml").write_text("tables:\n  COMPANY: {name: {zh: 机构, en: Company}, provenance: E, source: test}\n", encoding="utf-8")
    (standard / "codes/COMPANY.csv").write_text(head + "000123,小保险公司,,,,E\n", encoding="utf-8")
    tables = []
    for code, (number, level, submitted, *items) in TABLES.items():
        lead = LEAD.strip("\n") if submitted else ""
        text = f"table: {code}\nnumber: {number}\nlevel: {level}\nname: {code}\ncapture: full\nsubmitted: {str(submitted).lower()}\nitems:\n{lead}\n"
        (standard / f"tables/{code}.yaml").write_text(text + "".join(f"  - {item}\n" for item in items), encoding="utf-8")
        columns = "".join(f"\n      - {{name: {name}, type: {kind}{', length: 64' if kind == 'text' else ', precision: 16, scale: 2' if kind == 'decimal' else ''}}}"
                          for name, kind in _columns(code))
        keys = [name for name, _ in _columns(code)][: 2 if code in ("GX", "JF") else 1]
        tables.append(f"  - table: {code}\n    name: {code}\n    key: [{', '.join(keys)}]\n    columns:{columns}\n")
        mapped = "".join(f"      {name}: t.{name}\n" for name, _ in _columns(code))
        (source / f"prov/{code}.yaml").write_text(f"standard: prov\ntable: {code}\nbranches:\n  - from: core.{code} t\n    items:\n{mapped}", encoding="utf-8")
    (source / "source.yaml").write_text("system: core\nname: 核心\ntables:\n" + "".join(tables), encoding="utf-8")
    return root


def write_core(path: Path, **changed: list[tuple]) -> str:
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as connection:
        for code, rows in {**DATA, **changed}.items():
            kinds = {"text": "VARCHAR(64)", "integer": "INTEGER", "decimal": "DECIMAL(16,2)"}
            columns = _columns(code)
            connection.execute(f"CREATE TABLE {code} ({', '.join(f'{name} {kinds[kind]}' for name, kind in columns)})")
            connection.executemany(f"INSERT INTO {code} VALUES ({', '.join('?' * len(columns))})", rows)
    return f"sqlite:///{path}"


def make_workspace(folder: Path, **changed: list[tuple]) -> Workspace:
    """A workspace over the small insurer; `changed` replaces rows of its tables. Its packs lie in `folder`/packs."""
    packs = write_packs(folder / "packs")
    workspace = Workspace(folder / "ws", "000123", {"core": write_core(folder / "core.db", **changed)}, packs=(str(packs),))
    workspace.save()
    return workspace


def write_overlay(workspace: Workspace, jurisdiction: str, **files: str) -> None:
    """Files of a jurisdiction's overlay, by name without ending."""
    folder = Path(workspace.packs[0]) / "validation_rules/prov/local" / jurisdiction
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
