"""A pack out of a regulator's workbook: the layout's facts from the workbook, everything else from a standard that is like it."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from etl.errors import EastboundError, raise_problems
from etl.packs.yamlfile import read_yaml
from etl.standard.definition import CodeTable, CodeValue, DataItem, FieldLayout, Standard
from etl.standard.loader import load_standard_folder
from etl.standard.values import value_fault
from etl.standard.workbook.cells import CellFault, Note, Reading, half_width, open_workbook
from etl.standard.workbook.codes import SheetCodes, read_codes
from etl.standard.workbook.columnmap import ColumnMap
from etl.standard.workbook.packfiles import codes_csv, dump, keys_yaml, table_yaml
from etl.standard.workbook.tables import SheetItem, SheetTable, read_tables


class PackThere(EastboundError):
    zh = "{path} 已存在；换一个 --as 名称，或加 --replace 覆盖"
    en = "{path} exists; choose another name with --as, or overwrite it with --replace"


class PackMissing(EastboundError):
    zh = "{path} 不是规范包；请先导入数据结构工作簿（--as {name}），再导入代码表与规则"
    en = "{path} is no pack; import the workbook of tables first (--as {name}), then code tables and rules"


class PackWouldNotLoad(EastboundError):
    zh = "由 {workbook} 生成的规范包无法装载，未写入任何文件：\n{why_zh}"
    en = "the pack made from {workbook} would not load, nothing was written:\n{why_en}"


class NameUnfit(EastboundError):
    zh = "名称 {name!r} 应由小写字母、数字和下划线组成，以字母开头，如 east_life_2024"
    en = "name {name!r} should hold small letters, digits and underscores and begin with a letter, such as east_life_2024"


@dataclass(frozen=True)
class ImportOptions:
    """What to make of a workbook: the pack `name` below the pack root `into`."""

    name: str
    into: Path
    like: Standard | None = None
    prefix: str | None = None
    version: str | None = None
    effective_from: date | None = None
    family: str | None = None
    replace: bool = False

    @property
    def folder(self) -> Path:
        return self.into / "mappings" / "standards" / self.name


@dataclass
class Imported:
    """What an import made."""

    standard: Standard
    folder: Path
    notes: list[Note] = field(default_factory=list)
    codes: int = 0


def import_tables(path: Path, chosen: ColumnMap, options: ImportOptions) -> Imported:
    """Write a pack from a workbook of tables. All faults of the workbook are raised at once (Problems), and then nothing is written."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", options.name):
        raise NameUnfit(name=options.name)
    if options.folder.exists() and not options.replace:
        raise PackThere(path=str(options.folder))
    workbook, reading = open_workbook(path), Reading(path.name)
    tables = read_tables(workbook, chosen, reading)
    codes = read_codes(workbook, chosen.inner["codes"], reading, needed=False) if "codes" in chosen.inner else {}
    builder = _Builder(options, chosen, reading, tables, codes)
    files = builder.files() if tables else {}
    raise_problems(reading.faults)
    with _staged(options.folder) as stage:
        for name, text in files.items():
            target = stage / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        _proved(stage, path.name)
    return Imported(load_standard_folder(options.folder), options.folder, reading.notes, len(builder.codes))


