"""Load figures.yaml of a standard and hold every item, expression and formula against it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from etl.errors import EastboundError, raise_problems
from etl.expressions import Expression, ExpressionBroken, Scope, parse_expression
from etl.expressions.parse import FAMILIES, check_tree
from etl.expressions.syntax import call_of
from etl.figures.definition import AGGREGATES, DIMENSIONS, PERIODS, RUNS, UNITS, Figure, FigureSet, Join, Label, RowSet
from etl.packs.roots import PackRoots
from etl.packs.shape import Shape, hint
from etl.packs.yamlfile import read_yaml
from etl.standard.definition import Standard, Table

FILE = "figures.yaml"
ROW_KEYS = {"from", "joins", "date", "where", "once_per", "by", "runs", "note"}
JOIN_KEYS = {"on", "where"}
FIGURE_KEYS = {"id", "name", "definition", "unit", "period", "basis", "rows", "value", "where", "formula", "group", "note"}
LABEL_KEYS = {"name", "codes", "table", "key", "text"}


class NoFigures(EastboundError):
    zh = "标准 {standard} 没有指标；请编写 validation_rules/{standard}/figures.yaml"
    en = "{standard} has no figures; write validation_rules/{standard}/figures.yaml"


def load_figures(standard: Standard, roots: PackRoots | None = None) -> FigureSet:
    """The figures of a standard. Raises NoFigures, PackFileBroken, Problems."""
    folder = (roots or PackRoots.of()).rules(standard.name)
    path = folder / FILE if folder else None
    if path is None or not path.is_file():
        raise NoFigures(standard=standard.name)
    return load_figure_file(path, standard)


def load_figure_file(path: Path, standard: Standard) -> FigureSet:
    """Read one figures file (see `load_figures`)."""
    errors: list[EastboundError] = []
    shape = Shape(read_yaml(path), errors)
    data = shape.root(("dimensions", "rows", "figures", "note"))
    reader = RowReader(shape, standard)
    labels = {name: label for name, label in ((str(name), _label(shape, reader, standard, str(name), raw))
              for name, raw in shape.mapping(data.get("dimensions"), "dimensions").items()) if label}
    row_sets: dict[str, RowSet] = {}
    for name, raw in shape.mapping(data.get("rows"), "rows").items():
        found = reader.read(str(name), raw, "rows", name)
        if found:
            row_sets[str(name)] = found
    figures: dict[str, Figure] = {}
    for index, raw in enumerate(shape.listing(data.get("figures"), "figures")):
        figure = _figure(shape, reader, row_sets, index, raw)
        if figure is None:
            continue
        if figure.id in figures:
            shape.fault("figures", index, "id", zh=f"指标 {figure.id} 重复", en=f"figure {figure.id} appears twice")
        figures[figure.id] = figure
    raise_problems(errors)
    figures = _formulas(shape, figures)
    raise_problems(errors)
    return FigureSet(figures, row_sets, labels)


class RowReader:
    """Reads row sets and expressions over them; faults go to the shape."""

    def __init__(self, shape: Shape, standard: Standard) -> None:
        self.shape, self.standard = shape, standard

    def table(self, code: Any, *at: Any) -> Table | None:
        code = self.shape.text(code, *at)
        found = self.standard.tables.get(code)
        if found is None:
            zh, en = hint(code, self.standard.tables)
            self.shape.fault(*at, zh=f"标准 {self.standard.name} 没有表 {code}{zh}", en=f"standard {self.standard.name} has no table {code}{en}")
        return found

    def parse(self, text: Any, scope: Scope, *at: Any, expect: str | None = "bool") -> Expression | None:
        if text is None:
            return None
        if isinstance(text, (dict, list)):
            self.shape.fault(*at, zh="应是表达式", en="an expression is wanted here")
            return None
        try:
            return parse_expression(text, scope, expect)
        except ExpressionBroken as error:
            self.shape.fault(*at, zh=error.sentence("zh"), en=error.sentence("en"))
            return None

    def scope(self, row_set: RowSet, aggregates: bool = False) -> Scope:
        """The items an expression over the row set may name: its table's, and TABLE.ITEM of what is joined."""
        columns = {item.code: FAMILIES[item.type] for item in self.standard.tables[row_set.table].mapped_items}
        for join in row_set.joins:
            columns |= {f"{join.table}.{item.code}": FAMILIES[item.type] for item in self.standard.tables[join.table].mapped_items}
        return Scope(columns, frozenset(self.standard.codes), aggregates=aggregates)

    def item(self, text: Any, scope: Scope, *at: Any, family: str | None = None) -> str | None:
        """The name of one item in the scope."""
        name = self.shape.text(text, *at)
        if name not in scope.columns:
            zh, en = hint(name, scope.columns)
            self.shape.fault(*at, zh=f"没有数据项 {name}{zh}", en=f"there is no item {name}{en}")
            return None
        if family and scope.columns[name] != family:
            self.shape.fault(*at, zh=f"{name} 应为 {family} 类型", en=f"{name} should be a {family}")
            return None
        return name

    def read(self, name: str, raw: Any, *at: Any, known: set[str] = ROW_KEYS) -> RowSet | None:
        """One row set; None where it has faults."""
        before = len(self.shape.errors)
        data = self.shape.mapping(raw, *at)
        self.shape.keys(data, known, *at)
        self.shape.texts(data.get("note"), *at, "note")
        table = self.table(data.get("from"), *at, "from")
        if table is None:
            return None
        found = RowSet(name, table.code)
        for code, join in self.shape.mapping(data.get("joins"), *at, "joins").items():
            one = self.join(found, str(code), join, *at, "joins", code)
            if one:
                found = RowSet(name, table.code, (*found.joins, one))
        scope = self.scope(found)
        date = self.item(data["date"], scope, *at, "date", family="date") if data.get("date") is not None else None
        by: dict[str, str] = {}
        for dimension, item in self.shape.mapping(data.get("by"), *at, "by").items():
            if dimension not in DIMENSIONS:
                self.shape.fault(*at, "by", dimension, zh=f"维度应为 {'、'.join(DIMENSIONS)}", en=f"a dimension is one of {', '.join(DIMENSIONS)}")
                continue
            named = self.item(item, scope, *at, "by", dimension, family="text")
            if named and self._private(found, named):
                self.shape.fault(*at, "by", dimension, zh=f"{named} 是隐私数据项，不能作维度", en=f"{named} is private and cannot be a dimension")
            elif named:
                by[str(dimension)] = named
        once = self.shape.names(data.get("once_per"), *at, "once_per")
        once = tuple(one for one in once if self.item(one, scope, *at, "once_per"))
        runs = self.shape.names(data.get("runs"), *at, "runs") or ("current",)
        for run in runs:
            if run not in RUNS:
                self.shape.fault(*at, "runs", zh=f"runs 应为 {'、'.join(RUNS)}", en=f"runs takes {', '.join(RUNS)}")
        where = self.parse(data.get("where"), scope, *at, "where")
        dated = bool(date) and date in table.by_code and table.by_code[date].required
        return RowSet(name, table.code, found.joins, date, where, once, by, runs, dated) if len(self.shape.errors) == before else None

    def _private(self, row_set: RowSet, name: str) -> bool:
        table, _, item = name.rpartition(".")
        return self.standard.tables[table or row_set.table].by_code[item].privacy is not None

    def join(self, so_far: RowSet, code: str, raw: Any, *at: Any) -> Join | None:
        data = self.shape.mapping(raw, *at)
        self.shape.keys(data, JOIN_KEYS, *at)
        table = self.table(code, *at)
        if table is None:
            return None
        if code == so_far.table or code in {join.table for join in so_far.joins}:
            self.shape.fault(*at, zh=f"表 {code} 已在其中", en=f"table {code} is there already")
            return None
        own, other = self.scope(so_far), self.scope(RowSet("", code))
        on: dict[str, str] = {}
        for left, right in self.shape.mapping(data.get("on"), *at, "on").items():
            a, b = self.item(left, own, *at, "on", left), self.item(right, other, *at, "on", left)
            if a and b and own.columns[a] != other.columns[b]:
                self.shape.fault(*at, "on", left, zh=f"{a} 与 {b} 类型不同", en=f"{a} and {b} differ in type")
            if a and b:
                on[a] = b
        if not on:
            self.shape.fault(*at, zh="缺少 on（本表数据项: 对方数据项）", en="it has no on (own item: item of the other table)")
            return None
        return Join(code, on, self.parse(data.get("where"), other, *at, "where"))


