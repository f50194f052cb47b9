"""Load what a pack expects of its tables' profiles: validation_rules/<standard>/profiles.yaml, held against the standard."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from etl.errors import EastboundError, raise_problems
from etl.packs.roots import PackRoots
from etl.packs.shape import Shape, hint
from etl.packs.yamlfile import read_yaml
from etl.profiles.definition import AGAINST, HISTORY, MEASURES, WHOLE, Expectation, ExpectationSet
from etl.standard.definition import DataItem, Standard, Table

FILE = "profiles.yaml"
FILE_KEYS = {"standard", "history", "expectations", "note"}
KEYS = {"id", "table", "measure", "item", "at_least", "at_most", "down", "up", "fall", "rise", "against", "history", "least_rows", "severity", "message",
        "basis", "note"}
FIXED, RELATIVE, POINTS = ("at_least", "at_most"), ("down", "up"), ("fall", "rise")
BOUNDS = {"count": (*FIXED, *RELATIVE), "amount": (*FIXED, *RELATIVE), "share": (*FIXED, *POINTS), "index": ("at_most",), "days": FIXED}


def load_expectations(standard: Standard, roots: PackRoots | None = None) -> ExpectationSet:
    """The expectations of a standard's pack, in file order; none without the file. Raises PackFileBroken, or Problems listing all faults."""
    folder = (roots or PackRoots.of()).rules(standard.name)
    path = folder / FILE if folder else None
    return load_expectation_file(path, standard) if path and path.is_file() else ExpectationSet(standard.name)


def expectations_within(standard: Standard, found: ExpectationSet) -> ExpectationSet:
    """Those that look at tables and items which `standard` has (on its day)."""
    kept = [e for e in found.expectations if e.table in standard.tables and (e.item == WHOLE or e.item in standard.tables[e.table].by_code)]
    return replace(found, expectations=tuple(kept))


def load_expectation_file(path: Path, standard: Standard) -> ExpectationSet:
    """Load one file (see `load_expectations`)."""
    errors: list[EastboundError] = []
    shape = Shape(read_yaml(path), errors)
    data = shape.root(FILE_KEYS)
    if shape.text(data.get("standard"), "standard") != standard.name:
        shape.fault("standard", zh=f"standard 应为 {standard.name}", en=f"standard should be {standard.name}")
    history = _periods(shape, data.get("history"), HISTORY, "history")
    found: dict[str, Expectation] = {}
    for index, raw in enumerate(shape.listing(data.get("expectations"), "expectations")):
        one = _Reader(shape, ("expectations", index), shape.mapping(raw, "expectations", index), standard, history).read()
        if one is None:
            continue
        if one.id in found:
            shape.fault("expectations", index, "id", zh=f"编号 {one.id} 重复，另见第 {found[one.id].line} 行", en=f"id {one.id} appears twice; see line {found[one.id].line}")
        found[one.id] = one
    raise_problems(errors)
    return ExpectationSet(standard.name, tuple(found.values()))


def _periods(shape: Shape, value: Any, default: int, *at: Any) -> int:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        shape.fault(*at, zh=f"history 应为不小于 1 的整数，不是 {value!r}", en=f"history should be a whole number from 1 on, not {value!r}")
        return default
    return default if value is None else value


