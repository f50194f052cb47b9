"""A pack that uses every key there is, for holding schemas and loaders against each other."""

from __future__ import annotations

from pathlib import Path

STANDARD, PLAIN = "mappings/standards/full_2026", "mappings/standards/plain_2026"
SOURCE, RULES = "mappings/sources/core", "validation_rules/full_2026"
CODE_HEAD = "code,name,name_en,valid_from,valid_to,provenance\n"
FILES = {
    f"{STANDARD}/standard.yaml": """\
standard: full_2026
prefix: FU26
name: {zh: 全键, en: All keys}
version: "2026"
family: full
regulator: {zh: 无, en: none}
basis: by hand
provenance: G
effective: {from: 2026-01-01, to: 2026-12-31}
frequency: monthly
deadline: {day: 15, days_after: 15, postpone: true}
on_error: hold_transactions
hold_key: [TN]
split_by: BDH
company_codes: GS
serial: {item: SN, pattern: "{company}{report_date:%Y%m%d}{sequence:06d}", length: 20}
transaction: {item: TN, pattern: "{company}{report_date:%Y%m%d}{sequence:06d}", length: 20}
format:
  kind: fixed
  encoding: gb18030
  line_end: "\\r\\n"
  "null": ""
  date: "%Y%m%d"
  length_unit: bytes
  file_name: "{table}-{part}-{period_end:%Y%m%d}.dat"
  folder: "{company}"
  align: {text: left, number: right}
  padding: {text: " ", number: "0"}
  sign: leading
  decimals: point
  header:
    - {text: H, width: 2, align: right, padding: " "}
    - {field: period_end, date: "%Y-%m"}
  trailer:
    - {field: rows, width: 6, sign: none}
    - {field: sum, item: {BD: BF}, width: 20, decimals: implied}
package: {kind: folder, batch_kind: INC}
open_ended: 9999-12-31
masking:
  name: {transform: hmac_sha256, bits: 128}
  id_number: {transform: hmac_sm3, bits: 128}
  phone: {transform: keep_ends, left: 3, right: 4, mask: "***"}
  account: {transform: constant, value: hidden}
  email: {transform: clear}
  address: {transform: clear}
note: {zh: 每个键, en: every key}
""",
    f"{STANDARD}/tables/BD.yaml": """\
table: BD
number: 1
name: {zh: 保单, en: Policies}
subject: {zh: 保单, en: Policies}
level: 1
capture: full
provenance: G
submitted: true
effective: {from: 2026-01-01, to: null}
note: {zh: 备注, en: a note}
reserved:
  - {position: 41, width: 2, note: blank}
items:
  - {code: SN, name: {zh: 流水号, en: Serial}, type: text, length: 20, role: serial, position: 1}
  - {code: TN, name: {zh: 交易号, en: Transaction}, type: text, length: 20, role: transaction, position: 21}
  - {code: BDH, name: {zh: 保单号, en: Policy}, type: text, length: 20, required: true, key: true, position: 43, width: 20, align: left,
     padding: " ", "null": "", provenance: G, length_provenance: G, note: {zh: 备注, en: a note}}
  - {code: ZT, name: {zh: 状态, en: State}, type: text, length: 10, codes: ZT, send: text, allow: [未知], default: 未知, position: 63}
  - {code: XM, name: {zh: 姓名, en: Name}, type: text, length: 40, privacy: name, privacy_when: "ZT = '有效'", position: 73}
  - {code: SJ, name: {zh: 上级, en: Parent}, type: text, length: 20, position: 113, refs: {table: BD, item: BDH, except: ["0"], when: "ZT = '有效'"}}
  - {code: BF, name: {zh: 保费, en: Premium}, type: decimal, length: 16, scale: 2, position: 133, sign: leading, decimals: implied,
     effective: {from: 2026-01-01}}
""",
    f"{STANDARD}/codes/index.yaml": """\
tables:
  GS: {name: {zh: 公司, en: Companies}, provenance: G, source: by hand, note: a note}
  ZT: {name: {zh: 状态, en: States}}
note: {zh: 代码表, en: code tables}
""",
    f"{STANDARD}/codes/GS.csv": CODE_HEAD + "000001,某公司,,,,G\n",
    f"{STANDARD}/codes/ZT.csv": CODE_HEAD + "1,有效,,,,G\n",
    f"{PLAIN}/standard.yaml": """\
standard: plain_2026
prefix: PL26
name: 纯文本
version: "2026"
frequency: daily
serial: null
format: {kind: delimited, encoding: utf-8, separator: "|", line_end: "\\n", header: true, "null": "", date: "%Y-%m-%d", length_unit: characters,
         file_name: "{table}.txt", folder: "{company}"}
jurisdictions:
  folder: "{company}{jurisdiction}"
  directory: {table: B, unit: M, area: O, head: {item: P, value: "1"}}
  basis: {zh: 手工, en: by hand}
  note: {zh: 备注, en: a note}
  tables:
    A: head
    B: [{item: O, provenance: G, note: {zh: 备注, en: a note}}, {unit: M}, {through: C, "on": {M: M}, first: K}]
    C: [{unit: M}]
""",
    f"{PLAIN}/tables/A.yaml": "table: A\nname: 表\nitems:\n  - {code: K, type: date, key: true}\n",
    f"{PLAIN}/tables/B.yaml": """\
table: B
name: 表二
items:
  - {code: K, type: date, key: true, required: true}
  - {code: M, type: text, length: 10, codes: M}
  - {code: N, type: decimal, length: 10, scale: 2}
  - {code: O, type: text, length: 6}
  - {code: P, type: text, length: 6}
""",
    f"{PLAIN}/tables/C.yaml": "table: C\nname: 表三\nitems:\n  - {code: K, type: date, key: true}\n  - {code: M, type: text, length: 10}\n",
    f"{PLAIN}/codes/index.yaml": "tables:\n  M: {name: {zh: 机构, en: Branches}}\n",
    f"{PLAIN}/codes/M.csv": CODE_HEAD + "1,某机构,,,,G\n",
    "validation_rules/plain_2026/figures.yaml": """\
note: {zh: 备注, en: a note}
dimensions:
  branch: {name: {zh: 机构, en: Branch}, table: B, key: M, text: M}
  channel: {name: {zh: 渠道, en: Channel}, codes: M}
  product: {name: {zh: 产品, en: Product}}
rows:
  money:
    from: B
    joins: {A: {"on": {K: K}, where: K IS NOT NULL}}
    date: K
    where: N > 0
    once_per: [K]
    by: {branch: M, channel: M, product: M}
    runs: [previous, current]
    note: {zh: 备注, en: a note}
figures:
  - {id: premium, name: {zh: 保费, en: Premium}, definition: {zh: 保费之和, en: Sum of premiums}, unit: yuan, period: flow, basis: by hand (G),
     rows: money, value: sum(N), where: "M = '1'", group: money, note: {zh: 备注, en: a note}}
  - {id: share, name: {zh: 占比, en: Share}, definition: {zh: 占比, en: Share}, unit: percent, period: closing, formula: premium * 100 / premium}
""",
    "validation_rules/plain_2026/reconciliations.yaml": """\
note: {zh: 备注, en: a note}
reconciliations:
  - id: lines
    kind: rows
    name: {zh: 行, en: Rows}
    definition: {zh: 逐行, en: Row by row}
    basis: by hand (G)
    tolerance: {absolute: 0.01, relative: 0.5}
    left: {from: B, run: previous, joins: {A: {"on": {K: K}, where: K IS NOT NULL}}, date: K, where: N > 0, once_per: [K], key: [M], amount: N}
    right:
      - {standard: plain_2026, from: A, date: K, key: [K]}
    note: {zh: 备注, en: a note}
  - id: members
    kind: figures
    name: {zh: 指标, en: Figures}
    definition: {zh: 指标, en: Figures}
    left: {figure: premium, run: previous}
    right: {figure: premium}
    by: branch
  - id: summary
    kind: workbook
    name: {zh: 汇总表, en: Summary}
    definition: {zh: 汇总表, en: Summary}
    sheets:
      - {sheet: 汇总, factor: 10000, cells: {C4: premium}, header_row: 3, first_row: 4, member: 机构, by: branch, columns: {保费: premium}, skip: [合计]}
  - id: outcomes
    kind: rules
    name: {zh: 规则, en: Rules}
    definition: {zh: 规则, en: Rules}
    rules: {family: reconciliation, ids: [PL26-A-K-RC-01]}
""",
    f"{SOURCE}/source.yaml": """\
system: core
name: {zh: 核心, en: Core}
department: 运营部
schema: public
note: a note
tables:
  - table: Pol
    name: {zh: 保单, en: Policies}
    department: 契约部
    note: a note
    key: [No]
    required_rows: true
    watermark: Prem
    overlap_days: 2
    columns:
      - {name: No, type: text, length: 20, nullable: false, note: a note}
      - {name: Parent, type: text}
      - {name: Prem, type: decimal, precision: 16, scale: 2}
""",
    f"{SOURCE}/full_2026/BD.yaml": """\
standard: full_2026
table: BD
note: {zh: 备注, en: a note}
branches:
  - from: core.Pol p
    where: p.Prem > 0
    note: {zh: 备注, en: a note}
    joins:
      - {left: core.Pol q, on: q.No = p.Parent, where: q.Prem > 0}
      - {aggregate: core.Pol r, on: r.Parent = p.No, values: {n: count(*)}}
    items:
      TN: {constant: "1", why: {zh: 固定, en: fixed}}
      BDH: p.No
      ZT: {default: true, why: {zh: 未保存, en: not kept}}
      XM: p.No
      SJ: q.No
      BF: p.Prem
""",
    f"{SOURCE}/plain_2026/A.yaml": "standard: plain_2026\ntable: A\nabsent: {zh: 没有, en: not kept}\n",
    f"{RULES}/BD.yaml": """\
table: BD
changed: 2026-01-01
note: {zh: 备注, en: a note}
rules:
  - id: FU26-BD-BF-CI-01
    official_id: "1"
    family: cross_item
    when: BDH IS NOT NULL
    expect: BF >= 0
    expected: "'0'"
    severity: error
    message: {zh: 保费不得为负, en: A premium is not negative}
    requires: [FU26-BD-UNQ]
    department: 精算部
    basis: by hand (G)
    effective: {from: 2026-01-01, to: null}
    changed: 2026-02-01
    examples: {pass: [{BDH: a, BF: 0}], fail: [{BDH: a, BF: -0.01}]}
    note: {zh: 备注, en: a note}
  - id: FU26-BD-SJ-RL-01
    family: relation
    relation: {to: BD, on: {SJ: BDH}, to_where: BF > 0, aggregate: {n: count(*)}}
    expect: n = 1
    severity: warning
    message: {zh: 上级保单不唯一, en: Not one parent}
    examples: {pass: [{BD: [{BDH: a, SJ: a, BF: 1}]}], fail: [{BD: [{BDH: a, SJ: b, BF: 1}]}]}
  - id: FU26-BD-BDH-UQ-01
    family: uniqueness
    unique: {items: [BDH]}
    severity: error
    message: {zh: 重复, en: Twice}
    examples: {pass: [{BD: [{BDH: a}]}], fail: [{BD: [{BDH: a}, {BDH: a}]}]}
  - id: FU26-BD-BF-RC-01
    family: reconciliation
    reconcile:
      left: {table: BD, value: sum(BF), by: [BDH], where: BF > 0}
      right: {table: BD, value: sum(BF), by: [BDH], where: BF > 1}
      tolerance: 0.01
    severity: error
    message: {zh: 不等, en: Not equal}
    examples: {pass: [{BD: [{BDH: a, BF: 2}]}], fail: [{BD: [{BDH: a, BF: 1}]}]}
""",
    f"{RULES}/local/310000/format.yaml": """\
encoding: gbk
file_name: "{jurisdiction}-{table}-{part}.dat"
folder: "{company}{jurisdiction}"
report_folder: "EAST/{jurisdiction}"
basis: by hand (G)
provenance: G
changed: 2026-03-01
note: {zh: 备注, en: a note}
""",
    f"{RULES}/local/310000/BD.yaml": """\
table: BD
changed: 2026-03-01
rules:
  - id: FU26-BD-ZT-CR-31000001
    family: conditional_required
    expect: ZT IS NOT NULL
    severity: error
    message: {zh: 状态必填, en: A state is required}
    examples: {pass: [{BDH: a, ZT: 有效}], fail: [{BDH: a}]}
tighten:
  - id: FU26-BD-SJ-RL-01
    severity: error
    expect: SJ IS NOT NULL
    message: {zh: 上级保单应唯一, en: One parent is wanted}
    basis: by hand (G)
    changed: 2026-03-02
    examples: {pass: [{BD: [{BDH: a, SJ: a, BF: 1}]}], fail: [{BD: [{BDH: a, SJ: c, BF: 1}]}]}
    note: {zh: 备注, en: a note}
  - id: FU26-BD-BF-RC-01
    tolerance: 0
    basis: by hand (G)
    examples: {pass: [{BD: [{BDH: a, BF: 2}]}], fail: [{BD: [{BDH: a, BF: 0.01}]}]}
silence:
  - id: FU26-BD-BF-CI-01
    reason: {zh: 不适用, en: does not apply}
    basis: by hand (G)
    changed: 2026-03-03
    note: {zh: 备注, en: a note}
note: {zh: 备注, en: a note}
""",
    f"{RULES}/profiles.yaml": """\
standard: full_2026
history: 6
note: {zh: 备注, en: a note}
expectations:
  - {id: FU26-BD-PF-01, table: BD, measure: rows, against: previous, down: 0.1, up: 0.2, least_rows: 10, severity: warning,
     message: {zh: 行数变动过大, en: Too large a change of rows}, basis: by hand (G), note: {zh: 备注, en: a note}}
  - {id: FU26-BD-PF-02, table: BD, measure: null_share, item: SJ, history: 3, fall: 0.1, rise: 0.2, severity: warning,
     message: {zh: 空值变动过大, en: Too large a change of nulls}}
  - {id: FU26-BD-PF-03, table: BD, measure: mean, item: BF, at_least: -1, at_most: 100.5, severity: error, message: {zh: 均值不合常理, en: The mean makes no sense}}
  - {id: FU26-BD-PF-04, table: BD, measure: drift, item: ZT, at_most: 0.25, severity: warning, message: {zh: 分布偏移, en: The states moved}}
""",
    "columns/tables.yaml": """\
kind: tables
sheets: [表]
first_sheet: 0
title_row: 1
header_row: 2
first_row: 3
columns: {number: 1, code: B, name: 名称, name_en: 4, key: 5, required: 6, type: 7, note: 8, codes: 9, provenance: 10, length_provenance: 11}
optional: [note]
marks: {key: {yes: [Y], no: [N]}, required: {yes: [N], no: [Y]}}
roles: {LSH: serial}
keys: {BD: [BDH]}
list:
  kind: list
  sheets: [清单]
  first_sheet: 0
  header_row: 1
  first_row: 2
  columns: {number: 1, code: 2, name: 3, subject: 4, capture: 5, provenance: 6}
  optional: [number]
  note: a note
codes:
  kind: codes
  sheets: [代码]
  first_sheet: 0
  title_row: 1
  header_row: 1
  first_row: 2
  table: title
  fill_down: [table]
  columns: {table: 1, table_name: 2, code: 3, name: 4, name_en: 5, valid_from: 6, valid_to: 7, provenance: 8}
  optional: [name_en]
  note: a note
note: {zh: 备注, en: a note}
""",
    "columns/codes.yaml": """\
kind: codes
sheets: [代码]
first_sheet: 0
title_row: 1
header_row: 1
first_row: 2
table: sheet
fill_down: [code]
columns: {table: 1, table_name: 2, code: 3, name: 4, name_en: 5, valid_from: 6, valid_to: 7, provenance: 8}
optional: [name_en]
note: a note
""",
    "columns/rules.yaml": """\
kind: rules
sheets: [规则]
first_sheet: 0
header_row: 1
first_row: 2
columns: {id: 1, official_id: 2, table: 3, item: 4, family: 5, severity: 6, when: 7, expect: 8, expected: 9, message_zh: 10, message_en: 11, basis: 12,
          effective_from: 13, effective_to: 14, pass: 15, fail: 16, note: 17}
optional: [note]
values: {severity: {强制: error}}
constants: {basis: by hand}
fill_down: [table]
note: a note
""",
    "workspace.yaml": """\
company: "000001"
systems: {core: "sqlite:///core.db"}
ledger: sqlite:///ledger.db
packs: [packs]
approvers: [li, 王经理]
capture_base: sealed
openlineage: {transport: {type: http, url: "https://lineage.example", endpoint: api/v1/lineage, timeout: 2, verify: true, auth: {type: api_key, apiKey: "${KEY}"},
                          compression: gzip, custom_headers: {X-From: eastbound}, ssl_context: {}}}
""",
    "elsewhere/workspace.yaml": """\
company: "000123"
openlineage: {transport: {type: file, log_file_path: lineage/events.jsonl, append: false}}
""",
}


def write(root: Path) -> Path:
    """Write the pack below `root`; returns `root`."""
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root