def split_aggregate(text: str, scope: Scope, inner: Scope) -> tuple[str, Expression | None]:
    """('sum', what is summed) of `sum(...)`; None for count(*). Raises ExpressionBroken where it is not one aggregate alone."""
    whole = parse_expression(text, scope, None)
    name, arguments = call_of(whole.tree) or ("", [])
    if name not in AGGREGATES:
        raise ExpressionBroken(expression=text, problem_zh=f"应是一个汇总：{'、'.join(AGGREGATES)}；比率写作 formula",
                               problem_en=f"should be one aggregate ({', '.join(AGGREGATES)}); a ratio is a formula")
    from sqlglot import exp

    if isinstance(arguments[0], exp.Star):
        return name, None
    # What stands between the brackets, as it was written.
    written = " ".join(text[text.index("(") + 1:text.rindex(")")].split())
    value = check_tree(written, arguments[0], inner, None if name == "count" else "number")
    return name, value


def _figure(shape: Shape, reader: RowReader, row_sets: dict[str, RowSet], index: int, raw: Any) -> Figure | None:
    at = ("figures", index)
    data = shape.mapping(raw, *at)
    before = len(shape.errors)
    shape.keys(data, FIGURE_KEYS, *at)
    shape.texts(data.get("note"), *at, "note")
    name = shape.text(data.get("id"), *at, "id")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name, re.ASCII):
        shape.fault(*at, "id", zh="id 应由小写字母、数字、下划线组成，字母开头", en="an id is made of lower-case letters, digits and _, beginning with a letter")
    texts = {}
    for key in ("name", "definition"):
        texts[key] = shape.texts(data.get(key), *at, key)
        if not (texts[key].get("zh") and texts[key].get("en")):
            shape.fault(*at, key, zh=f"{name}：{key} 需有 zh 与 en", en=f"{name}: {key} needs zh and en")
    for key in ("unit", "period"):
        if data.get(key) is None:
            shape.fault(*at, key, zh=f"{name}：缺少 {key}", en=f"{name}: {key} is missing")
    unit, period = shape.one_of(data.get("unit"), tuple(UNITS), *at, "unit"), shape.one_of(data.get("period"), PERIODS, *at, "period")
    if (data.get("rows") is None) == (data.get("formula") is None):
        shape.fault(*at, zh=f"{name}：应有 rows 与 value，或 formula", en=f"{name}: give rows and value, or a formula")
        return None
    source, aggregate, value, where = None, "", None, None
    if data.get("rows") is not None:
        wanted = shape.text(data["rows"], *at, "rows")
        source = row_sets.get(wanted)
        if source is None:
            # A row set with faults of its own is reported where it stands.
            rows = shape.document.data.get("rows")
            if not isinstance(rows, dict) or wanted not in rows:
                zh, en = hint(wanted, row_sets)
                shape.fault(*at, "rows", zh=f"没有行集 {wanted}{zh}", en=f"there is no row set {wanted}{en}")
            return None
        if period == "flow" and source.date is None:
            shape.fault(*at, "period", zh=f"{name}：行集 {wanted} 没有 date，不能作本期发生额", en=f"{name}: row set {wanted} has no date, so it cannot be a flow")
        where = reader.parse(data.get("where"), reader.scope(source), *at, "where")
        aggregate, value = _aggregate(shape, reader, source, data.get("value"), *at, "value")
    else:
        for key in ("value", "where"):
            if data.get(key) is not None:
                shape.fault(*at, key, zh=f"{name}：formula 不能有 {key}", en=f"{name}: a formula takes no {key}")
    if len(shape.errors) > before:
        return None
    assert unit and period
    figure = Figure(name, texts["name"], texts["definition"], unit, period, shape.text(data.get("basis"), *at, "basis"), source, aggregate, value, where,  # type: ignore[arg-type]
                    None, shape.text(data.get("group"), *at, "group"), str(shape.document.path), shape.document.line(*at))
    return figure