class _Reader:
    """Reads one expectation; `at` is its place in the file."""

    def __init__(self, shape: Shape, at: tuple, raw: dict, standard: Standard, history: int) -> None:
        self.shape, self.at, self.raw, self.standard, self.history = shape, at, raw, standard, history
        self.id = shape.text(raw.get("id"), *at, "id")

    def fault(self, *at: Any, zh: str, en: str) -> None:
        self.shape.fault(*self.at, *at, zh=f"{self.id}：{zh}", en=f"{self.id}: {en}")

    def read(self) -> Expectation | None:
        raw, before = self.raw, len(self.shape.errors)
        self.shape.keys(raw, KEYS, *self.at)
        self.shape.texts(raw.get("note"), *self.at, "note")
        table = self.table()
        measure = self.shape.text(raw.get("measure"), *self.at, "measure")
        if measure not in MEASURES:
            zh, en = hint(measure, MEASURES)
            self.fault("measure", zh=f"未知度量 {measure}，应为 {'、'.join(MEASURES)}{zh}", en=f"measure {measure} is not one of {', '.join(MEASURES)}{en}")
        severity = self.shape.one_of(raw.get("severity"), ("error", "warning"), *self.at, "severity")
        if raw.get("severity") is None:
            self.fault("severity", zh="缺少 severity，应为 error 或 warning", en="severity is missing: error or warning")
        message = self.shape.texts(raw.get("message"), *self.at, "message")
        if not (message.get("zh") and message.get("en")):
            self.fault("message", zh="message 需有 zh 与 en", en="message needs zh and en")
        against = self.shape.one_of(raw.get("against"), AGAINST, *self.at, "against", default="median")
        history = _periods(self.shape, raw.get("history"), self.history, *self.at, "history")
        least_rows = self.shape.number(raw.get("least_rows"), *self.at, "least_rows")
        basis = self.shape.text(raw.get("basis"), *self.at, "basis")
        if table is None or measure not in MEASURES:
            return None
        item = self.item(table, measure)
        bounds = self.bounds(measure)
        if item is None or len(self.shape.errors) > before:
            return None
        return Expectation(self.id, table.code, measure, item, severity, message, basis, **bounds, against=against, history=history, least_rows=least_rows,  # type: ignore[arg-type]
                           path=str(self.shape.document.path), line=self.shape.document.line(*self.at))

    def table(self) -> Table | None:
        code = self.shape.text(self.raw.get("table"), *self.at, "table")
        table = self.standard.tables.get(code)
        if table is None:
            zh, en = hint(code, self.standard.tables)
            self.fault("table", zh=f"标准 {self.standard.name} 没有表 {code}{zh}", en=f"standard {self.standard.name} has no table {code}{en}")
        elif not re.fullmatch(rf"{re.escape(self.standard.prefix)}-{re.escape(code)}-PF-\d{{2,}}", self.id):
            wanted = f"{self.standard.prefix}-{code}-PF-<nn>"
            self.fault("id", zh=f"编号应形如 {wanted}", en=f"the id should read {wanted}")
        return table

    def item(self, table: Table, measure: str) -> str | None:
        """The item that is measured, `*` for the table as a whole; one that the measure does not suit is a fault."""
        code = self.shape.text(self.raw.get("item"), *self.at, "item")
        if not MEASURES[measure].of_item:
            if code:
                self.fault("item", zh=f"{measure} 针对整张表，不写 item", en=f"{measure} is of the whole table and takes no item")
            return WHOLE
        known = {item.code: item for item in table.mapped_items}
        if code not in known:
            zh, en = hint(code, known)
            self.fault("item", zh=f"表 {table.code} 没有取自来源的数据项 {code}{zh}", en=f"table {table.code} has no item {code} that comes from a source{en}")
            return None
        unfit = _unfit(measure, known[code])
        if unfit:
            self.fault("measure", zh=f"{code}：{unfit[0]}", en=f"{code}: {unfit[1]}")
            return None
        return code

    def bounds(self, measure: str) -> dict[str, Decimal]:
        kind = MEASURES[measure].kind
        fitting = BOUNDS[kind]
        given = {key: self.raw[key] for key in (*FIXED, *RELATIVE, *POINTS) if self.raw.get(key) is not None}
        found: dict[str, Decimal] = {}
        for key, value in given.items():
            if key not in fitting:
                self.fault(key, zh=f"{measure} 不能用 {key}，可用 {'、'.join(fitting)}", en=f"{measure} takes no {key}; it takes {', '.join(fitting)}")
            elif isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) == float("inf"):
                self.fault(key, zh=f"{key} 应为数，不是 {value!r}", en=f"{key} should be a number, not {value!r}")
            elif value < 0 and not (key in FIXED and kind in ("amount", "days")):
                self.fault(key, zh=f"{key} 不能为负", en=f"{key} cannot be negative")
            else:
                found[key] = Decimal(repr(value))
        if not given:
            self.fault("measure", zh=f"缺少界限：{'、'.join(fitting)} 之一", en=f"no bound: give one of {', '.join(fitting)}")
        changes = [key for key in given if key not in FIXED]
        if changes and len(changes) < len(given):
            self.fault(changes[0], zh="固定界限与变动界限请分写为两条", en="write fixed bounds and bounds of change as two expectations")
        looks_back = changes or kind == "index"
        for key in ("against", "history"):
            if self.raw.get(key) is not None and (not looks_back or (key == "against" and kind == "index")):
                self.fault(key, zh=f"{key} 在此不起作用，请删去", en=f"{key} has no effect here; remove it")
        if self.raw.get("against") == "previous" and self.raw.get("history") is not None:
            self.fault("history", zh="against: previous 只看上一期，不写 history", en="against: previous looks at one period; remove history")
        self.able_to_fail(kind, found)
        return found

    def able_to_fail(self, kind: str, found: dict[str, Decimal]) -> None:
        """A bound that nothing can lie beyond is a mistake of who wrote it."""
        least, most = found.get("at_least"), found.get("at_most")
        if least is not None and most is not None and least > most:
            self.fault("at_least", zh="at_least 大于 at_most", en="at_least is above at_most")
        if least is not None and least == 0 and kind in ("count", "share"):
            self.fault("at_least", zh="at_least 为 0 永远不会不符", en="at_least 0 can never be missed")
        if kind == "share":
            if most is not None and most >= 1:
                self.fault("at_most", zh="占比的 at_most 应小于 1", en="at_most of a share should be below 1")
            for key in ("at_least", "fall", "rise"):
                if found.get(key, Decimal(0)) > 1:
                    self.fault(key, zh=f"占比的 {key} 不超过 1", en=f"{key} of a share is at most 1")
        if kind == "count" and found.get("down", Decimal(0)) > 1:
            self.fault("down", zh="down 大于 1 永远不会不符", en="down above 1 can never be missed")


def _unfit(measure: str, item: DataItem) -> tuple[str, str] | None:
    """Why an item cannot be measured so: personal values are counted only, never added, compared or listed."""
    if measure in ("sum", "mean", "age", "drift") and item.privacy:
        return f"个人信息项不能用 {measure}", f"{measure} is not taken of personal items"
    if measure in ("sum", "mean") and item.type not in ("integer", "decimal"):
        return f"{measure} 只用于数值项", f"{measure} is for numbers"
    if measure == "age" and item.type != "date":
        return "age 只用于日期项", "age is for dates"
    if measure == "drift" and not (item.codes or item.refs):
        return "drift 只用于有代码表或引用的数据项", "drift is for items with a code table or a reference"
    return None
