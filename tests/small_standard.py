"""A small standard on disk, for tests of packs, standards, rules, mappings and lineage: a pack root that loads as it is."""

from __future__ import annotations

from pathlib import Path

from etl.packs.roots import PackRoots
from etl.standard import Standard, load_standard

NAME = "small_2024"
FILES = {
    f"mappings/standards/{NAME}/standard.yaml": """\
standard: small_2024
prefix: SM24
name: {zh: 小标准, en: A small standard}
version: "2024"
frequency: monthly
effective: {from: 2024-01-01, to: null}
company_codes: GS
serial: {item: LSH, pattern: "{company}{sequence:010d}", length: 16}
format: {kind: delimited, encoding: utf-8, length_unit: bytes}
masking:
  name: {transform: hmac_sha256, bits: 256}
""",
    f"mappings/standards/{NAME}/tables/JG.yaml": """\
table: JG
number: 1
name: {zh: 机构表, en: Branches}
level: 1
items:
  - {code: LSH, name: {zh: 流水号}, type: text, length: 16, role: serial}
  - {code: JGDM, name: {zh: 机构代码}, type: text, length: 10, required: true, key: true}
  - {code: JGMC, name: {zh: 机构名称}, type: text, length: 12}
  - {code: SJDM, name: {zh: 上级机构}, type: text, length: 10, refs: {table: JG, item: JGDM, except: ["0"]}}
""",
    f"mappings/standards/{NAME}/tables/BD.yaml": """\
table: BD
number: 2
name: {zh: 保单表, en: Policies}
level: 2
items:
  - {code: LSH, name: {zh: 流水号}, type: text, length: 16, role: serial}
  - {code: BXJG, name: {zh: 公司}, type: text, length: 6, role: company_code}
  - {code: BDH, name: {zh: 保单号}, type: text, length: 20, required: true, key: true}
  - {code: JGDM, name: {zh: 机构代码}, type: text, length: 10, refs: {table: JG, item: JGDM, except: ["0", 无], when: BDZT <> '作废'}}
  - {code: KHMC, name: {zh: 客户名称}, type: text, length: 12, privacy: name, privacy_when: BDZT IS NOT NULL}
  - {code: BDZT, name: {zh: 保单状态}, type: text, length: 12, required: true, codes: ZT, send: text, allow: [作废], default: 未知}
  - {code: SXRQ, name: {zh: 生效日期}, type: date}
  - {code: ZZRQ, name: {zh: 终止日期}, type: date, default: 9999-12-31}
  - {code: BF, name: {zh: 保费}, type: decimal, length: 12, scale: 2}
  - {code: JFCS, name: {zh: 缴费次数}, type: integer, length: 4}
""",
    f"mappings/standards/{NAME}/tables/SF.yaml": """\
table: SF
number: 3
name: {zh: 收付表, en: Payments}
level: 3
capture: incremental
items:
  - {code: BDH, name: {zh: 保单号}, type: text, length: 20, key: true, refs: {table: BD, item: BDH}}
  - {code: XH, name: {zh: 序号}, type: integer, length: 6, key: true}
  - {code: JGDM, name: {zh: 机构代码}, type: text, length: 10}
  - {code: RQ, name: {zh: 日期}, type: date}
  - {code: JE, name: {zh: 金额}, type: decimal, length: 16, scale: 2}
""",
    f"mappings/standards/{NAME}/tables/ZZ.yaml": """\
table: ZZ
name: {zh: 总账, en: Ledger}
submitted: false
items:
  - {code: JGDM, name: {zh: 机构代码}, type: text, length: 10, key: true}
  - {code: KM, name: {zh: 科目}, type: text, length: 10, key: true}
  - {code: JE, name: {zh: 金额}, type: decimal, length: 16, scale: 2}
""",
    f"mappings/standards/{NAME}/codes/index.yaml": """\
tables:
  GS: {name: {zh: 公司}, provenance: G}
  ZT: {name: {zh: 保单状态, en: Policy state}, provenance: G, source: by hand}
""",
    f"mappings/standards/{NAME}/codes/GS.csv": "code,name,name_en,valid_from,valid_to,provenance\n000001,某人寿,,,,G\n",
    f"mappings/standards/{NAME}/codes/ZT.csv": """\
code,name,name_en,valid_from,valid_to,provenance
01,有效,in force,,,G
02,终止,ended,,,G
03,旧名,old,,2020-12-31,G
03,新名,new,2021-01-01,,G
""",
}


def write_pack(root: Path, files: dict[str, str] | None = None) -> Path:
    """Write the small standard (and `files`, which win) below `root`; returns `root`."""
    for name, text in {**FILES, **(files or {})}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def edit(root: Path, name: str, old: str, new: str) -> Path:
    """Replace `old`, which must be there once, in a file of the small standard (`tables/BD.yaml`) or of the pack root."""
    path = root / name
    if not path.exists():
        path = root / "mappings" / "standards" / NAME / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {name}"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def line_of(path: Path, text: str) -> int:
    """The number of the first line that holds `text`."""
    return next(number for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if text in line)


def load(root: Path) -> Standard:
    """The small standard below `root`."""
    return load_standard(NAME, PackRoots((root,)))