def _aggregate(shape: Shape, reader: RowReader, source: RowSet, raw: Any, *at: Any) -> tuple[str, Expression | None]:
    if raw is None or isinstance(raw, (dict, list)):
        shape.fault(*at, zh="value 应是汇总表达式，如 sum(JE)", en="value should be an aggregate such as sum(JE)")
        return "", None
    try:
        return split_aggregate(str(raw), reader.scope(source, aggregates=True), reader.scope(source))
    except ExpressionBroken as error:
        shape.fault(*at, zh=error.sentence("zh"), en=error.sentence("en"))
        return "", None


def _formulas(shape: Shape, figures: dict[str, Figure]) -> dict[str, Figure]:
    """Formulas, parsed with all figures known; a figure that is made of itself is a fault."""
    from dataclasses import replace

    scope = Scope(dict.fromkeys(figures, "number"))
    places = {shape.text(raw["id"]): index for index, raw in enumerate(shape.document.data.get("figures") or []) if isinstance(raw, dict) and "id" in raw}
    found = dict(figures)
    for name, figure in figures.items():
        if figure.source:
            continue
        index = places[name]
        text = shape.document.data["figures"][index]["formula"]
        if isinstance(text, (dict, list)):
            shape.fault("figures", index, "formula", zh="应是表达式", en="an expression is wanted here")
            continue
        try:
            formula = parse_expression(text, scope, "number")
            if not formula.columns:
                raise ExpressionBroken(expression=str(text), problem_zh="没有用到任何指标", problem_en="it names no figure")
            found[name] = replace(figure, formula=formula)
        except ExpressionBroken as error:
            shape.fault("figures", index, "formula", zh=error.sentence("zh"), en=error.sentence("en"))
    for name, figure in found.items():
        if figure.formula and _reaches(found, name, name, set()):
            shape.fault("figures", places[name], "formula", zh=f"指标 {name} 由自身算出", en=f"figure {name} is made of itself")
    return found


