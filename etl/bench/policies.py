"""Policies for the race: one Parquet file, the same for the same seed, made by the engine as a stream.

Clean rows break no rule of the race. A row with a fault carries one of `FAULTS`, which breaks one rule or a few.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from etl.bench.definition import PERIOD_END, Course
from etl.bench.faults import FAULTS
from etl.engines.local import Engine, literal, quote
from etl.engines.types import sql_type

SEED = 20261031
_END = f"DATE '{PERIOD_END.isoformat()}'"
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁沈任"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红梅建国志文辉力鹏宇浩然子轩梓涵欣怡佳琪思远嘉诚雨桐晨曦"
_STREETS = ("中山", "人民", "解放", "建设", "和平", "长江", "黄河", "滨海", "东风", "文化", "新华", "胜利", "青年", "友谊", "光明", "迎宾")
_DISTRICTS = ("东岸市临港区", "东岸市旧城区", "东岸市河西区", "望海市北山区", "望海市南湾县", "云丘市新区", "云丘市古渡县", "长堤市江口区")
_MOBILE_HEADS = ("130", "132", "135", "137", "138", "139", "150", "151", "158", "159", "166", "177", "180", "186", "188", "189", "198")
_BANKS = ("中国工商银行", "中国农业银行", "中国银行", "中国建设银行", "交通银行", "招商银行", "中国邮政储蓄银行")


def make_policies(engine: Engine, course: Course, path: Path, rows: int, dirty: float, seed: int = SEED) -> int:
    """Write `rows` policies to `path`, a share of `dirty` (0..1) of them with a fault; returns the number of rows."""
    areas = sorted({value.code for value in course.standard.codes["XZQH"].values})
    return engine.write_parquet(policies_sql(course, rows, dirty, seed, areas), path)


def fingerprint(course: Course) -> str:
    """Changes when the way policies are made does: eight characters for a file's name."""
    areas = sorted({value.code for value in course.standard.codes["XZQH"].values})
    return hashlib.sha256(policies_sql(course, 1, 1, SEED, areas).encode()).hexdigest()[:8]


def policies_sql(course: Course, rows: int, dirty: float, seed: int, areas: list[str]) -> str:
    """The query that makes the policies, ordered by `_row` from 1."""
    items = ",\n  ".join(_item_sql(item.code, sql_type(item)) for item in course.table.mapped_items)
    return f"""SELECT i AS _row, {items},
  'life_admin' AS _src_system, 'LCCont' AS _src_table, p.GRBDH AS _src_key, i AS _src_row, 'race' AS _batch, CAST([] AS VARCHAR[]) AS _unmapped
FROM ({_policies(_lives(_draws(rows, dirty, seed, areas)))}) AS p"""


def _item_sql(item: str, kind: str) -> str:
    cases = " ".join(f"WHEN {number} THEN {fault[item]}" for number, fault in enumerate(FAULTS, 1) if item in fault)
    value = f"CASE p._fault {cases} ELSE p.{item} END" if cases else f"p.{item}"
    return f"CAST({value} AS {kind}) AS {quote(item)}"


