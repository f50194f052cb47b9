"""Reading `jurisdictions` of standard.yaml: how the rows of each table are found to belong to a jurisdiction (监管辖区).

Every submitted table must be declared, so that a row never ends up somewhere because nobody thought of its table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from etl.packs.shape import Shape, hint
from etl.standard.crosscheck import find_cycle
from etl.standard.definition import DataItem, Directory, Jurisdictions, PlacingStep, Standard, Table

KEYS = ("folder", "directory", "tables", "basis", "note")
DIRECTORY_KEYS = ("table", "unit", "area", "head")
HEAD_KEYS = ("item", "value")
STEP_KEYS = ("item", "unit", "through", "on", "first", "provenance", "note")
HEAD = "head"
# What of the file format may differ from one jurisdiction to the next.
CHANGEABLE = ("encoding", "file_name", "folder")
PLACE = "jurisdictions"


def read_jurisdictions(shape: Shape, raw: Any, tables: Mapping[str, Table]) -> Jurisdictions | None:
    """The `jurisdictions` block; None without one. Faults are collected in `shape`."""
    if raw is None:
        return None
    data = shape.mapping(raw, PLACE)
    shape.keys(data, KEYS, PLACE)
    for key in ("basis", "note"):
        shape.texts(data.get(key), PLACE, key)
    folder = shape.text(data.get("folder"), PLACE, "folder") or Jurisdictions.folder
    if "{jurisdiction}" not in folder:
        shape.fault(PLACE, "folder", zh="folder 应含 {jurisdiction}", en="folder needs {jurisdiction}")
    reader = _Reader(shape, {code: table for code, table in tables.items() if table.submitted})
    directory = reader.directory(data.get("directory"))
    placings = reader.tables(data.get("tables"), directory)
    return Jurisdictions(placings, directory, folder)


def jurisdictions_of_standard(standard: Standard) -> Jurisdictions | None:
    """What the standard declares; for one whose files are split by an item already, that item is each row's jurisdiction."""
    if standard.jurisdictions is None and standard.split_by:
        return Jurisdictions({table.code: (PlacingStep(item=standard.split_by),) for table in standard.submitted_tables})
    return standard.jurisdictions


def with_part_format(standard: Standard, jurisdiction: str, overrides: Mapping[str, str]) -> Standard:
    """The standard as the part of a jurisdiction is written and read: its folder, and the `overrides` of its format (keys: CHANGEABLE)."""
    declared = jurisdictions_of_standard(standard)
    changed = {"folder": declared.folder if declared else standard.format.folder, **{name: str(overrides[name]) for name in CHANGEABLE if name in overrides}}
    named = {name: text if name == "encoding" else text.replace("{jurisdiction}", jurisdiction) for name, text in changed.items()}
    return replace(standard, format=replace(standard.format, **named))


