"""Load a standard from its pack folder; everything is validated, and every fault names file and line."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from etl.errors import EastboundError, raise_problems
from etl.packs.roots import PackRoots
from etl.packs.shape import Shape, hint
from etl.packs.yamlfile import read_yaml
from etl.standard.codes import load_codes
from etl.standard.crosscheck import check_conditions, check_references
from etl.standard.definition import CodeTable, DataItem, FileFormat, PackageForm, Reference, SerialFormat, Standard, Table
from etl.standard.effective import in_force_on
from etl.standard.jurisdictions import read_jurisdictions
from etl.standard.layout_loader import LAYOUT_KEYS, check_layouts, field_layout, fixed_options, reserved_stretches
from etl.standard.values import value_fault

ITEM_TYPES = ("text", "integer", "decimal", "date")
ROLES = ("serial", "company_code", "company_name", "transaction")
FREQUENCIES = ("daily", "monthly", "quarterly", "yearly")
CAPTURES = ("full", "incremental", "change")
PRIVACY_CLASSES = ("name", "id_number", "phone", "account", "email", "address")
ITEM_KEYS = {
    "code", "name", "type", "length", "scale", "required", "key", "role", "privacy", "privacy_when", "codes", "send",
    "allow", "default", "refs", "provenance", "length_provenance", "note", "effective",
    *LAYOUT_KEYS,
}
TABLE_KEYS = {"table", "number", "name", "subject", "level", "capture", "provenance", "note", "submitted", "items", "effective", "reserved"}
STANDARD_KEYS = {
    "standard", "prefix", "name", "version", "regulator", "basis", "provenance", "effective", "frequency", "deadline",
    "on_error", "hold_key", "split_by", "company_codes", "serial", "format", "open_ended", "masking", "note", "family",
    "transaction", "package", "jurisdictions",
}


class StandardUnknown(EastboundError):
    zh = "没有名为 {name} 的标准。可用：{known}"
    en = "there is no standard named {name}. Known: {known}"


def standard_names(roots: PackRoots | None = None) -> list[str]:
    """Names of all standards in the pack folders."""
    folders = (roots or PackRoots.of()).folders("mappings", "standards")
    return sorted(name for name, path in folders.items() if (path / "standard.yaml").is_file())


def load_standard(name: str, roots: PackRoots | None = None, on: date | None = None) -> Standard:
    """Load the standard `name`; with `on`, without the tables and items that are not in force on that day.

    Raises StandardUnknown, PackFileBroken, or Problems listing all faults.
    """
    roots = roots or PackRoots.of()
    folder = roots.standard(name)
    if folder is None or not (folder / "standard.yaml").is_file():
        raise StandardUnknown(name=name, known=", ".join(standard_names(roots)) or "-")
    loaded = load_standard_folder(folder)
    return loaded if on is None else in_force_on(loaded, on)


def load_standard_folder(folder: Path) -> Standard:
    """Load the standard in `folder` (see `load_standard`)."""
    document = read_yaml(folder / "standard.yaml")
    errors: list[EastboundError] = []
    codes = load_codes(folder / "codes", errors)
    tables: dict[str, Table] = {}
    shapes: dict[str, Shape] = {}
    for path in sorted((folder / "tables").glob("*.yaml")):
        shape = Shape(read_yaml(path), errors)
        table = _table(shape, codes)
        if table is None:
            continue
        if table.code in tables:
            shape.fault("table", zh=f"表 {table.code} 已在 {tables[table.code].path} 定义", en=f"table {table.code} is already defined in {tables[table.code].path}")
        tables[table.code] = table
        shapes[table.code] = shape
    standard = _standard(Shape(document, errors), tables, codes)
    check_references(tables, shapes)
    check_conditions(tables, shapes, codes)
    if standard is not None:
        check_layouts(standard, Shape(document, errors), shapes)
    raise_problems(errors)
    assert standard is not None
    return standard


def _standard(shape: Shape, tables: dict[str, Table], codes: dict[str, CodeTable]) -> Standard | None:
    data = shape.root(STANDARD_KEYS)
    for key in ("standard", "prefix", "name", "version", "frequency"):
        if not data.get(key):
            shape.fault(zh=f"缺少键 {key}", en=f"key {key} is missing")
            return None
    folder = shape.document.path.parent
    if data["standard"] != folder.name:
        shape.fault("standard", zh=f"standard 应与目录名 {folder.name} 一致", en=f"standard must be the folder's name, {folder.name}")
    if not tables:
        shape.fault(zh="tables/ 下没有任何表定义", en="there is no table definition under tables/")
    company_codes = shape.text(data.get("company_codes"), "company_codes") or None
    if company_codes and company_codes not in codes:
        zh, en = hint(company_codes, codes)
        shape.fault("company_codes", zh=f"代码表 {company_codes} 不存在{zh}", en=f"code table {company_codes} does not exist{en}")
    effective_from, effective_to = _effective(shape, data.get("effective"), "effective")
    masking = shape.mapping(data.get("masking"), "masking")
    shape.keys(masking, PRIVACY_CLASSES, "masking")
    for key in ("regulator", "basis"):
        shape.texts(data.get(key), key)
    deadline = shape.mapping(data.get("deadline"), "deadline")
    shape.keys(deadline, ("day", "days_after", "postpone"), "deadline")
    for key in ("day", "days_after"):
        shape.number(deadline.get(key), "deadline", key)
    shape.flag(deadline.get("postpone"), "deadline", "postpone")
    return Standard(
        name=shape.text(data["standard"], "standard"), prefix=shape.text(data["prefix"], "prefix"), title=shape.texts(data["name"], "name"),
        version=shape.text(data["version"], "version"), frequency=shape.one_of(data["frequency"], FREQUENCIES, "frequency"),
        on_error=shape.one_of(data.get("on_error"), ("block_package", "hold_transactions"), "on_error", default="block_package"),
        company_codes=company_codes, serial=_serial(shape, data, tables), format=_format(shape, data),
        transaction=_transaction(shape, data, tables), package=_package(shape, data),
        masking={str(key): shape.mapping(value, "masking", key) for key, value in masking.items()}, tables=tables, codes=codes,
        effective_from=effective_from, effective_to=effective_to, family=shape.text(data.get("family"), "family"),
        hold_key=shape.names(data.get("hold_key"), "hold_key"), split_by=_split_by(shape, data, tables), open_ended=shape.day(data.get("open_ended"), "open_ended") or date(9999, 12, 31),
        deadline=deadline, provenance=data.get("provenance", ""), basis=data.get("basis", ""),
        folder=folder, jurisdictions=read_jurisdictions(shape, data.get("jurisdictions"), tables),
    )


def _split_by(shape: Shape, data: dict, tables: dict[str, Table]) -> str | None:
    """The item whose values each get a file of their own (one file per province)."""
    item = shape.text(data.get("split_by"), "split_by") or None
    if item is None:
        return None
    for table in tables.values():
        if table.submitted and not (item in table.by_code and table.by_code[item].type == "text" and table.by_code[item].required):
            shape.fault("split_by", zh=f"表 {table.code} 没有必填的文本数据项 {item}，无法据此拆分文件", en=f"table {table.code} has no required text item {item} to split its file by")
    if "{part}" not in shape.mapping(data.get("format"), "format").get("file_name", ""):
        shape.fault("format", "file_name", zh="有 split_by 时 file_name 应含 {part}", en="with split_by, file_name needs {part}")
    return item


def _serial(shape: Shape, data: dict, tables: dict[str, Table]) -> SerialFormat | None:
    """How serial numbers are built; `serial: null` is a standard without them."""
    if "serial" not in data or data["serial"] is not None:
        return _options(shape, data, "serial", SerialFormat())
    for table in tables.values():
        if any(item.role == "serial" for item in table.items):
            shape.fault("serial", zh=f"serial 为 null，但表 {table.code} 有 role: serial 的数据项", en=f"serial is null, but table {table.code} has an item with role: serial")
    return None


def _transaction(shape: Shape, data: dict, tables: dict[str, Table]) -> SerialFormat | None:
    """How transaction numbers are built; wanted as soon as an item has role: transaction."""
    if data.get("transaction") is not None:
        return _options(shape, data, "transaction", SerialFormat(item=""))
    for table in tables.values():
        if table.transaction_item:
            shape.fault(zh=f"表 {table.code} 有 role: transaction 的数据项，standard.yaml 应有 transaction（编号格式）",
                        en=f"table {table.code} has an item with role: transaction, so standard.yaml needs transaction (the number's form)")
    return None


def _package(shape: Shape, data: dict) -> PackageForm:
    form = _options(shape, data, "package", PackageForm())
    shape.one_of(form.kind, ("folder", "zip"), "package", "kind")
    shape.one_of(form.batch_kind, ("INC", "FAI", "HIS", "DET"), "package", "batch_kind")
    return form


def _effective(shape: Shape, raw: Any, *at: Any) -> tuple[date | None, date | None]:
    """The first and the last day of force; None = open."""
    raw = shape.mapping(raw, *at)
    shape.keys(raw, ("from", "to"), *at)
    first, last = shape.day(raw.get("from"), *at, "from"), shape.day(raw.get("to"), *at, "to")
    if first and last and first > last:
        shape.fault(*at, zh=f"effective：from {first} 晚于 to {last}", en=f"effective: from {first} is after to {last}")
    return first, last


def _options(shape: Shape, data: dict, key: str, defaults: Any) -> Any:
    """A small block whose keys are the fields of a dataclass, each of the type of its default."""
    raw = shape.mapping(data.get(key), key)
    fields = defaults.__dataclass_fields__
    shape.keys(raw, fields, key)
    chosen = {}
    for name, value in raw.items():
        if name not in fields:
            continue
        wanted = getattr(defaults, name)
        if isinstance(wanted, bool):
            chosen[name] = shape.flag(value, key, name)
        elif isinstance(wanted, int):
            chosen[name] = shape.number(value, key, name)
        else:
            chosen[name] = shape.text(value, key, name)
    return replace(defaults, **chosen)


def _format(shape: Shape, data: dict) -> FileFormat:
    raw = shape.mapping(data.get("format"), "format")
    file_format = fixed_options(shape, raw) if raw.get("kind") == "fixed" else _options(shape, data, "format", FileFormat())
    try:
        "".encode(file_format.encoding)
    except LookupError:
        shape.fault("format", "encoding", zh=f"未知编码 {file_format.encoding}", en=f"unknown encoding {file_format.encoding}")
    if file_format.kind not in ("delimited", "fixed"):
        shape.fault("format", "kind", zh=f"不支持的文件格式 {file_format.kind}，应为 delimited 或 fixed", en=f"file format {file_format.kind} is not supported; use delimited or fixed")
    if file_format.length_unit not in ("bytes", "characters"):
        shape.fault("format", "length_unit", zh="length_unit 应为 bytes 或 characters", en="length_unit must be bytes or characters")
    return file_format


def _table(shape: Shape, codes: dict[str, CodeTable]) -> Table | None:
    data = shape.root(TABLE_KEYS)
    for key in ("table", "name", "items"):
        if not data.get(key):
            shape.fault(zh=f"缺少键 {key}", en=f"key {key} is missing")
            return None
    listed = shape.listing(data["items"], "items")
    if not listed:
        return None
    items: dict[str, DataItem] = {}
    for index, raw in enumerate(listed):
        item = _item(shape, index, raw, codes)
        if item is None:
            continue
        if item.code in items:
            shape.fault("items", index, zh=f"数据项 {item.code} 重复", en=f"item {item.code} appears twice")
        items[item.code] = item
    if not any(item.key and not item.assigned for item in items.values()):
        shape.fault("items", zh="没有任何数据项标记 key: true，无法识别一行", en="no item has key: true, so a row cannot be told from another")
    effective_from, effective_to = _effective(shape, data.get("effective"), "effective")
    return Table(
        code=shape.text(data["table"], "table"), name=shape.texts(data["name"], "name"), number=shape.number(data.get("number"), "number"),
        subject=shape.texts(data.get("subject"), "subject"), level=shape.number(data.get("level"), "level"),
        capture=shape.one_of(data.get("capture"), CAPTURES, "capture", default="full"), items=tuple(items.values()),
        provenance=shape.text(data.get("provenance"), "provenance"), note=data.get("note") or "",
        submitted=shape.flag(data.get("submitted"), "submitted", default=True), path=shape.document.path,
        effective_from=effective_from, effective_to=effective_to, reserved=reserved_stretches(shape, data.get("reserved")),
    )


def _item(shape: Shape, index: int, raw: Any, codes: dict[str, CodeTable]) -> DataItem | None:
    at = ("items", index)
    if not isinstance(raw, dict) or not isinstance(raw.get("code"), str):
        shape.fault(*at, zh="数据项缺少 code", en="an item without code")
        return None
    code, item_type = raw["code"], raw.get("type")
    shape.keys(raw, ITEM_KEYS, *at)
    shape.texts(raw.get("note"), *at, "note")
    if item_type not in ITEM_TYPES:
        shape.fault(*at, "type", zh=f"{code} 的类型 {item_type!r} 无效，应为 {'、'.join(ITEM_TYPES)}", en=f"{code}: type {item_type!r} is not one of {', '.join(ITEM_TYPES)}")
        return None
    length = raw.get("length", 10 if item_type == "date" else None)
    if isinstance(length, bool) or not isinstance(length, int) or length < 1:
        shape.fault(*at, zh=f"{code} 缺少有效的 length", en=f"{code} needs a length of at least 1")
        length = 1
    scale = shape.number(raw.get("scale"), *at, "scale")
    if item_type == "decimal" and not scale < length <= 38:
        shape.fault(*at, "length", zh=f"{code}：decimal 的 length 应大于 scale 且不超过 38", en=f"{code}: the length of a decimal must be above its scale and at most 38")
    codes_name = shape.text(raw.get("codes"), *at, "codes") or None
    if codes_name and codes_name not in codes:
        zh, en = hint(codes_name, codes)
        shape.fault(*at, "codes", zh=f"{code} 引用的代码表 {codes_name} 不存在{zh}", en=f"{code} names code table {codes_name}, which does not exist{en}")
    if codes_name and item_type != "text":
        shape.fault(*at, "codes", zh=f"{code} 引用代码表，类型应为 text", en=f"{code} names a code table, so its type must be text")
    effective_from, effective_to = _effective(shape, raw.get("effective"), *at, "effective")
    item = DataItem(
        code=code, name=shape.texts(raw.get("name"), *at, "name"), type=item_type, length=length, scale=scale,
        required=shape.flag(raw.get("required"), *at, "required"), key=shape.flag(raw.get("key"), *at, "key"),
        role=shape.one_of(raw.get("role"), ROLES, *at, "role"), privacy=shape.one_of(raw.get("privacy"), PRIVACY_CLASSES, *at, "privacy"),
        privacy_when=_expression_text(shape, raw.get("privacy_when"), *at, "privacy_when"), codes=codes_name,
        send=shape.one_of(raw.get("send"), ("text", "code"), *at, "send", default="code"), allow=shape.names(raw.get("allow"), *at, "allow"),
        default=raw.get("default"), refs=_reference(shape, code, raw.get("refs"), *at, "refs"),
        provenance=shape.text(raw.get("provenance"), *at, "provenance"), length_provenance=shape.text(raw.get("length_provenance"), *at, "length_provenance"),
        note=raw.get("note") or "", line=shape.document.line(*at),
        effective_from=effective_from, effective_to=effective_to, layout=field_layout(shape, raw, *at),
    )
    wrong = value_fault(item, item.default) if item.default is not None else None
    if wrong:
        shape.fault(*at, "default", zh=f"default：{wrong[0]}", en=f"default: {wrong[1]}")
    return item


def _reference(shape: Shape, code: str, raw: Any, *at: Any) -> Reference | None:
    if raw is None:
        return None
    if not isinstance(raw, dict) or not {"table", "item"} <= set(raw) or set(raw) - {"table", "item", "except", "when"}:
        shape.fault(*at, zh=f"{code}.refs 应含 table、item，可含 except、when", en=f"{code}.refs takes table and item, and may take except and when")
        return None
    return Reference(shape.text(raw["table"], *at, "table"), shape.text(raw["item"], *at, "item"), shape.names(raw.get("except"), *at, "except"),
                     _expression_text(shape, raw.get("when"), *at, "when"))


def _expression_text(shape: Shape, value: Any, *at: Any) -> str | None:
    return shape.text(value, *at) or None