def _draws(rows: int, dirty: float, seed: int, areas: list[str]) -> str:
    """What chance alone decides: the fault, the persons, the kind of contract, the application."""
    salts = iter(range(1, 1000))

    def draw(bound: int | str) -> str:
        return f"CAST(hash(i, {next(salts)}, {seed}) % {bound} AS BIGINT)"

    def pick(values: str | tuple[str, ...] | list[str]) -> str:
        return f"[{', '.join(literal(v) for v in values)}][1 + {draw(len(values))}]"

    def person(suffix: str) -> str:
        name = f"{pick(_SURNAMES)} || {pick(_GIVEN)} || CASE WHEN {draw(4)} > 0 THEN {pick(_GIVEN)} ELSE '' END"
        return (f"{name} AS name{suffix}, {pick(areas)} AS area{suffix}, {draw(2)} AS sex{suffix}, {draw(499)} AS order{suffix}, "
                f"{draw(100)} AS paper{suffix}, {draw(90_000_000)} AS passport{suffix}")

    tail = draw(100_000_000)
    return f"""
  SELECT i, CASE WHEN {draw(1_000_000)} < {round(dirty * 1_000_000)} THEN 1 + {draw(len(FAULTS))} ELSE 0 END AS _fault,
    {person('1')}, {person('2')},
    DATE '1948-01-01' + CAST({draw(19000)} AS INTEGER) AS birth1, {draw(100_000)} AS birth_draw,
    {draw(100)} < 5 AS grouped, {draw(100)} < 45 AS self, {draw(3)} AS kin,
    ['10', '10', '20', '20', '20', '20', '30', '30', '30', '40', '50', '60', '70', '70'][1 + {draw(14)}] AS channel,
    {draw(100)} AS currency_draw, {draw(100)} AS frequency_draw, [3, 5, 10, 15, 20, 30][1 + {draw(6)}] AS pay_years,
    [0, 0, 0, 1, 5, 10, 20, 30, 50][1 + {draw(9)}] AS cover_years, {draw(100_000)} AS apply_draw,
    CAST({draw(8)} AS INTEGER) AS sign_wait, CAST(1 + {draw(3)} AS INTEGER) AS effect_wait, {draw(100)} AS fate,
    {draw(100_000)} AS end_draw, ['退保', '退保', '理赔终止', '协议解除'][1 + {draw(4)}] AS end_reason,
    {pick(areas)} AS unit_area, {draw(8)} AS unit_number, {draw(300)} AS product_draw, {draw(10)} AS wording,
    {pick(_MOBILE_HEADS)} AS mobile_head, {tail} + CASE WHEN {tail} % 11111111 = 0 OR {tail} = 12345678 THEN 37 ELSE 0 END AS mobile_tail,
    {draw(100)} AS mail_draw, {pick(('example.com', 'example.org', 'mail.example.net'))} AS mail_domain,
    {pick(_DISTRICTS)} || {pick(_STREETS)} || '路' || (1 + {draw(900)}) || '号' || (1 + {draw(30)}) || '栋' || (101 + {draw(2900)}) || '室' AS address,
    {draw(900_000)} + 100000 AS postcode, {draw(100)} < 5 AS employed, {draw(10_000_000)} AS employer, {draw(10_000_000)} AS organisation,
    {draw(100)} AS way_draw, {draw(10 ** 15)} AS account, {pick(_BANKS)} AS bank,
    {draw(995_000)} + 5000 AS premium_cents, 20 + {draw(480)} AS sum_factor
  FROM range(1, {rows + 1}) AS n(i)"""


def _lives(draws: str) -> str:
    """What follows from the draws: the course of the contract, and who is insured."""
    return f"""
  SELECT *, CASE WHEN self AND NOT grouped THEN birth1 WHEN grouped THEN DATE '1965-01-01' + CAST(birth_draw % 13000 AS INTEGER)
      WHEN kin = 0 THEN birth1 - 1500 + CAST(birth_draw % 3000 AS INTEGER)
      WHEN kin = 1 THEN birth1 + 5856 + CAST(birth_draw % (effective - birth1 - 5856) AS INTEGER)
      ELSE birth1 - 6588 - CAST(birth_draw % 2000 AS INTEGER) END AS birth2,
    CASE WHEN expiry <= {_END} THEN '终止' WHEN fate < 82 THEN '有效' WHEN fate < 88 THEN '中止' ELSE '终止' END AS status,
    CASE frequency WHEN '月交' THEN 12 WHEN '季交' THEN 4 WHEN '半年交' THEN 2 ELSE 1 END AS per_year
  FROM (
    SELECT *, CASE WHEN cover_years = 0 THEN DATE '9999-12-31' ELSE CAST(effective + to_years(cover_years) AS DATE) - 1 END AS expiry,
      CASE WHEN channel = '30' THEN CASE WHEN frequency_draw < 50 THEN '趸交' ELSE '年交' END
        WHEN frequency_draw < 10 THEN '趸交' WHEN frequency_draw < 55 THEN '月交' WHEN frequency_draw < 60 THEN '季交'
        WHEN frequency_draw < 63 THEN '半年交' ELSE '年交' END AS frequency
    FROM (
      SELECT *, applied + sign_wait AS signed, applied + sign_wait + effect_wait AS effective
      FROM (SELECT *, adult + CAST(apply_draw % (DATE '2026-10-20' - adult) AS INTEGER) AS applied
            FROM (SELECT *, greatest(DATE '2005-01-01', birth1 + 6588) AS adult FROM ({draws})))))"""


