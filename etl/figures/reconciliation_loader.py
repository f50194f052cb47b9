"""Load reconciliations.yaml of a standard; every item, figure and standard that it names must exist."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from etl.errors import EastboundError, raise_problems
from etl.expressions import Expression
from etl.figures.definition import DIMENSIONS, FigureSet
from etl.figures.loader import ROW_KEYS, RowReader
from etl.figures.reconciliation import KINDS, FigureTerm, Reconciliation, SheetMap, Term, Tolerance
from etl.packs.roots import PackRoots
from etl.packs.shape import Shape, hint
from etl.packs.yamlfile import read_yaml
from etl.standard.definition import Standard
from etl.standard.loader import load_standard

FILE = "reconciliations.yaml"
KEYS = {"id", "kind", "name", "definition", "basis", "tolerance", "left", "right", "by", "sheets", "rules", "note"}
TERM_KEYS = (ROW_KEYS - {"by", "runs", "note"}) | {"standard", "run", "key", "amount"}
SHEET_KEYS = {"sheet", "factor", "cells", "header_row", "first_row", "member", "by", "columns", "skip"}


class NoReconciliations(EastboundError):
    zh = "标准 {standard} 没有核对；请编写 validation_rules/{standard}/reconciliations.yaml"
    en = "{standard} has no reconciliations; write validation_rules/{standard}/reconciliations.yaml"


def load_reconciliations(standard: Standard, figures: FigureSet, roots: PackRoots, others: PackRoots | None = None) -> list[Reconciliation]:
    """The reconciliations of a standard. `others` is where other standards are found. Raises NoReconciliations, PackFileBroken, Problems."""
    folder = roots.rules(standard.name)
    path = folder / FILE if folder else None
    if path is None or not path.is_file():
        raise NoReconciliations(standard=standard.name)
    return load_reconciliation_file(path, standard, figures, others or roots)


def load_reconciliation_file(path: Path, standard: Standard, figures: FigureSet, others: PackRoots) -> list[Reconciliation]:
    """Read one file (see `load_reconciliations`)."""
    errors: list[EastboundError] = []
    shape = Shape(read_yaml(path), errors)
    data = shape.root(("reconciliations", "note"))
    found: dict[str, Reconciliation] = {}
    reader = _Reader(shape, standard, figures, others)
    for index, raw in enumerate(shape.listing(data.get("reconciliations"), "reconciliations")):
        before = len(errors)
        one = reader.read(raw, "reconciliations", index)
        if len(errors) > before or one is None:
            continue
        if one.id in found:
            shape.fault("reconciliations", index, "id", zh=f"核对 {one.id} 重复", en=f"reconciliation {one.id} appears twice")
        found[one.id] = one
    raise_problems(errors)
    return list(found.values())


class _Reader:
    def __init__(self, shape: Shape, standard: Standard, figures: FigureSet, others: PackRoots) -> None:
        self.shape, self.standard, self.figures, self.others = shape, standard, figures, others
        self._standards: dict[str, Standard | None] = {}

    def read(self, raw: Any, *at: Any) -> Reconciliation | None:
        shape = self.shape
        data = shape.mapping(raw, *at)
        shape.keys(data, KEYS, *at)
        shape.texts(data.get("note"), *at, "note")
        name = shape.text(data.get("id"), *at, "id")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name, re.ASCII):
            shape.fault(*at, "id", zh="id 应由小写字母、数字、下划线组成，字母开头", en="an id is made of lower-case letters, digits and _, beginning with a letter")
        texts = {key: shape.texts(data.get(key), *at, key) for key in ("name", "definition")}
        for key, text in texts.items():
            if not (text.get("zh") and text.get("en")):
                shape.fault(*at, key, zh=f"{name}：{key} 需有 zh 与 en", en=f"{name}: {key} needs zh and en")
        kind = shape.one_of(data.get("kind"), KINDS, *at, "kind", default="rows")
        wanted = {"rows": {"left", "right"}, "figures": {"left", "right", "by"}, "workbook": {"sheets"}, "rules": {"rules"}}.get(kind or "", set())
        for key in ("left", "right", "by", "sheets", "rules"):
            if data.get(key) is not None and key not in wanted:
                shape.fault(*at, key, zh=f"{kind} 类核对不能有 {key}", en=f"a reconciliation of {kind} takes no {key}")
            if data.get(key) is None and key in wanted and key != "by":
                shape.fault(*at, zh=f"{name}：缺少 {key}", en=f"{name}: {key} is missing")
        found = Reconciliation(name, kind or "rows", texts["name"], texts["definition"], shape.text(data.get("basis"), *at, "basis"),
                               self.tolerance(data.get("tolerance"), *at, "tolerance"), path=str(shape.document.path), line=shape.document.line(*at))
        if kind == "rows":
            left, right = (self.terms(data.get(side), *at, side) for side in ("left", "right"))
            self.same_keys(name, (*left, *right), *at)
            return replace(found, left=left, right=right)
        if kind == "figures":
            by = shape.one_of(data.get("by"), DIMENSIONS, *at, "by")
            return replace(found, figures=tuple(self.figure_term(data.get(side), by, *at, side) for side in ("left", "right")), by=by)
        if kind == "workbook":
            return replace(found, sheets=tuple(self.sheet(one, *at, "sheets", number) for number, one in enumerate(shape.listing(data.get("sheets"), *at, "sheets"))))
        chosen = shape.mapping(data.get("rules"), *at, "rules")
        shape.keys(chosen, ("family", "ids"), *at, "rules")
        return replace(found, family=shape.text(chosen.get("family"), *at, "rules", "family"), rules=shape.names(chosen.get("ids"), *at, "rules", "ids"))

    def tolerance(self, raw: Any, *at: Any) -> Tolerance:
        data = self.shape.mapping(raw, *at)
        self.shape.keys(data, ("absolute", "relative"), *at)
        return Tolerance(*(self.decimal(data.get(key), *at, key, default="0", least=0) for key in ("absolute", "relative")))

    def decimal(self, raw: Any, *at: Any, default: str, least: float) -> Decimal:
        if raw is None:
            return Decimal(default)
        if isinstance(raw, bool) or not isinstance(raw, (int, float)) or not least <= raw < float("inf"):
            self.shape.fault(*at, zh=f"应为不小于 {least} 的数", en=f"should be a number from {least} on")
            return Decimal(default)
        return Decimal(str(raw))

    def other(self, name: str, *at: Any) -> Standard | None:
        if name not in self._standards:
            try:
                self._standards[name] = load_standard(name, self.others)
            except EastboundError as error:
                self._standards[name] = None
                self.shape.fault(*at, zh=error.sentence("zh"), en=error.sentence("en"))
        return self._standards[name]

    def terms(self, raw: Any, *at: Any) -> tuple[Term, ...]:
        """One term, or a list of them whose rows are taken together."""
        if isinstance(raw, list):
            found = [self.term(one, *at, number) for number, one in enumerate(raw)]
        else:
            found = [self.term(raw, *at)] if raw is not None else []
        return tuple(term for term in found if term)

    def term(self, raw: Any, *at: Any) -> Term | None:
        data = self.shape.mapping(raw, *at)
        name = self.shape.text(data.get("standard"), *at, "standard") or None
        standard = self.other(name, *at, "standard") if name else self.standard
        run = self.shape.one_of(data.get("run"), ("current", "previous"), *at, "run", default="current")
        if standard is None:
            return None
        reader = RowReader(self.shape, standard)
        self.shape.keys(data, TERM_KEYS, *at)
        rows = reader.read("", {key: value for key, value in data.items() if key != "date"}, *at, known=TERM_KEYS)
        if rows is None:
            return None
        scope = reader.scope(rows)
        date = reader.parse(data.get("date"), scope, *at, "date", expect="date")
        key = self.shape.names(data.get("key"), *at, "key")
        if not key:
            self.shape.fault(*at, "key", zh="key 为空：写明以哪些数据项对应两侧的行", en="key is empty: name the items by which rows of both sides correspond")
        for item in key:
            reader.item(item, scope, *at, "key")
        amount: Expression | None = reader.parse(data.get("amount"), scope, *at, "amount", expect="number")
        if name and data.get("date") is None:
            self.shape.fault(*at, "date", zh="与另一标准核对时应有 date，以便只比较同样的日子", en="against another standard a date is needed, so that the same days are compared")
        return Term(replace(rows, runs=("other" if name else run or "current",)), key, amount, name, date)

    def same_keys(self, name: str, terms: tuple[Term, ...], *at: Any) -> None:
        if len({len(term.key) for term in terms}) > 1:
            self.shape.fault(*at, zh=f"{name}：两侧 key 的个数不同", en=f"{name}: the keys of the sides differ in number")
        if len({term.standard for term in terms if term.standard}) > 1:
            self.shape.fault(*at, zh=f"{name}：只能与一个标准核对", en=f"{name}: only one other standard can be looked at")

    def figure(self, raw: Any, by: str | None, *at: Any) -> str:
        name = self.shape.text(raw, *at)
        if name not in self.figures.figures:
            zh, en = hint(name, self.figures.figures)
            self.shape.fault(*at, zh=f"没有指标 {name}{zh}", en=f"there is no figure {name}{en}")
        elif by and by not in self.figures.dimensions(name):
            self.shape.fault(*at, zh=f"指标 {name} 不能按 {by} 拆分", en=f"figure {name} cannot be split by {by}")
        return name

    def figure_term(self, raw: Any, by: str | None, *at: Any) -> FigureTerm:
        data = self.shape.mapping(raw, *at)
        self.shape.keys(data, ("figure", "run"), *at)
        run = self.shape.one_of(data.get("run"), ("current", "previous"), *at, "run", default="current")
        return FigureTerm(self.figure(data.get("figure"), by, *at, "figure"), run or "current")

    def sheet(self, raw: Any, *at: Any) -> SheetMap:
        shape = self.shape
        data = shape.mapping(raw, *at)
        shape.keys(data, SHEET_KEYS, *at)
        by = shape.one_of(data.get("by"), DIMENSIONS, *at, "by") or ""
        cells = {}
        for cell, figure in shape.mapping(data.get("cells"), *at, "cells").items():
            if not re.fullmatch(r"[A-Z]{1,3}[1-9][0-9]*", str(cell)):
                shape.fault(*at, "cells", cell, zh=f"{cell} 不是单元格，应写作 C5", en=f"{cell} is no cell; write it as C5")
            cells[str(cell)] = self.figure(figure, None, *at, "cells", cell)
        columns = {str(head): self.figure(figure, by, *at, "columns", head) for head, figure in shape.mapping(data.get("columns"), *at, "columns").items()}
        header, first = (shape.number(data.get(key), *at, key) for key in ("header_row", "first_row"))
        member = shape.text(data.get("member"), *at, "member")
        if columns and not (header and by and member):
            shape.fault(*at, zh="有 columns 时需有 header_row、by 与 member（该维度所在列的表头）", en="columns need header_row, by and member (the header of the column with the members)")
        if not (cells or columns):
            shape.fault(*at, zh="应有 cells 或 columns", en="give cells or columns")
        sheet = shape.text(data.get("sheet"), *at, "sheet")
        if not sheet:
            shape.fault(*at, "sheet", zh="缺少 sheet", en="sheet is missing")
        factor = self.decimal(data.get("factor"), *at, "factor", default="1", least=0)
        return SheetMap(sheet, factor, cells, header, first or header + 1, member, by, columns, shape.names(data.get("skip"), *at, "skip"))
