"""Load a standard from its pack folder; everything is validated, and every fault names file and line."""

from __future__ import annotations

from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from etl.errors import EastboundError, raise_problems
from etl.packs.roots import PackRoots
from etl.packs.yamlfile import YamlDocument, read_yaml
from etl.standard.codes import load_codes
from etl.standard.definition import CodeTable, DataItem, FileFormat, Reference, SerialFormat, Standard, Table

ITEM_TYPES = ("text", "integer", "decimal", "date")
ROLES = ("serial", "company_code", "company_name")
PRIVACY_CLASSES = ("name", "id_number", "phone", "account", "email", "address")
ITEM_KEYS = {
    "code", "name", "type", "length", "scale", "required", "key", "role", "privacy", "privacy_when", "codes", "send",
    "allow", "default", "refs", "provenance", "length_provenance", "note",
}
TABLE_KEYS = {"table", "number", "name", "subject", "level", "capture", "provenance", "note", "submitted", "items"}
STANDARD_KEYS = {
    "standard", "prefix", "name", "version", "regulator", "basis", "provenance", "effective", "frequency", "deadline",
    "on_error", "hold_key", "company_codes", "serial", "format", "open_ended", "masking", "note",
}


class StandardUnknown(EastboundError):
    zh = "没有名为 {name} 的标准。可用：{known}"
    en = "there is no standard named {name}. Known: {known}"


class CyclicReference(EastboundError):
    zh = "{path}：表间引用成环 {cycle}，装载顺序无法确定；去掉其中一个 refs"
    en = "{path}: the references form a cycle {cycle}, so no load order exists; remove one of the refs"


def standard_names(roots: PackRoots | None = None) -> list[str]:
    """Names of all standards in the pack folders."""
    folders = (roots or PackRoots.of()).folders("mappings", "standards")
    return sorted(name for name, path in folders.items() if (path / "standard.yaml").is_file())


def load_standard(name: str, roots: PackRoots | None = None) -> Standard:
    """Load the standard `name`. Raises StandardUnknown, PackFileBroken, or Problems listing all faults."""
    roots = roots or PackRoots.of()
    folder = roots.standard(name)
    if folder is None or not (folder / "standard.yaml").is_file():
        raise StandardUnknown(name=name, known=", ".join(standard_names(roots)) or "-")
    return load_standard_folder(folder)


def load_standard_folder(folder: Path) -> Standard:
    """Load the standard in `folder` (see `load_standard`)."""
    document = read_yaml(folder / "standard.yaml")
    errors: list[EastboundError] = []
    codes = load_codes(folder / "codes", errors)
    tables: dict[str, Table] = {}
    documents: dict[str, YamlDocument] = {}
    for path in sorted((folder / "tables").glob("*.yaml")):
        table_document = read_yaml(path)
        table = _table(table_document, codes, errors)
        if table is None:
            continue
        if table.code in tables:
            errors.append(table_document.broken("table", zh=f"表 {table.code} 已在 {tables[table.code].path} 定义",
                                                en=f"table {table.code} is already defined in {tables[table.code].path}"))
        tables[table.code] = table
        documents[table.code] = table_document
    standard = _standard(document, tables, codes, errors)
    _check_references(tables, documents, errors)
    raise_problems(errors)
    assert standard is not None
    return standard