def _policies(lives: str) -> str:
    """The clean items."""
    first_id, second_id = _id_number("area1", "birth1", "order1", "sex1"), _id_number("area2", "birth2", "order2", "sex2")
    return f"""
  SELECT i, _fault,
    'P20' || lpad(CAST(year(signed) % 100 AS VARCHAR), 2, '0') || lpad(CAST(i AS VARCHAR), 10, '0') AS GRBDH,
    CASE WHEN grouped THEN 'G20' || lpad(CAST(organisation % 100000 AS VARCHAR), 8, '0') ELSE '000000' END AS TTBDH,
    unit_area || 'B0' || (1 + unit_number) AS GLJGDM, unit_area AS JGXQDM, channel AS XSQD,
    chr(CAST(65 + product_draw % 4 AS INTEGER)) || (1000 + product_draw) || CASE WHEN wording < 3 THEN '-0' || (1 + wording) ELSE '' END AS CPBM,
    status AS BDZT, CASE WHEN currency_draw < 3 AND channel IN ('10', '20') THEN ['840', '344', '978'][1 + currency_draw] ELSE '156' END AS HBDM,
    frequency AS JFJG, CASE WHEN way_draw < 70 THEN '银行转账' WHEN way_draw < 88 THEN '第三方支付' WHEN way_draw < 96 THEN '银行卡' ELSE '现金' END AS JFFS,
    CASE WHEN grouped THEN substr(address, 1, 3) || name1 || '实业有限公司' ELSE name1 END AS TBRXM,
    CASE WHEN grouped THEN '910' ELSE {_paper('paper1')} END AS TBRZJLX,
    CASE WHEN grouped THEN {_credit_code('area1', 'organisation')} ELSE {_document('paper1', first_id, 'passport1')} END AS TBRZJHM,
    CASE WHEN NOT grouped THEN {_sex('sex1')} END AS TBRXB, CASE WHEN NOT grouped THEN birth1 END AS TBRCSRQ,
    CASE WHEN NOT grouped THEN mobile_head || lpad(CAST(mobile_tail AS VARCHAR), 8, '0') END AS TBRSJH,
    CASE WHEN channel = '70' OR mail_draw < 25 THEN 'user' || (i * 7919 % 100000007) || '@' || mail_domain END AS TBRDZYX,
    address AS TBRDZ, CAST(postcode AS VARCHAR) AS TBRYB, CASE WHEN employed AND NOT grouped THEN {_credit_code('area2', 'employer')} END AS TBRDWDM,
    CASE WHEN self AND NOT grouped THEN name1 ELSE name2 END AS BBRXM,
    CASE WHEN self AND NOT grouped THEN {_paper('paper1')} ELSE {_paper('paper2')} END AS BBRZJLX,
    CASE WHEN self AND NOT grouped THEN {_document('paper1', first_id, 'passport1')} ELSE {_document('paper2', second_id, 'passport2')} END AS BBRZJHM,
    CASE WHEN self AND NOT grouped THEN {_sex('sex1')} ELSE {_sex('sex2')} END AS BBRXB, birth2 AS BBRCSRQ,
    CASE WHEN grouped THEN '雇佣' WHEN self THEN '本人' ELSE ['配偶', '子女', '父母'][1 + kin] END AS TBRGX,
    applied AS TBSQRQ, signed AS QDRQ, effective AS SXRQ, expiry AS MQRQ,
    CASE WHEN expiry <= {_END} THEN expiry WHEN status = '终止' THEN effective + CAST(end_draw % ({_END} - effective + 1) AS INTEGER) END AS ZZRQ,
    CASE WHEN expiry <= {_END} THEN '满期' WHEN status = '终止' THEN end_reason END AS ZZYY,
    CASE WHEN frequency = '趸交' THEN DATE '9999-12-31' ELSE CAST(effective + to_months(CAST(instalments * (12 // per_year) AS INTEGER)) AS DATE) END AS JZRQ,
    premium AS BF, premium * sum_factor AS BE, premium * instalments AS LJBF, instalments AS JFQS,
    CASE WHEN frequency = '趸交' THEN 0 ELSE pay_years END AS JFNX,
    CASE WHEN way_draw < 70 OR way_draw BETWEEN 88 AND 95 THEN '6222' || lpad(CAST(account AS VARCHAR), 15, '0') END AS YHZH,
    CASE WHEN way_draw < 70 OR way_draw BETWEEN 88 AND 95 THEN bank END AS YHMC
  FROM (
    SELECT *, CAST(CAST(premium_cents AS DECIMAL(16,0)) * 0.01 AS DECIMAL(16,2)) AS premium,
      CASE WHEN frequency = '趸交' THEN 1
        ELSE greatest(1, least(pay_years * per_year, date_diff('month', effective, {_END}) * per_year // 12 + 1)) END AS instalments
    FROM ({lives}))"""