def import_codes(path: Path, chosen: ColumnMap, options: ImportOptions) -> Imported:
    """Add the code tables of a workbook to a pack, in place of those of the same code."""
    if not (options.folder / "standard.yaml").is_file():
        raise PackMissing(path=str(options.folder), name=options.name)
    workbook, reading = open_workbook(path), Reading(path.name)
    found = read_codes(workbook, chosen, reading)
    raise_problems(reading.faults)
    before = load_standard_folder(options.folder)
    merged = {**{code: _listed(table) for code, table in before.codes.items()},
              **{code: _entry(entry, path.name, before.codes.get(code)) for code, entry in found.items()}}
    with _staged(options.folder) as stage:
        shutil.copytree(options.folder, stage, dirs_exist_ok=True)
        (stage / "codes").mkdir(exist_ok=True)
        (stage / "codes" / "index.yaml").write_text(index_yaml(merged), encoding="utf-8")
        for code, entry in found.items():
            (stage / "codes" / f"{code}.csv").write_text(codes_csv(entry.values), encoding="utf-8")
        _proved(stage, path.name)
    used = {item.codes for table in before.tables.values() for item in table.items if item.codes}
    for code in sorted(found.keys() - used):
        reading.note(f"代码表 {code} 没有数据项使用", f"no item uses code table {code}")
    return Imported(load_standard_folder(options.folder), options.folder, reading.notes, len(found))


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """A folder of the same name to write to, which then takes the place of `folder`; after an error nothing has changed."""
    waiting = folder.parent / f".{folder.name}.partial"
    shutil.rmtree(waiting, ignore_errors=True)
    stage, old = waiting / folder.name, waiting / "before"
    stage.mkdir(parents=True)
    try:
        yield stage
        if folder.exists():
            os.replace(folder, old)
        try:
            os.replace(stage, folder)
        except OSError:
            if old.exists():
                os.replace(old, folder)
            raise
    finally:
        shutil.rmtree(waiting, ignore_errors=True)


def _proved(stage: Path, workbook: str) -> None:
    """Load what was written, before it takes its place. Raises PackWouldNotLoad."""
    try:
        load_standard_folder(stage)
    except EastboundError as error:
        why = {language: error.sentence(language).replace(f"{stage}{os.sep}", "") for language in ("zh", "en")}
        raise PackWouldNotLoad(workbook=workbook, why_zh=why["zh"], why_en=why["en"]) from None


def index_yaml(entries: dict[str, dict[str, Any]]) -> str:
    """codes/index.yaml."""
    lines = ["# Code tables of the standard; each row of a CSV has its own provenance.", "tables:"]
    for code, about in entries.items():
        lines.append("\n".join(f"  {line}" for line in dump({code: about}, width=1_000_000).rstrip("\n").splitlines()))
    return "\n".join(lines) + "\n"


def _listed(table: CodeTable) -> dict[str, Any]:
    return {key: value for key, value in (("name", dict(table.name)), ("provenance", table.provenance), ("source", table.source)) if value}


def _given(layout: FieldLayout) -> dict[str, Any]:
    """What a pack says of a field's place."""
    return {key: value for key, value in asdict(layout).items() if value is not None}


def _entry(entry: SheetCodes, workbook: str, like: CodeTable | None) -> dict[str, Any]:
    names = {"zh": entry.name or (like.name.get("zh", "") if like else "") or entry.code}
    if like and like.name.get("en"):
        names["en"] = like.name["en"]
    own = {value.provenance for value in entry.values}
    return {"name": names, "provenance": own.pop() if len(own) == 1 else "R", "source": f"imported from {workbook}"}


def spelt_as(name: str, known: Iterable[str]) -> str:
    """The known name that differs from `name` in big and small letters at most; else `name` itself."""
    known = list(known)
    return name if name in known else next((other for other in known if other.lower() == name.lower()), name)


def _as_spelt(table: SheetTable, like: Standard) -> SheetTable:
    """Codes of the table and its items with the big and small letters of the like standard."""
    code = spelt_as(table.code, like.tables)
    known = like.tables[code].by_code if code in like.tables else ()
    return replace(table, code=code, items=tuple(replace(item, code=spelt_as(item.code, known)) for item in table.items))


