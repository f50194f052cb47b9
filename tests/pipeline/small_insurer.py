"""A small insurer for tests of the road: one core system with policies and payments, and a pack of two tables for it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from etl.workspace import Workspace

STANDARD = """
standard: tiny
prefix: TN
name: {zh: 小标准, en: Tiny standard}
version: "1"
frequency: monthly
on_error: %(on_error)s
hold_key: [BDH]
company_codes: COMPANY
format: {kind: delimited, encoding: %(encoding)s, separator: "\\x01", line_end: "\\n", "null": "", date: "%%Y-%%m-%%d",
         length_unit: bytes, file_name: "{company}-{table}-{period_end:%%Y%%m%%d}.txt", folder: "{company}-{period_end:%%Y%%m%%d}"}
masking:
  name: {transform: hmac_sha256, bits: 256}
"""
LEAD = """
  - {code: LSH, name: {zh: 流水号, en: Serial}, type: text, length: 28, required: true, role: serial, provenance: E}
  - {code: JGDM, name: {zh: 机构代码, en: Company}, type: text, length: 6, required: true, role: company_code, provenance: E}
  - {code: JGMC, name: {zh: 机构名称, en: Company name}, type: text, length: 200, required: true, role: company_name, provenance: E}
"""
POLICY = """
table: BD
number: 1
name: {zh: 保单, en: Policies}
level: 1
capture: full
items:@LEAD
  - {code: BDH, name: {zh: 保单号, en: Policy no}, type: text, length: 20, required: true, key: true, provenance: E}
  - {code: XM, name: {zh: 姓名, en: Name}, type: text, length: 64, required: true, privacy: name, provenance: E}
  - {code: ZT, name: {zh: 状态, en: State}, type: text, length: 20, required: true, codes: STATE, send: text, provenance: E}
  - {code: SXRQ, name: {zh: 生效日期, en: Effective}, type: date, length: 10, required: true, provenance: E}
  - {code: ZZRQ, name: {zh: 终止日期, en: Ended}, type: date, length: 10, provenance: E}
  - {code: BF, name: {zh: 保费, en: Premium}, type: decimal, length: 18, scale: 2, required: true, provenance: E}
  - {code: LJBF, name: {zh: 累计保费, en: Paid so far}, type: decimal, length: 18, scale: 2, provenance: E}
  - {code: BZ, name: {zh: 备注, en: Note}, type: text, length: 60, default: 未记录, provenance: E}
""".replace("@LEAD", LEAD)
PAYMENT = """
table: JF
number: 2
name: {zh: 交费, en: Payments}
level: 2
capture: incremental
items:@LEAD
  - {code: BDH, name: {zh: 保单号, en: Policy no}, type: text, length: 20, required: true, key: true, refs: {table: BD, item: BDH}, provenance: E}
  - {code: XH, name: {zh: 序号, en: Number}, type: integer, length: 10, required: true, key: true, provenance: E}
  - {code: JE, name: {zh: 金额, en: Amount}, type: decimal, length: 18, scale: 2, required: true, provenance: E}
  - {code: RQ, name: {zh: 日期, en: Day}, type: date, length: 10, required: true, provenance: E}
""".replace("@LEAD", LEAD)
SOURCE = """
system: core
name: {zh: 核心, en: Core}
tables:
  - table: Policy
    name: {zh: 保单, en: Policies}
    key: [PolNo]
    columns:
      - {name: PolNo, type: text, length: 20, nullable: false}
      - {name: Owner, type: text, length: 60}
      - {name: State, type: text, length: 2}
      - {name: ValidFrom, type: date}
      - {name: EndDate, type: date}
      - {name: Prem, type: decimal, precision: 16, scale: 2}
      - {name: Remark, type: text, length: 60}
  - table: Pay
    name: {zh: 交费, en: Payments}
    key: [PolNo, SeqNo]
    columns:
      - {name: PolNo, type: text, length: 20, nullable: false}
      - {name: SeqNo, type: integer, nullable: false}
      - {name: Amount, type: decimal, precision: 16, scale: 2}
      - {name: PaidOn, type: text, length: 10}
"""
MAP_POLICY = """
standard: tiny
table: BD
branches:
  - from: core.Policy p
    joins:
      - {aggregate: core.Pay y, on: y.PolNo = p.PolNo, values: {total: sum(y.Amount)}}
    items:
      BDH: p.PolNo
      XM: p.Owner
      ZT: code(state, p.State)
      SXRQ: p.ValidFrom
      ZZRQ: p.EndDate
      BF: p.Prem
      LJBF: y.total
      BZ: p.Remark
"""
MAP_PAYMENT = """
standard: tiny
table: JF
branches:
  - from: core.Pay y
    items:
      BDH: y.PolNo
      XH: y.SeqNo
      JE: y.Amount
      RQ: parse_date(y.PaidOn, '%Y/%m/%d')