def _paper(draw: str) -> str:
    return f"CASE WHEN {draw} < 93 THEN '111' WHEN {draw} < 97 THEN '414' ELSE '990' END"


def _sex(draw: str) -> str:
    return f"CASE WHEN {draw} = 0 THEN '男性' ELSE '女性' END"


def _document(draw: str, id_number: str, passport: str) -> str:
    return (f"CASE WHEN {draw} < 93 THEN {id_number} WHEN {draw} < 97 THEN 'E' || (10000000 + {passport}) "
            f"ELSE 'H' || lpad(CAST({passport} AS VARCHAR), 9, '0') END")


def _id_number(area: str, birth: str, order: str, sex: str) -> str:
    """GB 11643: men have an odd order, women an even one."""
    body = f"(CAST({area} AS BIGINT) * 100000000000 + (year({birth}) * 10000 + month({birth}) * 100 + day({birth})) * 1000 + {order} * 2 + 1 + {sex})"
    total = " + ".join(f"{body} // {10 ** (16 - place)} % 10 * {weight}" for place, weight in enumerate(_ID_WEIGHTS))
    return f"({body} || substr('10X98765432', CAST(({total}) % 11 + 1 AS INTEGER), 1))"


def _credit_code(area: str, number: str) -> str:
    """GB 32100: a company (91) of `area` whose organisation code is MA and seven digits."""
    parts = [f"{_USCC_ALPHABET.index(c) * _USCC_WEIGHTS[place]}" for place, c in ((0, "9"), (1, "1"), (8, "M"), (9, "A"))]
    parts += [f"CAST({area} AS BIGINT) // {10 ** (5 - k)} % 10 * {_USCC_WEIGHTS[2 + k]}" for k in range(6)]
    parts += [f"{number} // {10 ** (6 - k)} % 10 * {_USCC_WEIGHTS[10 + k]}" for k in range(7)]
    check = f"substr('{_USCC_ALPHABET}', CAST((31 - ({' + '.join(parts)}) % 31) % 31 + 1 AS INTEGER), 1)"
    return f"('91' || {area} || 'MA' || lpad(CAST({number} AS VARCHAR), 7, '0') || {check})"