class _Builder:
    """Puts the files of a pack together."""

    def __init__(self, options: ImportOptions, chosen: ColumnMap, reading: Reading, tables: list[SheetTable], codes: dict[str, SheetCodes]) -> None:
        self.options, self.chosen, self.reading, self.tables, self.like = options, chosen, reading, tables, options.like
        self.roles = {str(code): role for code, role in (chosen.options.get("roles") or {}).items()}
        if self.like:
            self.tables = tables = [_as_spelt(table, self.like) for table in tables]
        self.codes: dict[str, tuple[dict[str, Any], tuple[CodeValue, ...]]] = {}
        like_codes = self.like.codes if self.like else {}
        for code, values in like_codes.items():
            self.codes[code] = (_listed(values), values.values)
        for code, entry in codes.items():
            self.codes[code] = (_entry(entry, reading.workbook, like_codes.get(code)), tuple(entry.values))
        names = Counter(about["name"].get("zh", "") for about, _ in self.codes.values())
        self.by_name = {about["name"].get("zh", ""): code for code, (about, _) in self.codes.items() if names[about["name"].get("zh", "")] == 1}
        # (table, item) -> type, of everything that references may point to.
        self.known = {(table.code, item.code): item.type for table in tables for item in table.items}
        self.auxiliary = []
        for extra in (t for t in (self.like.tables.values() if self.like else ()) if not t.submitted and t.code not in {s.code for s in tables}):
            # Its file is taken as it is, so all that it refers to must be there.
            if all(item.refs is None or item.refs.table == extra.code or (item.refs.table, item.refs.item) in self.known for item in extra.items):
                self.auxiliary.append(extra)
            else:
                reading.note(f"辅助表 {extra.code} 引用的表已没有，未带入", f"the auxiliary table {extra.code} refers to a table that is gone and was left out")
        self.known |= {(t.code, i.code): i.type for t in self.auxiliary for i in t.items}
        self.new_items: list[str] = []

    def files(self) -> dict[str, str]:
        files = {f"tables/{table.code}.yaml": self.table(table) for table in self.tables}
        for table in self.auxiliary:
            assert table.path is not None
            files[f"tables/{table.code}.yaml"] = table.path.read_text(encoding="utf-8")
            self.reading.note(f"辅助表 {table.code} 取自 {self.like.name}", f"the auxiliary table {table.code} is taken from {self.like.name}")
        files["standard.yaml"] = self.head()
        if self.codes:
            files["codes/index.yaml"] = index_yaml({code: about for code, (about, _) in self.codes.items()})
            files |= {f"codes/{code}.csv": codes_csv(values) for code, (_, values) in self.codes.items()}
        self.say()
        return files

    def say(self) -> None:
        if self.like is None:
            self.reading.note("没有 --like：没有数据项标注隐私类别，任何值都不会脱敏；请在 tables/*.yaml 中补充 privacy、refs、default、send",
                              "without --like no item has a privacy class, so nothing would be masked; add privacy, refs, default and send in tables/*.yaml")
        elif self.new_items:
            self.reading.note(f"{self.like.name} 中没有的数据项：{', '.join(self.new_items)}；请确认 privacy、refs、default、send",
                              f"items that {self.like.name} does not have: {', '.join(self.new_items)}; decide on their privacy, refs, default and send")
        empty = sorted(code for code, (_, values) in self.codes.items() if not values)
        if empty:
            self.reading.note(f"代码表 {', '.join(empty)} 还没有码值，请用 kind: codes 的列映射导入", f"code table(s) {', '.join(empty)} have no values yet; import them with a column map of kind: codes")

    def head(self) -> str:
        raw: dict[str, Any] = {}
        if self.like and self.like.folder:
            raw = dict(read_yaml(self.like.folder / "standard.yaml").data)
            raw.pop("family", None)
            raw.pop("note", None)
            if "jurisdictions" in raw and not self.same_tables():
                raw.pop("jurisdictions")
                self.reading.note(f"表或数据项与 {self.like.name} 不同，未沿用 jurisdictions（监管辖区归属）；需要分辖区报送时请自行填写",
                                  f"tables or items differ from {self.like.name}, so its jurisdictions were left out; write them where packages are split by jurisdiction")
        initials = "".join(word[0] for word in self.options.name.split("_") if word[0].isalpha()).upper()
        year = re.search(r"(\d+)$", self.options.name)
        prefix = self.options.prefix or raw.get("prefix") or initials + (year[1][-2:] if year else "")
        head: dict[str, Any] = {
            "standard": self.options.name, "prefix": prefix, "name": raw.get("name") or {"zh": self.options.name},
            "version": self.options.version or raw.get("version") or (year[1] if year else "1"), **({"family": self.options.family} if self.options.family else {}),
            "provenance": raw.get("provenance") or "R" if any("provenance" in table.carries for table in self.tables) else "E", "frequency": raw.get("frequency") or "monthly",
        }
        head |= {key: value for key, value in raw.items() if key not in head}
        if self.options.effective_from:
            head["effective"] = {"from": self.options.effective_from, "to": None}
        head.setdefault("serial", {"item": next((code for code, role in self.roles.items() if role == "serial"), "LSH")})
        head["note"] = f"tables imported from {self.reading.workbook}" + (f"; what the workbook does not say is taken from {self.like.name}" if self.like else "")
        return keys_yaml(head, f"Imported from {self.reading.workbook}.\nWhat the workbook does not say is {'taken from ' + self.like.name if self.like else 'a default of the house'}: look it through.")

    def same_tables(self) -> bool:
        """Whether the submitted tables are those of the like standard, with all their items."""
        ours = {table.code: {item.code for item in table.items} for table in self.tables}
        return ours.keys() == {table.code for table in self.like.submitted_tables} and all(set(t.by_code) <= ours[t.code] for t in self.like.submitted_tables)

    def table(self, table: SheetTable) -> str:
        like = self.like.tables.get(table.code) if self.like else None
        names = {"zh": table.name, **({"en": like.name["en"]} if like and like.name.get("en") else {})}
        subject = dict(like.subject) if like else {}
        if table.listed.get("subject") and table.listed["subject"] != subject.get("zh"):
            subject = {"zh": table.listed["subject"]}
        head: dict[str, Any] = {"table": table.code, "number": table.listed.get("number") or (like.number if like else 0) or table.order, "name": names}
        if subject:
            head["subject"] = subject
        head |= {"level": like.level if like else 1, "capture": table.listed.get("capture") or (like.capture if like else "full"),
                 "provenance": table.listed["provenance"] if table.listed.get("provenance") else "R" if "provenance" in table.carries else "E"}
        if like and (like.effective_from or like.effective_to):
            head["effective"] = {"from": like.effective_from, "to": like.effective_to}
        if like and like.reserved:
            head["reserved"] = [_given(stretch) for stretch in like.reserved]
        head["note"] = f"imported from {self.reading.workbook}, sheet {table.sheet}"
        items = self.keyed(table, like.by_code if like else {})
        return table_yaml(head, [self.item(table, item, like.by_code.get(item.code) if like else None) for item in items], f"Imported from {self.reading.workbook}.")

    def keyed(self, table: SheetTable, like: dict[str, DataItem]) -> list[SheetItem]:
        """The items with their keys. Where only the serial number is marked, the business key comes from the map or from the like standard."""
        if any(item.key and item.code not in self.roles for item in table.items):
            return list(table.items)
        wanted = [str(code) for code in (self.chosen.options.get("keys") or {}).get(table.code) or ()]
        codes = {item.code for item in table.items}
        keys = {code for code in wanted or [code for code, item in like.items() if item.key] if code in codes}
        if not keys:
            first = table.items[0]
            self.reading.faults.append(CellFault(
                workbook=self.reading.workbook, sheet=table.sheet, cell=first.cell,
                problem_zh=f"表 {table.code} 没有业务主键（主键列只有流水号或全空）；请标 Y，或在列映射中写 keys: {{{table.code}: [...]}}，或用 --like",
                problem_en=f"table {table.code} has no business key (nothing but the serial number is marked); mark one with Y, or say keys: {{{table.code}: [...]}} in a column map, or use --like"))
            return []
        self.reading.note(f"业务主键取 {'+'.join(sorted(keys))}", f"the business key is taken to be {'+'.join(sorted(keys))}", table.sheet)
        return [replace(item, key=item.code in keys) for item in table.items]

    def item(self, table: SheetTable, item: SheetItem, like: DataItem | None) -> dict[str, Any]:
        kin = like or self.kin(item.code)
        names = {"zh": item.name, **({"en": item.name_en or kin.name.get("en", "")} if item.name_en or (kin and kin.name.get("en")) else {})}
        kind, length = item.type, item.length
        if like and like.type == "date" and kind == "text" and length == 10:
            kind = "date"
            self.reading.note(f"{item.code} 在 {self.like.name} 中为日期，按日期处理", f"{item.code} is a date in {self.like.name}, and taken as one", table.sheet, item.cell)
        written: dict[str, Any] = {"code": item.code, "name": names, "type": kind, "length": length}
        if kind == "decimal":
            written["scale"] = item.scale
        if item.required:
            written["required"] = True
        if item.key:
            written["key"] = True
        role = like.role if like else self.roles.get(item.code)
        if role:
            written["role"] = role
        codes = self.code_table(table, item, kind) if "codes" in table.carries else (like.codes if like else None)
        if codes:
            written |= {"codes": codes, "send": kin.send if kin and kin.codes else "code"}
        if like:
            self.carry(table, item, like, kind, written)
            written |= _given(like.layout)
        elif self.like:
            self.new_items.append(f"{table.code}.{item.code}")
            if kin and kin.privacy:
                written["privacy"] = kin.privacy
        written |= {key: value for key, value in (("provenance", item.provenance), ("length_provenance", item.length_provenance)) if value}
        if item.note:
            written["note"] = item.note
        if like and (like.effective_from or like.effective_to):
            written["effective"] = {"from": like.effective_from, "to": like.effective_to}
        return written

    def kin(self, code: str) -> DataItem | None:
        """The item of the same code in other tables of the like standard, where all of them have the same privacy class."""
        found = [t.by_code[code] for t in self.like.tables.values() if code in t.by_code] if self.like else []
        return found[0] if found and len({item.privacy for item in found}) == 1 else None

    def carry(self, table: SheetTable, item: SheetItem, like: DataItem, kind: str, written: dict[str, Any]) -> None:
        """What the layout does not carry."""
        own = {i.code for i in table.items}

        def sound(condition: str | None) -> str | None:
            lost = set(re.findall(r"[A-Za-z_]\w*", re.sub(r"'[^']*'", "", condition or ""))) & (set(self.like.tables[table.code].by_code) - own)
            if lost:
                self.reading.note(f"{item.code} 的条件用到已没有的 {', '.join(sorted(lost))}，已去掉", f"a condition of {item.code} names {', '.join(sorted(lost))}, which is gone; it is left out", table.sheet, item.cell)
            return None if lost else condition

        if like.allow:
            written["allow"] = list(like.allow)
        if like.default is not None:
            wrong = value_fault(DataItem(item.code, {}, kind, item.length, item.scale), like.default)  # type: ignore[arg-type]
            if wrong:
                self.reading.note(f"默认值不再适用，已去掉：{wrong[0]}", f"the default no longer fits and is left out: {wrong[1]}", table.sheet, item.cell)
            else:
                written["default"] = like.default
        if like.privacy:
            written["privacy"] = like.privacy
            condition = sound(like.privacy_when)
            if condition:
                written["privacy_when"] = condition
        if like.refs:
            target = self.known.get((like.refs.table, like.refs.item))
            if target is None or (target == "text") != (kind == "text"):
                self.reading.note(f"{item.code} 引用的 {like.refs.table}.{like.refs.item} 已没有或类型不同，引用已去掉",
                                  f"{item.code} refers to {like.refs.table}.{like.refs.item}, which is gone or of another type; the reference is left out", table.sheet, item.cell)
            else:
                written["refs"] = {"table": like.refs.table, "item": like.refs.item}
                if like.refs.exceptions:
                    written["refs"]["except"] = list(like.refs.exceptions)
                condition = sound(like.refs.when)
                if condition:
                    written["refs"]["when"] = condition

    def code_table(self, table: SheetTable, item: SheetItem, kind: str) -> str | None:
        if not item.codes:
            return None
        written = half_width(item.codes)
        code = written if written in self.codes else self.by_name.get(item.codes) or spelt_as(written, self.codes)
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", code):
            self.reading.note(f"{item.code} 的代码表“{item.codes}”未知，未采用", f"code table '{item.codes}' of {item.code} is not known and was left out", table.sheet, item.cell)
            return None
        if kind != "text":
            self.reading.note(f"{item.code} 不是文本，代码表 {code} 未采用", f"{item.code} is not a text; its code table {code} was left out", table.sheet, item.cell)
            return None
        if code not in self.codes:
            self.codes[code] = ({"name": {"zh": code}, "provenance": "E", "source": f"named in {self.reading.workbook}; no values yet"}, ())
        return code