def _standard(document: YamlDocument, tables: dict[str, Table], codes: dict[str, CodeTable],
              errors: list[EastboundError]) -> Standard | None:
    data = _mapping(document, (), errors)
    _known_keys(document, (), data, STANDARD_KEYS, errors)
    for key in ("standard", "prefix", "name", "version", "frequency"):
        if key not in data:
            errors.append(document.broken(zh=f"缺少键 {key}", en=f"key {key} is missing"))
            return None
    if not tables:
        errors.append(document.broken(zh="tables/ 下没有任何表定义", en="there is no table definition under tables/"))
    on_error = data.get("on_error", "block_package")
    if on_error not in ("block_package", "hold_transactions"):
        errors.append(document.broken("on_error", zh=f"on_error 的值 {on_error!r} 无效，应为 block_package 或 hold_transactions",
                                      en=f"on_error {on_error!r} is not block_package or hold_transactions"))
    file_format = FileFormat()
    raw_format = data.get("format") or {}
    unknown = set(raw_format) - set(FileFormat.__dataclass_fields__)
    if unknown:
        errors.append(document.broken("format", sorted(unknown)[0], zh=f"format 中有未知键 {', '.join(sorted(unknown))}",
                                      en=f"unknown key(s) in format: {', '.join(sorted(unknown))}"))
    else:
        file_format = FileFormat(**raw_format)
        _check_format(document, file_format, errors)
    company_codes = data.get("company_codes")
    if company_codes and company_codes not in codes:
        errors.append(document.broken("company_codes", zh=f"代码表 {company_codes} 不存在", en=f"code table {company_codes} does not exist"))
    effective = data.get("effective") or {}
    return Standard(
        name=str(data["standard"]), prefix=str(data["prefix"]), title=_texts(data["name"]), version=str(data["version"]),
        frequency=str(data["frequency"]), on_error=on_error, company_codes=company_codes,
        serial=SerialFormat(**(data.get("serial") or {})), format=file_format, masking=data.get("masking") or {},
        tables=tables, codes=codes, effective_from=effective.get("from"), effective_to=effective.get("to"),
        hold_key=tuple(data.get("hold_key") or ()), open_ended=data.get("open_ended") or date(9999, 12, 31),
        deadline=data.get("deadline") or {}, provenance=data.get("provenance", ""), basis=data.get("basis", ""),
        folder=document.path.parent,
    )


def _check_format(document: YamlDocument, file_format: FileFormat, errors: list[EastboundError]) -> None:
    try:
        "".encode(file_format.encoding)
    except LookupError:
        errors.append(document.broken("format", "encoding", zh=f"未知编码 {file_format.encoding}", en=f"unknown encoding {file_format.encoding}"))
    if file_format.kind != "delimited":
        errors.append(document.broken("format", "kind", zh=f"不支持的文件格式 {file_format.kind}，目前支持 delimited",
                                      en=f"file format {file_format.kind} is not supported; use delimited"))
    if file_format.length_unit not in ("bytes", "characters"):
        errors.append(document.broken("format", "length_unit", zh="length_unit 应为 bytes 或 characters", en="length_unit must be bytes or characters"))


def _table(document: YamlDocument, codes: dict[str, CodeTable], errors: list[EastboundError]) -> Table | None:
    data = _mapping(document, (), errors)
    _known_keys(document, (), data, TABLE_KEYS, errors)
    for key in ("table", "name", "items"):
        if not data.get(key):
            errors.append(document.broken(zh=f"缺少键 {key}", en=f"key {key} is missing"))
            return None
    items: list[DataItem] = []
    seen: set[str] = set()
    for index, raw in enumerate(data["items"]):
        item = _item(document, index, raw, codes, errors)
        if item is None:
            continue
        if item.code in seen:
            errors.append(document.broken("items", index, zh=f"数据项 {item.code} 重复", en=f"item {item.code} appears twice"))
        seen.add(item.code)
        items.append(item)
    submitted = bool(data.get("submitted", True))
    if not any(item.key for item in items):
        errors.append(document.broken("items", zh="没有任何数据项标记 key: true，无法识别一行", en="no item has key: true, so a row cannot be told from another"))
    return Table(
        code=str(data["table"]), name=_texts(data["name"]), number=int(data.get("number") or 0), subject=_texts(data.get("subject")),
        level=int(data.get("level") or 0), capture=str(data.get("capture") or "full"), items=tuple(items),
        provenance=str(data.get("provenance") or ""), note=data.get("note") or "", submitted=submitted, path=document.path,
    )