def _reaches(figures: dict[str, Figure], start: str, target: str, seen: set[str]) -> bool:
    for part in figures[start].parts:
        if part == target:
            return True
        if part not in seen:
            seen.add(part)
            if _reaches(figures, part, target, seen):
                return True
    return False


def _label(shape: Shape, reader: RowReader, standard: Standard, name: str, raw: Any) -> Label | None:
    at = ("dimensions", name)
    data = shape.mapping(raw, *at)
    shape.keys(data, LABEL_KEYS, *at)
    if name not in DIMENSIONS:
        shape.fault(*at, zh=f"维度应为 {'、'.join(DIMENSIONS)}", en=f"a dimension is one of {', '.join(DIMENSIONS)}")
        return None
    texts = shape.texts(data.get("name"), *at, "name")
    if data.get("codes") is not None:
        codes = shape.text(data["codes"], *at, "codes")
        if codes not in standard.codes:
            zh, en = hint(codes, standard.codes)
            shape.fault(*at, "codes", zh=f"没有代码表 {codes}{zh}", en=f"there is no code table {codes}{en}")
        return Label(texts, codes=codes)
    if data.get("table") is None:
        return Label(texts)
    table = reader.table(data["table"], *at, "table")
    if table is None:
        return None
    scope = reader.scope(RowSet("", table.code))
    key, text = (reader.item(data.get(part), scope, *at, part, family="text") for part in ("key", "text"))
    return Label(texts, table=table.code, key=key, text=text) if key and text else None