"""
RULES = """
table: BD
rules:
  - id: TN-BD-ZZRQ-CR-01
    family: conditional_required
    when: ZT = '终止'
    expect: ZZRQ IS NOT NULL
    severity: error
    message: {zh: 终止保单须有终止日期, en: A terminated policy needs its end date}
    basis: test
    examples:
      pass: [{ZT: 终止, ZZRQ: 2026-01-01}]
      fail: [{ZT: 终止}]
  - id: TN-BD-BF-VR-01
    family: value_range
    expect: BF >= 10
    severity: warning
    message: {zh: 保费过小, en: The premium is small}
    basis: test
    examples:
      pass: [{BF: 10}]
      fail: [{BF: 9.99}]
"""
STATES = {"1": "有效", "4": "终止"}


def write_packs(root: Path, *, on_error: str = "block_package", encoding: str = "utf-8", file_format: str | None = None) -> Path:
    """A pack root with the standard `tiny`; returns it. `file_format` is the YAML of another block `format:`."""
    standard = root / "mappings/standards/tiny"
    source = root / "mappings/sources/core"
    for folder in (standard / "tables", standard / "codes", source / "tiny", source / "codes", root / "validation_rules/tiny"):
        folder.mkdir(parents=True)
    text = STANDARD % {"on_error": on_error, "encoding": encoding}
    if file_format is not None:
        before, _, after = text.partition("format: {")
        text = before + file_format.strip() + "\nmasking:" + after.partition("\nmasking:")[2]
    (standard / "standard.yaml").write_text(text, encoding="utf-8")
    (standard / "tables/BD.yaml").write_text(POLICY, encoding="utf-8")
    (standard / "tables/JF.yaml").write_text(PAYMENT, encoding="utf-8")
    (standard / "codes/index.yaml").write_text("tables:\n  STATE: {name: {zh: 状态, en: State}, provenance: E, source: test}\n"
                                               "  COMPANY: {name: {zh: 机构, en: Company}, provenance: E, source: test}\n", encoding="utf-8")
    head = "code,name,name_en,valid_from,valid_to,provenance\n"
    (standard / "codes/STATE.csv").write_text(head + "1,有效,,,,E\n2,终止,,,,E\n", encoding="utf-8")
    (standard / "codes/COMPANY.csv").write_text(head + "000123,小保险公司,,,,E\n", encoding="utf-8")
    (source / "source.yaml").write_text(SOURCE, encoding="utf-8")
    (source / "tiny/BD.yaml").write_text(MAP_POLICY, encoding="utf-8")
    (source / "tiny/JF.yaml").write_text(MAP_PAYMENT, encoding="utf-8")
    (source / "codes/state.csv").write_text("source,target,note\n" + "".join(f"{k},{v},\n" for k, v in STATES.items()), encoding="utf-8")
    (root / "validation_rules/tiny/BD.yaml").write_text(RULES, encoding="utf-8")
    return root


POLICIES = [
    ("P001", "张三", "1", "2026-01-05", None, "1000.00", "首单"),
    ("P002", "李四", "4", "2025-03-01", "2026-09-30", "250.50", None),
    ("P003", "𠮷田", "1", "2026-10-01", None, "99.90", "  两端有空白　"),
]
PAYMENTS = [("P001", 1, "1000.00", "2026/01/05"), ("P002", 1, "250.50", "2025/03/01"), ("P002", 2, "250.50", "2026/03/01"), ("P003", 1, "99.90", "2026/10/01")]


def write_core(path: Path, policies=POLICIES, payments=PAYMENTS) -> str:
    """A SQLite core system; returns its URL."""
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE Policy (PolNo VARCHAR(20), Owner VARCHAR(60), State VARCHAR(2), ValidFrom DATE, EndDate DATE, Prem DECIMAL(16,2), Remark VARCHAR(60))")
        connection.execute("CREATE TABLE Pay (PolNo VARCHAR(20), SeqNo INTEGER, Amount DECIMAL(16,2), PaidOn VARCHAR(10))")
        connection.executemany("INSERT INTO Policy VALUES (?,?,?,?,?,?,?)", policies)
        connection.executemany("INSERT INTO Pay VALUES (?,?,?,?)", payments)
    return f"sqlite:///{path}"


def make_workspace(folder: Path, *, policies=POLICIES, payments=PAYMENTS, on_error: str = "block_package", encoding: str = "utf-8") -> Workspace:
    """A workspace over the small insurer, with its pack folder in `folder`/packs."""
    packs = write_packs(folder / "packs", on_error=on_error, encoding=encoding)
    workspace = Workspace(folder / "ws", "000123", {"core": write_core(folder / "core.db", policies, payments)}, packs=(str(packs),))
    workspace.save()
    return workspace