def _item(document: YamlDocument, index: int, raw: Any, codes: dict[str, CodeTable], errors: list[EastboundError]) -> DataItem | None:
    at = ("items", index)
    if not isinstance(raw, dict) or "code" not in raw:
        errors.append(document.broken(*at, zh="数据项缺少 code", en="an item without code"))
        return None
    code = raw["code"]
    _known_keys(document, at, raw, ITEM_KEYS, errors)
    item_type = raw.get("type")
    if item_type not in ITEM_TYPES:
        errors.append(document.broken(*at, "type", zh=f"{code} 的类型 {item_type!r} 无效，应为 {'、'.join(ITEM_TYPES)}",
                                      en=f"{code}: type {item_type!r} is not one of {', '.join(ITEM_TYPES)}"))
        return None
    length = raw.get("length", 10 if item_type == "date" else None)
    if not isinstance(length, int) or length < 1:
        errors.append(document.broken(*at, zh=f"{code} 缺少有效的 length", en=f"{code} needs a length of at least 1"))
        length = 1
    for key, allowed in (("role", ROLES), ("privacy", PRIVACY_CLASSES), ("send", ("text", "code"))):
        if raw.get(key) is not None and raw[key] not in allowed:
            errors.append(document.broken(*at, key, zh=f"{code}.{key} 的值 {raw[key]!r} 无效，应为 {'、'.join(allowed)}",
                                          en=f"{code}.{key} {raw[key]!r} is not one of {', '.join(allowed)}"))
    if raw.get("codes") and raw["codes"] not in codes:
        near = get_close_matches(str(raw["codes"]), codes, 1)
        hint_zh, hint_en = (f"；是否指 {near[0]}？", f"; did you mean {near[0]}?") if near else ("", "")
        errors.append(document.broken(*at, "codes", zh=f"{code} 引用的代码表 {raw['codes']} 不存在{hint_zh}",
                                      en=f"{code} names code table {raw['codes']}, which does not exist{hint_en}"))
    refs = raw.get("refs")
    reference = None
    if refs:
        if not isinstance(refs, dict) or not {"table", "item"} <= set(refs) or set(refs) - {"table", "item", "except", "when"}:
            errors.append(document.broken(*at, "refs", zh=f"{code}.refs 应含 table、item，可含 except、when",
                                          en=f"{code}.refs takes table and item, and may take except and when"))
        else:
            reference = Reference(refs["table"], refs["item"], tuple(str(v) for v in refs.get("except") or ()), refs.get("when"))
    default = raw.get("default")
    return DataItem(
        code=str(code), name=_texts(raw.get("name")), type=item_type, length=length, scale=int(raw.get("scale") or 0),
        required=bool(raw.get("required")), key=bool(raw.get("key")), role=raw.get("role"), privacy=raw.get("privacy"),
        privacy_when=raw.get("privacy_when"), codes=raw.get("codes"), send=raw.get("send") or "code",
        allow=tuple(str(v) for v in raw.get("allow") or ()), default=default, refs=reference,
        provenance=str(raw.get("provenance") or ""), length_provenance=str(raw.get("length_provenance") or ""),
        note=raw.get("note") or "", line=document.line(*at),
    )


def _check_references(tables: dict[str, Table], documents: dict[str, YamlDocument], errors: list[EastboundError]) -> None:
    edges: dict[str, set[str]] = {code: set() for code in tables}
    for table in tables.values():
        for index, item in enumerate(table.items):
            if not item.refs:
                continue
            target = tables.get(item.refs.table)
            if target is None or item.refs.item not in target.by_code:
                errors.append(documents[table.code].broken(
                    "items", index, "refs", zh=f"{item.code} 引用的 {item.refs.table}.{item.refs.item} 不存在",
                    en=f"{item.code} refers to {item.refs.table}.{item.refs.item}, which does not exist"))
            elif target.code != table.code:
                edges[table.code].add(target.code)
    cycle = _find_cycle(edges)
    if cycle:
        errors.append(CyclicReference(path=str(documents[cycle[0]].path), cycle=" -> ".join(cycle)))


def _find_cycle(edges: dict[str, set[str]]) -> list[str] | None:
    """A cycle in the reference graph as a list that ends where it began, or None."""
    done: set[str] = set()
    trail: list[str] = []

    def visit(node: str) -> list[str] | None:
        if node in trail:
            return [*trail[trail.index(node):], node]
        if node in done:
            return None
        trail.append(node)
        for target in sorted(edges.get(node, ())):
            found = visit(target)
            if found:
                return found
        trail.pop()
        done.add(node)
        return None

    for start in sorted(edges):
        found = visit(start)
        if found:
            return found
    return None


def _mapping(document: YamlDocument, at: tuple, errors: list[EastboundError]) -> dict:
    if isinstance(document.data, dict):
        return document.data
    errors.append(document.broken(*at, zh="文件应是键值对", en="the file should hold keys and values"))
    return {}


def _known_keys(document: YamlDocument, at: tuple, data: dict, known: set[str], errors: list[EastboundError]) -> None:
    for key in data:
        if key not in known:
            near = get_close_matches(str(key), known, 1)
            hint_zh, hint_en = (f"，是否指 {near[0]}？", f"; did you mean {near[0]}?") if near else ("", "")
            errors.append(document.broken(*at, key, zh=f"未知键 {key}{hint_zh}", en=f"unknown key {key}{hint_en}"))


def _texts(value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {str(k): str(v) for k, v in value.items()}
    return {"zh": str(value)} if value else {}
