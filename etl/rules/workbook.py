"""Check rules out of a regulator's workbook, and those of a like standard carried over to a new edition."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from etl.errors import EastboundError, raise_problems
from etl.packs.roots import rule_files
from etl.packs.shape import Shape, hint
from etl.packs.yamlfile import _Constructor, read_yaml
from etl.rules.definition import FAMILIES
from etl.rules.loader import _file, load_rule_folder
from etl.standard.definition import Standard, Table
from etl.standard.workbook.cells import CellFault, Note, Reading, Sheet, at, half_width, open_workbook
from etl.standard.workbook.columnmap import ColumnMap, chosen_sheets, missing_sheets
from etl.standard.workbook.importing import spelt_as
from etl.standard.workbook.packfiles import dump

# Folder beside the live rules for those that still lack an expression or examples. No run reads it.
DRAFTS = "drafts"


@dataclass
class ImportedRules:
    """What became of a workbook's rules: `live` are checked from now on, `drafts` wait for an expression and examples."""

    folder: Path
    live: int = 0
    drafts: int = 0
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True)
class _Row:
    table: str
    raw: dict[str, Any]
    sheet: str
    cell: str
    live: bool


def import_rules(path: Path, chosen: ColumnMap, standard: Standard, folder: Path) -> ImportedRules:
    """Add the rules of a workbook to `folder` (validation_rules/<standard>).

    A row with an expression and examples of both kinds becomes a live rule; any other becomes a draft with the regulator's
    words, to be finished by a person. All faults are raised at once, and then nothing is written.
    """
    workbook, reading = open_workbook(path), Reading(path.name)
    missing_sheets(chosen, workbook, reading)
    numbers = _numbers(folder, standard)
    rows: list[_Row] = []
    seen: dict[str, str] = {}
    for sheet, columns in chosen_sheets(chosen, workbook, reading):
        rows += _Reader(sheet, chosen, columns, standard, numbers, seen).rows()
    raise_problems(reading.faults)
    with tempfile.TemporaryDirectory(prefix="eastbound-rules-") as scratch:
        stage = Path(scratch) / "rules"
        if folder.is_dir():
            shutil.copytree(folder, stage)
        stage.mkdir(exist_ok=True)
        for table in dict.fromkeys(row.table for row in rows):
            _write(stage, table, [row.raw for row in rows if row.table == table and row.live], [row.raw for row in rows if row.table == table and not row.live], path.name)
        try:
            load_rule_folder(stage, standard)
        except EastboundError as error:
            raise_problems([_placed(fault, rows, path.name, stage, folder) for fault in getattr(error, "errors", [error])])
        shutil.copytree(stage, folder, dirs_exist_ok=True)
    live = sum(row.live for row in rows)
    return ImportedRules(folder, live, len(rows) - live, reading.notes)