class _Reader:
    """Reads the parts of the block; `known` are the submitted tables."""

    def __init__(self, shape: Shape, known: Mapping[str, Table]) -> None:
        self.shape, self.known = shape, known

    def directory(self, raw: Any) -> Directory | None:
        at = (PLACE, "directory")
        if raw is None:
            return None
        data = self.shape.mapping(raw, *at)
        self.shape.keys(data, DIRECTORY_KEYS, *at)
        head = self.shape.mapping(data.get("head"), *at, "head")
        self.shape.keys(head, HEAD_KEYS, *at, "head")
        table = self._table(data.get("table"), *at, "table")
        unit, area = (self._item(table, data.get(key), *at, key) for key in ("unit", "area"))
        head_item = self._item(table, head.get("item"), *at, "head", "item")
        value = self.shape.text(head.get("value"), *at, "head", "value")
        if not value:
            self.shape.fault(*at, "head", zh="head 应含 item 与 value，如 {item: FZJGCJ, value: \"01\"}", en="head needs item and value, such as {item: FZJGCJ, value: \"01\"}")
        return Directory(table.code, unit, area, head_item, value) if table and unit and area and head_item and value else None

    def tables(self, raw: Any, directory: Directory | None) -> dict[str, tuple[PlacingStep, ...]]:
        at = (PLACE, "tables")
        data = self.shape.mapping(raw, *at)
        found: dict[str, tuple[PlacingStep, ...]] = {}
        for code, value in data.items():
            table = self.known.get(str(code))
            if table is None:
                zh, en = hint(code, self.known)
                self.shape.fault(*at, code, zh=f"没有报送表 {code}{zh}", en=f"there is no submitted table {code}{en}")
            elif value == HEAD:
                found[table.code] = ()
                self._need(directory, *at, code)
            else:
                steps = [self._step(table, one, directory, *at, code, index) for index, one in enumerate(self.shape.listing(value, *at, code))]
                found[table.code] = tuple(step for step in steps if step)
                if not steps:
                    self.shape.fault(*at, code, zh=f"表 {code} 没有给出归属方式：列出 item、unit 或 through，或写 head", en=f"table {code}: say how its rows are placed: item, unit or through, or head")
        missing = [code for code in self.known if code not in found]
        if missing:
            self.shape.fault(*at, zh=f"未说明下列报送表的行归属哪个监管辖区：{'、'.join(missing)}", en=f"nothing says which jurisdiction the rows of these tables belong to: {', '.join(missing)}")
        cycle = find_cycle({code: {step.through for step in steps if step.through} for code, steps in found.items()})
        if cycle:
            self.shape.fault(*at, cycle[0], zh=f"through 成环：{' -> '.join(cycle)}", en=f"`through` goes round in a circle: {' -> '.join(cycle)}")
        return found

    def _step(self, table: Table, raw: Any, directory: Directory | None, *at: Any) -> PlacingStep | None:
        data = self.shape.mapping(raw, *at)
        self.shape.keys(data, STEP_KEYS, *at)
        self.shape.texts(data.get("note"), *at, "note")
        self.shape.text(data.get("provenance"), *at, "provenance")
        kinds = [key for key in ("item", "unit", "through") if data.get(key)]
        if len(kinds) != 1:
            self.shape.fault(*at, zh="应恰好给出 item、unit、through 之一", en="give exactly one of item, unit and through")
            return None
        if kinds[0] != "through":
            for key in ("on", "first"):
                if key in data:
                    self.shape.fault(*at, key, zh=f"{key} 只与 through 同用", en=f"{key} goes with through only")
            item = self._item(table, data[kinds[0]], *at, kinds[0])
            if kinds[0] == "unit":
                self._need(directory, *at, "unit")
            return PlacingStep(**{kinds[0]: item}) if item else None
        target = self._table(data["through"], *at, "through")
        pairs = self.shape.mapping(data.get("on"), *at, "on")
        on = {self._item(table, own, *at, "on"): self._item(target, other, *at, "on", own) for own, other in pairs.items()}
        if not pairs:
            self.shape.fault(*at, zh="through 须给出 on：本表数据项与对方数据项", en="through needs on: own item -> item of the other table")
        first = self._item(target, data.get("first"), *at, "first", text=False) if data.get("first") else ""
        keys = {item.code for item in target.key_items} if target else set()
        if target and not first and not keys <= set(on.values()):
            self.shape.fault(*at, zh=f"{target.code} 可能有多行相符：用 first 指定按哪个数据项取最小的一行", en=f"several rows of {target.code} may fit: name the item whose least value decides in first")
        return PlacingStep(through=target.code, on=on, first=first) if target and on and "" not in on and "" not in on.values() else None

    def _need(self, directory: Directory | None, *at: Any) -> None:
        if directory is None:
            self.shape.fault(*at, zh="head 与 unit 须有 directory（机构表）", en="head and unit need a directory, the table of units")

    def _table(self, name: Any, *at: Any) -> Table | None:
        found = self.known.get(str(name))
        if found is None:
            zh, en = hint(name, self.known)
            self.shape.fault(*at, zh=f"没有报送表 {name}{zh}", en=f"there is no submitted table {name}{en}")
        return found

    def _item(self, table: Table | None, name: Any, *at: Any, text: bool = True) -> str:
        """The code of an item that can place rows; '' where it cannot. Rows are placed by what is sent, so a masked value places none."""
        if table is None:
            return ""
        item: DataItem | None = table.by_code.get(str(name))
        if item is None or item.assigned:
            zh, en = hint(name, table.by_code)
            self.shape.fault(*at, zh=f"表 {table.code} 没有数据项 {name}{zh}", en=f"table {table.code} has no item {name}{en}")
            return ""
        if item.privacy or (text and item.type != "text"):
            self.shape.fault(*at, zh=f"{table.code}.{item.code} 是个人信息或不是文本，不能用来确定辖区", en=f"{table.code}.{item.code} is personal or no text, so it cannot place rows")
            return ""
        return item.code
