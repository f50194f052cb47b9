"""The faults that a dirty policy may carry: items and the SQL of what they become, over the clean row `p`.

Every rule of the race is broken by at least one of them.
"""

from __future__ import annotations

FAULTS: tuple[dict[str, str], ...] = (
    # Codes that are in no table, or not with one another.
    {"BDZT": "'在途'"}, {"HBDM": "'999'"}, {"XSQD": "'99'"}, {"JFJG": "'周交'"}, {"JFFS": "'支票'"}, {"TBRZJLX": "'000'"},
    {"BBRZJLX": "'000'"}, {"BBRZJLX": "'910'"}, {"TBRXB": "'男'"}, {"BBRXB": "'F'"}, {"TBRGX": "'朋友'"}, {"ZZYY": "'不明'"},
    {"JGXQDM": "'999999'"}, {"YHMC": "'某银行'"}, {"TTBDH": "'G2024000018'", "TBRGX": "'本人'", "TBRZJLX": "'111'"},
    {"TTBDH": "'000000'", "TBRZJLX": "'910'"}, {"XSQD": "'30'", "JFJG": "'月交'"}, {"HBDM": "'840'", "XSQD": "'40'"},
    {"CPBM": "'X' || substr(p.CPBM, 2)"},
    # Patterns.
    {"GRBDH": "replace(p.GRBDH, 'P20', 'Q20')"}, {"GRBDH": "p.GRBDH || '9'"}, {"TTBDH": "'0'"}, {"GLJGDM": "lower(p.GLJGDM)"},
    {"CPBM": "substr(p.CPBM, 1, 5) || '-2'"}, {"TBRZJLX": "'111'", "TBRXM": "p.TBRXM || ' Li'"}, {"BBRXM": "p.BBRXM || 'Ｂ'"},
    {"TBRXM": "substr(p.TBRXM, 1, 1) || '先生'"}, {"TBRSJH": "'128' || substr(p.TBRSJH, 4)"}, {"TBRSJH": "'13888888888'"},
    {"TBRDZYX": "'user' || p.i || '@example'"}, {"TBRDZ": "p.TBRDZ || chr(9)"}, {"TBRDZ": "replace(p.TBRDZ, '号', '')"},
    {"TBRYB": "'20000'"}, {"YHZH": "'6222-0200-' || p.i"}, {"TBRZJLX": "'414'", "TBRZJHM": "'E1234'"},
    # Numbers that check themselves, and what they say of a person.
    {"TBRZJHM": "substr(p.TBRZJHM, 1, 17) || CASE WHEN p.TBRZJHM LIKE '%0' THEN '1' ELSE '0' END"},
    {"BBRZJHM": "substr(p.BBRZJHM, 1, 17) || CASE WHEN p.BBRZJHM LIKE '%0' THEN '1' ELSE '0' END"},
    {"TBRZJHM": "substr(p.TBRZJHM, 1, 15)"}, {"BBRZJHM": "lower(replace(p.BBRZJHM, '1', 'l'))"},
    {"BBRZJLX": "'111'", "BBRZJHM": "substr(p.BBRZJHM, 1, 10) || '1331' || substr(p.BBRZJHM, 15)"},
    {"TBRCSRQ": "p.TBRCSRQ + 1"}, {"BBRCSRQ": "p.BBRCSRQ - 1"}, {"TBRXB": "CASE p.TBRXB WHEN '男性' THEN '女性' ELSE '男性' END"},
    {"BBRXB": "CASE p.BBRXB WHEN '男性' THEN '女性' ELSE '男性' END"}, {"TBRZJHM": "'998877' || substr(p.TBRZJHM, 7)"},
    {"BBRZJHM": "'998877' || substr(p.BBRZJHM, 7)"}, {"TBRZJLX": "'910'", "TBRZJHM": "'91310000MA1K35A12O'"},
    {"TBRDWDM": "'91310115MA1000000A'"},
    # Bounds.
    {"BF": "0"}, {"BE": "-1"}, {"LJBF": "-1"}, {"JFQS": "1201"}, {"JFNX": "-1"}, {"BE": "600000000"}, {"BF": "60000000"},
    {"TBSQRQ": "DATE '1989-12-31'"}, {"QDRQ": "DATE '2027-01-05'"}, {"SXRQ": "DATE '2028-01-01'"}, {"MQRQ": "DATE '2150-01-01'"},
    {"TBRCSRQ": "DATE '1890-01-01'"}, {"TBRCSRQ": "DATE '2027-06-01'"}, {"BBRCSRQ": "DATE '1890-01-01'"}, {"ZZRQ": "DATE '2027-03-01'"},
    {"TBRCSRQ": "p.TBSQRQ - 3000"}, {"BBRCSRQ": "p.SXRQ + 800"}, {"TBRXM": "repeat(p.TBRXM, 25)"}, {"JFJG": "'月交'", "BF": "2000000"},
    # What should be there and is not.
    {"BDZT": "'终止'", "ZZRQ": "NULL"}, {"BDZT": "'终止'", "ZZYY": "NULL"}, {"JFFS": "'银行转账'", "YHZH": "NULL"},
    {"JFFS": "'银行转账'", "YHMC": "NULL"}, {"TBRXB": "NULL"}, {"TBRCSRQ": "NULL"}, {"TBRSJH": "NULL"}, {"XSQD": "'70'", "TBRDZYX": "NULL"},
    {"TBRDZ": "NULL", "TBRZJLX": "'111'"}, {"TBRYB": "NULL"}, {"TBRZJHM": "NULL"}, {"BBRZJHM": "NULL"}, {"JFJG": "'年交'", "JZRQ": "NULL"},
    {"BDZT": "'有效'", "MQRQ": "NULL"}, {"BBRZJLX": "'111'", "BBRCSRQ": "NULL"},
    # Items that do not agree.
    {"TBSQRQ": "p.QDRQ + 1"}, {"QDRQ": "p.SXRQ + 1"}, {"MQRQ": "p.SXRQ"}, {"BDZT": "'终止'", "ZZRQ": "p.SXRQ - 1"},
    {"MQRQ": "DATE '2026-09-01'", "ZZRQ": "DATE '2026-10-01'"}, {"BDZT": "'有效'", "MQRQ": "DATE '2026-10-31'"},
    {"BDZT": "'有效'", "ZZRQ": "DATE '2026-10-01'"}, {"BDZT": "'中止'", "ZZYY": "'退保'"},
    {"JFJG": "'趸交'", "JZRQ": "DATE '2026-11-01'", "JFQS": "2", "JFNX": "1"}, {"JFJG": "'年交'", "JFNX": "0"},
    {"JFJG": "'月交'", "JFQS": "p.JFNX * 12 + 1"}, {"LJBF": "p.LJBF + 1"}, {"BE": "p.BF - 1"},
    {"TBRGX": "'本人'", "BBRZJHM": "p.BBRZJHM || '1'", "BBRXM": "p.BBRXM || '儿'"}, {"TBRGX": "'子女'", "BBRCSRQ": "p.TBRCSRQ + 1000"},
    {"GLJGDM": "CASE WHEN p.GLJGDM LIKE '65%' THEN '31' ELSE '65' END || substr(p.GLJGDM, 3)"},
)