def carry_rules(like: Standard, source: Path | None, target: Standard, folder: Path) -> ImportedRules:
    """Copy the rules of a like standard to the folder of `target`, leaving out, with a note, those that do not fit it."""
    reading, carried = Reading(""), ImportedRules(folder)
    if folder.is_dir():
        reading.note(f"{folder.name} 已有检核规则，未改动", f"{folder.name} has check rules already; they were left as they are")
        return ImportedRules(folder, notes=reading.notes)
    files: dict[str, str] = {}
    for path in rule_files(source) if source else ():
        text = re.sub(rf"\b{re.escape(like.prefix)}-(?=[A-Za-z0-9_]+-)", f"{target.prefix}-", path.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory(prefix="eastbound-rules-") as scratch:
            copy = Path(scratch) / path.name
            copy.write_text(text, encoding="utf-8")
            document = read_yaml(copy)
        if not isinstance(document.data, dict) or document.data.get("table") not in target.tables:
            reading.note(f"{target.name} 没有 {path.stem} 表，其规则未带入", f"{target.name} has no table {path.stem}; its rules were left out")
            continue
        good = {index for index, _ in _file(Shape(document, []), target)}
        total = len(document.data.get("rules") or [])
        carried.live += len(good)
        lines = text.splitlines()
        starts = [document.line("rules", index) for index in range(total)] + [len(lines) + 1]
        for index in reversed([n for n in range(total) if n not in good]):
            reading.note(f"规则 {document.data['rules'][index].get('id')} 与新表结构不符，未带入", f"rule {document.data['rules'][index].get('id')} does not fit the new tables and was left out")
            del lines[starts[index] - 1:starts[index + 1] - 1]
        if good:
            files[path.name] = "\n".join(lines) + "\n"
    if files:
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    carried.notes = reading.notes
    return carried


def _numbers(folder: Path, standard: Standard) -> dict[tuple[str, str, str], int]:
    """The highest number used so far by table, item and family."""
    used: dict[tuple[str, str, str], int] = {}
    for rule in load_rule_folder(folder, standard) if folder.is_dir() else ():
        key = (rule.table, rule.item, FAMILIES[rule.family])
        used[key] = max(used.get(key, 0), int(rule.id.rsplit("-", 1)[1]))
    return used


class _Reader:
    """Reads the rows of one sheet."""

    def __init__(self, sheet: Sheet, chosen: ColumnMap, columns: dict[str, int], standard: Standard, numbers: dict[tuple[str, str, str], int], seen: dict[str, str]) -> None:
        self.sheet, self.chosen, self.columns, self.standard, self.numbers, self.seen = sheet, chosen, columns, standard, numbers, seen
        self.down = {columns[name] for name in chosen.options.get("fill_down", ()) if name in columns}
        self.above: dict[int, str] = {}

    def rows(self) -> list[_Row]:
        self.sheet.merged(self.chosen.header_row, set(self.columns.values()), self.down)
        found = []
        for row in range(self.chosen.first_row, self.sheet.last_row + 1):
            if all(self.sheet.blank(row, column) for column in self.columns.values()):
                self.sheet.note(row, 1, "空行，已跳过", "a blank row, passed over")
                continue
            made = self.row(row)
            if made:
                found.append(made)
        return found

    def cell(self, row: int, name: str, lines: bool = False) -> str:
        """The text of a cell, through the map's `values` and `constants`."""
        column = self.columns.get(name)
        text = self.sheet.text(row, column, code=name in ("id", "official_id", "table", "item"), lines=lines)
        if column in self.down:
            text = self.above[column] = text or self.above.get(column, "")
        known = (self.chosen.options.get("values") or {}).get(name)
        if text and isinstance(known, dict):
            if text not in known:
                self.fault(row, name, f"{text!r} 不在列映射 values.{name} 中：{'、'.join(map(str, known))}", f"{text!r} is not in values.{name} of the column map: {', '.join(map(str, known))}")
                return ""
            text = str(known[text])
        return text or str((self.chosen.options.get("constants") or {}).get(name, ""))

    def fault(self, row: int, name: str, zh: str, en: str) -> None:
        self.sheet.fault(row, self.columns.get(name, 1), zh, en)

    def row(self, row: int) -> _Row | None:
        faults = len(self.sheet.reading.faults)
        table = self.table(row)
        item = self.item(row, table) if table else None
        texts = {name: self.cell(row, name, lines=True) for name in ("message_zh", "message_en", "family", "severity", "when", "expect", "expected", "basis", "note")}
        if not texts["message_zh"]:
            self.fault(row, "message_zh", "缺少规则说明", "the rule's message is missing")
        if texts["severity"] not in ("", "error", "warning"):
            self.fault(row, "severity", f"严重程度 {texts['severity']!r} 应为 error 或 warning；可在列映射 values.severity 中对照", f"severity {texts['severity']!r} should be error or warning; translate it in values.severity of the column map")
        if texts["family"] and texts["family"] not in FAMILIES:
            zh, en = hint(texts["family"], FAMILIES)
            self.fault(row, "family", f"规则类别 {texts['family']!r} 应为 {'、'.join(FAMILIES)}{zh}", f"family {texts['family']!r} is not one of {', '.join(FAMILIES)}{en}")
        examples = {name: self.examples(row, name) for name in ("pass", "fail")}
        effective = {key: day for key, day in (("from", self.sheet.day(row, self.columns.get("effective_from"))), ("to", self.sheet.day(row, self.columns.get("effective_to")))) if day}
        official = self.cell(row, "official_id") or None
        if official:
            place = f"{self.sheet.name}!{at(row, self.columns['official_id'])}"
            if official in self.seen:
                self.fault(row, "official_id", f"规则编号 {official} 与 {self.seen[official]} 重复", f"rule number {official} is in {self.seen[official]} already")
            self.seen.setdefault(official, place)
        if len(self.sheet.reading.faults) > faults or table is None or item is None:
            return None
        family = texts["family"] or "cross_item"
        live = bool(texts["expect"] and examples["pass"] and examples["fail"])
        raw: dict[str, Any] = {"id": self.cell(row, "id") or self.new_id(table.code, item, family)}
        if official:
            raw["official_id"] = official
        raw["family"] = family
        raw |= {key: texts[key] for key in ("when", "expect", "expected") if texts[key]}
        raw |= {"severity": texts["severity"] or "error", "message": {"zh": texts["message_zh"], "en": texts["message_en"] or texts["message_zh"]},
                "basis": texts["basis"] or f"{self.sheet.reading.workbook}, {self.sheet.name} row {row} (E)"}
        if effective:
            raw["effective"] = effective
        if texts["note"]:
            raw["note"] = texts["note"]
        if any(examples.values()):
            raw["examples"] = {key: listed for key, listed in examples.items() if listed}
        return _Row(table.code, raw, self.sheet.name, at(row, self.columns.get("expect") or self.columns.get("message_zh", 1)), live)

    def table(self, row: int) -> Table | None:
        faults = len(self.sheet.reading.faults)
        text = self.cell(row, "table")
        found = self.standard.tables.get(spelt_as(half_width(text), self.standard.tables)) or next((t for t in self.standard.tables.values() if t.name.get("zh") == text), None)
        if found is None and len(self.sheet.reading.faults) == faults:
            zh, en = hint(text, [*self.standard.tables, *(t.name.get("zh", "") for t in self.standard.tables.values())])
            self.fault(row, "table", f"标准 {self.standard.name} 没有表 {text!r}{zh}" if text else "缺少表", f"{self.standard.name} has no table {text!r}{en}" if text else "the table is missing")
        return found

    def item(self, row: int, table: Table) -> str | None:
        faults = len(self.sheet.reading.faults)
        text = self.cell(row, "item")
        code = spelt_as(half_width(text), table.by_code)
        if code in table.by_code:
            return code
        found = next((item.code for item in table.items if item.name.get("zh") == text), None)
        if found is None and len(self.sheet.reading.faults) == faults:
            zh, en = hint(text, [*table.by_code, *(item.name.get("zh", "") for item in table.items)])
            self.fault(row, "item", f"表 {table.code} 没有数据项 {text!r}{zh}" if text else "缺少数据项", f"table {table.code} has no item {text!r}{en}" if text else "the item is missing")
        return found

    def examples(self, row: int, name: str) -> list[Any]:
        """Examples as YAML or JSON: one row or a list of rows."""
        text = self.cell(row, name, lines=True)
        if not text:
            return []
        try:
            value = yaml.load(text, Loader=_Constructor)
        except yaml.YAMLError:
            value = None
        listed = value if isinstance(value, list) else [value]
        if not listed or not all(isinstance(example, dict) for example in listed):
            self.fault(row, name, "样例应写作 {数据项: 值, ...}，或以 [ ] 括起的多行", "an example should read {ITEM: value, ...}, or several in [ ]")
            return []
        return listed

    def new_id(self, table: str, item: str, family: str) -> str:
        key = (table, item, FAMILIES[family])
        self.numbers[key] = self.numbers.get(key, 0) + 1
        return f"{self.standard.prefix}-{table}-{item}-{FAMILIES[family]}-{self.numbers[key]:02d}"


def _write(stage: Path, table: str, live: list[dict], drafts: list[dict], workbook: str) -> None:
    if live:
        path = stage / f"{table}.yaml"
        text = path.read_text(encoding="utf-8").rstrip("\n") + f"\n  # --- imported from {workbook}\n" if path.exists() else f"# Imported from {workbook}.\ntable: {table}\nrules:\n"
        path.write_text(text + _listed(live), encoding="utf-8")
    if drafts:
        (stage / DRAFTS).mkdir(exist_ok=True)
        head = f"# Imported from {workbook}. No run reads this folder: give each rule an expression and examples, then move it to ../{table}.yaml.\n"
        (stage / DRAFTS / f"{table}.yaml").write_text(f"{head}table: {table}\nrules:\n{_listed(drafts)}", encoding="utf-8")


def _listed(rules: list[dict]) -> str:
    return "".join(f"  {line}\n" if line else "\n" for rule in rules for line in yaml_lines(rule))


def yaml_lines(rule: dict) -> list[str]:
    """A rule as lines of YAML; keys on lines of their own, what they hold in flow style."""
    lines = []
    for number, (key, value) in enumerate(rule.items()):
        written = dump({key: value}, flow=True, width=1_000_000).strip()[1:-1]
        lines.append(("- " if number == 0 else "  ") + written)
    return lines


def _placed(fault: EastboundError, rows: list[_Row], workbook: str, stage: Path, folder: Path) -> EastboundError:
    """A fault of the rule loader, told by the cell that it came from."""
    text = {language: str(fault.values.get(f"problem_{language}", "")) for language in ("zh", "en")}
    row = next((row for row in rows if text["en"].startswith(f"{row.raw['id']}:") or str(row.raw["id"]) in text["en"]), None)
    if row is None:
        return type(fault)(**{**fault.values, **({"path": str(fault.values["path"]).replace(str(stage), str(folder))} if "path" in fault.values else {})})
    return CellFault(workbook=workbook, sheet=row.sheet, cell=row.cell, problem_zh=text["zh"], problem_en=text["en"])
