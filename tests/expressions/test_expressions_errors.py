"""What people read when an expression is wrong, in both languages; and what the language does not let in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.expressions import ExpressionBroken, Scope, parse_expression

COLUMNS = {"BDZT": "text", "GRBDH": "text", "BF": "number", "BDSXRQ": "date", "JZSJ": "timestamp"}
SCOPE = Scope(COLUMNS, frozenset({"XB", "BDZT"}))
SUMS = Scope(COLUMNS, aggregates=True)
MAPPING = Scope({"c.State": "text"}, conversions=True, code_maps=lambda name: name == "cont_state")


@pytest.mark.parametrize(("text", "zh", "en"), [
    ("BDZZT = '有效'", "没有数据项或列 BDZZT，是否指 BDZT？", "there is no item or column BDZZT; did you mean BDZT?"),
    ("bdzt = '有效'", "是否指 BDZT？", "did you mean BDZT?"),
    ("QQQQ = 1", "没有数据项或列 QQQQ", "there is no item or column QQQQ"),
    ("lenght(BDZT) > 3", "没有函数 lenght，是否指 length？", "there is no function lenght; did you mean length?"),
    ("is_idcard(GRBDH)", "没有函数 is_idcard，是否指 is_id_card？", "there is no function is_idcard; did you mean is_id_card?"),
    ("BDZT = 1", "不能比较文本（BDZT）与数值（1）", "cannot compare text (BDZT) with number (1)"),
    ("BF IN (1, '2')", "不能比较数值（BF）与文本（'2'）", "cannot compare number (BF) with text ('2')"),
    ("BF BETWEEN 0 AND '9'", "不能比较数值（BF）与文本（'9'）", "cannot compare number (BF) with text ('9')"),
    ("BDSXRQ > '2024-01-01'", "不能比较日期（BDSXRQ）与文本（'2024-01-01'）", "cannot compare date (BDSXRQ) with text ('2024-01-01')"),
    ("BDZT = NULL", "与 NULL 比较永不成立，请用 IS NULL", "comparing with NULL is never true; use IS NULL"),
    ("BDZT <> NULL", "与 NULL 比较永不成立", "comparing with NULL is never true"),
    ("BDZT IN ('有效', NULL)", "与 NULL 比较永不成立", "comparing with NULL is never true"),
    ("BDSXRQ > DATE '2024-02-30'", "DATE '2024-02-30' 不是有效日期", "DATE '2024-02-30' is not a date"),
    ("BDSXRQ > DATE '20240131'", "应写作 DATE '2024-01-31'", "write DATE '2024-01-31'"),
    ("BDSXRQ > DATE '2024-W05-3'", "应写作 DATE '2024-01-31'", "write DATE '2024-01-31'"),
    ("BDZT = ", "语法错误", "syntax error"),
    ("(BDZT = 'x'", "语法错误", "syntax error"),
    ("BDZT = '有效", "语法错误", "syntax error"),
    ("", "语法错误", "syntax error"),
    ("BDZT", "结果应为真假值，实为文本", "should give bool, gives text"),
    ("BF + BDZT > 1", "BDZT 应为数值，实为文本", "BDZT should be number, is text"),
    ("length(BF) > 1", "BF 应为文本，实为数值", "BF should be text, is number"),
    ("BDZT IS TRUE", "BDZT 应为真假值，实为文本", "BDZT should be bool, is text"),
    ("BF AND TRUE", "BF 应为真假值，实为数值", "BF should be bool, is number"),
    ("CASE WHEN BF > 0 THEN 1 ELSE 'x' END = 1", "CASE 的分支类型不一致：数值 与 文本", "the branches of CASE differ: number and text"),
    ("coalesce(BDZT, BF) = 'x'", "coalesce 的参数类型不一致：文本、数值", "the arguments of coalesce differ: text, number"),
    ("substr(BDZT) = 'x'", "substr 的参数个数不对", "substr takes 3 argument(s), not 1"),
    ("regexp_matches(BDZT, 'x', 'i')", "参数个数不对", "regexp_matches takes 2 argument(s), not 3"),
    ("trim(BDZT, 'x') = 'y'", "参数个数不对", "trim takes 1 argument(s), not 2"),
    ("trim(LEADING FROM BDZT) = 'y'", "参数个数不对", "trim takes 1 argument(s), not 2"),
    ("rpad(BDZT, 3, '0') = 'y'", "没有函数 rpad", "there is no function rpad"),
    ("in_codes(XXB, BDZT)", "没有代码表 XXB，是否指 XB？", "there is no code table XXB; did you mean XB?"),
    ("in_codes('XB', BDZT)", "in_codes 应写作 in_codes(代码表, 值)", "in_codes is written in_codes(CODETABLE, value)"),
    ("in_codes(XB, BF)", "BF 应为文本，实为数值", "BF should be text, is number"),
    ("BDZT IN (SELECT 1)", "IN 之后应是值列表", "IN takes a list of values"),
    ("sum(BF) > 1", "没有函数 sum", "there is no function sum"),
    ("CAST(BDZT AS DATE) > BDSXRQ", "只允许 DATE '2024-01-31' 形式的转换", "the only casts are DATE '2024-01-31' and timestamp to date"),
    ("BF::VARCHAR = '1'", "转文本用 to_text", "for text use to_text"),
    ("parse_date(BDZT, '%Y') > BDSXRQ", "没有函数 parse_date", "there is no function parse_date"),
    ("BDZT ILIKE 'x'", "不允许 ILike", "ILike is not part of the language"),
    ("BF BETWEEN SYMMETRIC 2 AND 1", "不允许 BETWEEN SYMMETRIC", "BETWEEN SYMMETRIC is not part of the language"),
    ("current_date > BDSXRQ", "没有函数 current_date", "there is no function current_date"),
    ("BF > 1 --1", "含注释", "it holds a comment"),
    ("BF /* cents */ > 1", "含注释", "it holds a comment"),
    ("BDZT = 'x'; DROP TABLE t", "不允许", "not part of the language"),
])
def test_a_wrong_rule_is_explained(text, zh, en):
    with pytest.raises(ExpressionBroken) as caught:
        parse_expression(text, SCOPE, "bool")
    assert zh in caught.value.sentence("zh")
    assert en in caught.value.sentence("en")
    assert repr(text) in caught.value.sentence("zh") and repr(text) in caught.value.sentence("en")


@pytest.mark.parametrize(("text", "zh", "en"), [
    ("BF", "BF 应放在 sum、count、min、max 等汇总函数之内", "BF should be inside sum, count, min, max"),
    ("sum(BF) + BF", "BF 应放在", "BF should be inside"),
    ("sum(sum(BF))", "汇总函数不能嵌套：sum", "an aggregate inside an aggregate: sum"),
    ("sum(BDZT)", "BDZT 应为数值，实为文本", "BDZT should be number, is text"),
    ("count(DISTINCT BDZT)", "不允许 Distinct", "Distinct is not part of the language"),
    ("sum(BF) OVER ()", "不允许 Window", "Window is not part of the language"),
])
def test_a_wrong_aggregate_is_explained(text, zh, en):
    with pytest.raises(ExpressionBroken) as caught:
        parse_expression(text, SUMS)
    assert zh in caught.value.sentence("zh") and en in caught.value.sentence("en")


@pytest.mark.parametrize(("text", "zh", "en"), [
    ("code(cont_stat, c.State)", "没有代码对照表 cont_stat", "there is no code map cont_stat"),
    ("code('cont_state', c.State)", "code 应写作 code(对照表, 列)", "code is written code(map, column)"),
    ("code(cont_state)", "code 应写作", "code is written"),
    ("parse_date(c.State)", "parse_date 的参数个数不对", "parse_date takes 2 argument(s), not 1"),
])
def test_a_wrong_conversion_is_explained(text, zh, en):
    with pytest.raises(ExpressionBroken) as caught:
        parse_expression(text, MAPPING)
    assert zh in caught.value.sentence("zh") and en in caught.value.sentence("en")


def test_an_expression_tells_its_columns_and_code_tables():
    expression = parse_expression("BDZT = '终止' AND (in_texts(XB, GRBDH) OR BF > 0) AND BDZT <> GRBDH", SCOPE, "bool")
    assert (expression.family, expression.columns, expression.code_tables) == ("bool", ("BDZT", "GRBDH", "BF"), ("XB",))


def test_values_of_yaml_that_are_no_text_are_read_as_expressions():
    assert parse_expression(True, SCOPE).sql() == "TRUE"
    assert parse_expression(5, SCOPE).family == "number"


@pytest.mark.parametrize("text", ["(" * 12 + "BF > 0" + ")" * 12, " OR ".join(["BF = 1"] * 100), " + ".join(["BF"] * 100) + " > 0"])
def test_what_people_nest_is_read(text):
    assert parse_expression(text, SCOPE, "bool").columns == ("BF",)


@pytest.mark.parametrize("text", ["(" * 3000 + "BF > 0" + ")" * 3000, " OR ".join(["BF = 1"] * 3000), "NOT " * 3000 + "BF > 0"])
def test_what_nobody_nests_is_refused_not_crashed_on(text):
    with pytest.raises(ExpressionBroken, match="nested too deeply|syntax error"):
        parse_expression(text, SCOPE, "bool")


PIECES = st.sampled_from([
    "BDZT", "BF", "BDSXRQ", "GRBDH", "XB", "'x'", "1", "0.5", "NULL", "TRUE", "(", ")", ",", "=", "<>", "<", "+", "-", "*", "/", "%", "||", "AND",
    "OR", "NOT", "IN", "IS", "LIKE", "BETWEEN", "CASE", "WHEN", "THEN", "ELSE", "END", "DATE '2024-01-31'", "length", "substr", "coalesce", "sum",
    "in_codes", "SELECT", ";", "--", "/*", "::", "[", "]", "{", "}", "->", "?", ".", "'", '"', "@", "$1", "\x00", "　", "，", "“", "FROM", "CAST", "AS",
    "trim", "round", "lpad", "nullif", "date", "interval", "*",
])


@given(st.lists(PIECES, max_size=12).map(" ".join) | st.text(max_size=30))
def test_any_text_is_an_expression_or_a_readable_error(text):
    try:
        expression = parse_expression(text, SCOPE)
    except ExpressionBroken as error:
        assert error.sentence("zh") and error.sentence("en")
    else:
        assert set(expression.columns) <= set(COLUMNS)
        assert expression.sql()
