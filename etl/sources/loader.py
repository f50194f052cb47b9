"""Load source contracts from the pack folders; every fault names file and line."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from etl.errors import EastboundError, raise_problems
from etl.packs.roots import PackRoots
from etl.packs.yamlfile import YamlDocument, read_yaml
from etl.sources.definition import COLUMN_TYPES, LINEAGE, SourceColumn, SourceSystem, SourceTable
from etl.sources.errors import SourceUnknown

SYSTEM_KEYS = ("department", "system", "name", "note", "schema", "tables")
TABLE_KEYS = ("department", "table", "name", "note", "key", "columns", "required_rows", "watermark", "overlap_days")
COLUMN_KEYS = ("name", "type", "length", "precision", "scale", "nullable", "note")
LANGUAGES = ("zh", "en")
MAX_PRECISION = 38


def source_names(roots: PackRoots | None = None) -> list[str]:
    """Names of all core systems that have a contract."""
    return sorted(name for name, folder in (roots or PackRoots.of()).sources().items() if (folder / "source.yaml").is_file())


def load_sources(roots: PackRoots | None = None) -> dict[str, SourceSystem]:
    """All contracts by system name. Raises PackFileBroken, or Problems listing all faults."""
    roots = roots or PackRoots.of()
    errors: list[EastboundError] = []
    systems: dict[str, SourceSystem] = {}
    for name in source_names(roots):
        system = _read_system(roots.sources()[name], errors)
        if system is not None:
            systems[system.name] = system
    raise_problems(errors)
    return systems


def load_source(name: str, roots: PackRoots | None = None) -> SourceSystem:
    """The contract of one system. Raises SourceUnknown, PackFileBroken, or Problems listing all faults."""
    roots = roots or PackRoots.of()
    if name not in source_names(roots):
        raise SourceUnknown(name=name, known=", ".join(source_names(roots)) or "-")
    return load_source_folder(roots.sources()[name])


def load_source_folder(folder: Path) -> SourceSystem:
    """The contract in `folder`/source.yaml (see `load_source`)."""
    errors: list[EastboundError] = []
    system = _read_system(folder, errors)
    raise_problems(errors)
    assert system is not None
    return system


def _read_system(folder: Path, errors: list[EastboundError]) -> SourceSystem | None:
    document = read_yaml(folder / "source.yaml")
    data = document.data
    if not isinstance(data, dict):
        errors.append(document.broken(zh="文件应是键值对", en="the file should hold keys and values"))
        return None
    before = len(errors)
    _known_keys(document, (), data, SYSTEM_KEYS, errors)
    _known_keys(document, ("name",), _mapping(data.get("name")), LANGUAGES, errors)
    if data.get("system") != folder.name:
        errors.append(document.broken("system", zh=f"system 应与目录名 {folder.name} 一致", en=f"system must be the folder's name, {folder.name}"))
    tables: dict[str, SourceTable] = {}
    for index, raw in enumerate(_list(document, ("tables",), data.get("tables"), errors)):
        table = _table(document, index, raw, errors)
        if table is not None and table.name in tables:
            errors.append(document.broken("tables", index, zh=f"表 {table.name} 重复，删除其中一个", en=f"table {table.name} appears twice; remove one"))
        elif table is not None:
            tables[table.name] = table
    if len(errors) > before:
        return None
    return SourceSystem(name=folder.name, title=_texts(data.get("name")), tables=tables, schema=data.get("schema"),
                        note=str(data.get("note") or ""), department=_plain_text(document, (), data, errors), path=document.path)


def _table(document: YamlDocument, index: int, raw: Any, errors: list[EastboundError]) -> SourceTable | None:
    at = ("tables", index)
    if not isinstance(raw, dict) or not isinstance(raw.get("table"), str):
        errors.append(document.broken(*at, zh="缺少 table（表名）", en="a table without its name: add `table`"))
        return None
    name = raw["table"]
    _known_keys(document, at, raw, TABLE_KEYS, errors)
    _known_keys(document, (*at, "name"), _mapping(raw.get("name")), LANGUAGES, errors)
    columns: dict[str, SourceColumn] = {}
    declared = [str(c["name"]) for c in raw.get("columns") or () if isinstance(c, dict) and "name" in c]
    for position, raw_column in enumerate(_list(document, (*at, "columns"), raw.get("columns"), errors)):
        column = _column(document, (*at, "columns", position), name, raw_column, errors)
        if column is None:
            continue
        # Databases fold case in different ways, so two names that differ in case only cannot be told apart.
        if column.name.lower() in (known.lower() for known in columns):
            errors.append(document.broken(*at, "columns", position, zh=f"{name}.{column.name} 重复", en=f"{name}.{column.name} appears twice"))
        columns[column.name] = column
    key = tuple(str(part) for part in _list(document, (*at, "key"), raw.get("key"), errors))
    for part in key:
        if part not in declared:
            hint_zh, hint_en = _hint(part, declared)
            errors.append(document.broken(*at, "key", zh=f"{name} 的键列 {part} 不在 columns 中{hint_zh}", en=f"key column {part} of {name} is not among its columns{hint_en}"))
    if not isinstance(raw.get("required_rows", False), bool):
        errors.append(document.broken(*at, "required_rows", zh="required_rows 应为 true 或 false", en="required_rows must be true or false"))
    return SourceTable(name=name, title=_texts(raw.get("name")), key=key, columns=tuple(columns.values()),
                       required_rows=bool(raw.get("required_rows", False)), line=document.line(*at),
                       department=_plain_text(document, at, raw, errors), **_watermark(document, at, raw, key, columns, errors))


def _watermark(document: YamlDocument, at: tuple, raw: dict, key: tuple[str, ...], columns: dict[str, SourceColumn], errors: list[EastboundError]) -> dict[str, Any]:
    """The table's watermark, checked: a column of its own beside the key."""
    name, days = raw.get("watermark"), raw.get("overlap_days", 1)
    if isinstance(days, bool) or not isinstance(days, int) or days < 0:
        errors.append(document.broken(*at, "overlap_days", zh="overlap_days 应为不小于 0 的整数", en="overlap_days must be a whole number, 0 or more"))
        return {}
    if name is None:
        if "overlap_days" in raw:
            errors.append(document.broken(*at, "overlap_days", zh="没有 watermark 的表不用 overlap_days", en="a table without watermark has no use for overlap_days"))
        return {}
    if name not in columns or name in key:
        hint_zh, hint_en = _hint(str(name), [column for column in columns if column not in key])
        errors.append(document.broken(*at, "watermark", zh=f"watermark 应是主键之外的一列，而不是 {name}{hint_zh}", en=f"watermark must be a column beside the key, not {name}{hint_en}"))
        return {}
    return {"watermark": name, "overlap_days": days}


def _plain_text(document: YamlDocument, at: tuple, raw: dict, errors: list[EastboundError]) -> str:
    value = raw.get("department")
    if value is None or (isinstance(value, str) and value.strip()):
        return (value or "").strip()
    errors.append(document.broken(*at, "department", zh="department 应写部门名称", en="department should be the name of a department"))
    return ""


def _column(document: YamlDocument, at: tuple, table: str, raw: Any, errors: list[EastboundError]) -> SourceColumn | None:
    if not isinstance(raw, dict) or not isinstance(raw.get("name"), str):
        errors.append(document.broken(*at, zh=f"{table} 有一列缺少 name", en=f"a column of {table} without its name"))
        return None
    name, kind = raw["name"], raw.get("type")
    where = f"{table}.{name}"
    _known_keys(document, at, raw, COLUMN_KEYS, errors)
    if name in LINEAGE:
        errors.append(document.broken(*at, "name", zh=f"{where}：该列名保留给血缘列", en=f"{where}: the name is kept for lineage columns"))
    if kind not in COLUMN_TYPES:
        errors.append(document.broken(*at, "type", zh=f"{where} 的类型 {kind!r} 无效，应为 {'、'.join(COLUMN_TYPES)}",
                                      en=f"{where}: type {kind!r} is not one of {', '.join(COLUMN_TYPES)}"))
        return None
    for option in ("length", "precision", "scale"):
        value = raw.get(option, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < (0 if option == "scale" else 1):
            errors.append(document.broken(*at, option, zh=f"{where} 的 {option} 应为整数", en=f"{where}: {option} must be a whole number"))
            return None
    precision, scale = 0, 0
    if kind == "decimal":
        precision, scale = int(raw.get("precision", 0)), int(raw.get("scale", 0))
        if not (1 <= precision <= MAX_PRECISION and 0 <= scale <= precision):
            errors.append(document.broken(*at, zh=f"{where}：decimal 需要 precision（1 到 {MAX_PRECISION}）和不大于它的 scale",
                                          en=f"{where}: a decimal needs a precision of 1 to {MAX_PRECISION} and a scale no larger"))
            return None
    if not isinstance(raw.get("nullable", True), bool):
        errors.append(document.broken(*at, "nullable", zh=f"{where} 的 nullable 应为 true 或 false", en=f"{where}: nullable must be true or false"))
    return SourceColumn(name=name, type=kind, length=raw.get("length"), precision=precision, scale=scale,
                        nullable=raw.get("nullable", True) is not False, note=str(raw.get("note") or ""), line=document.line(*at))


def _list(document: YamlDocument, at: tuple, value: Any, errors: list[EastboundError]) -> list:
    if isinstance(value, list) and value:
        return value
    errors.append(document.broken(*at, zh=f"{at[-1]} 应是非空列表", en=f"{at[-1]} must be a list that is not empty"))
    return []


def _mapping(value: Any) -> dict:
    return value if isinstance(value, dict) else {}


def _known_keys(document: YamlDocument, at: tuple, data: dict, known: tuple[str, ...], errors: list[EastboundError]) -> None:
    for key in data:
        if key not in known:
            hint_zh, hint_en = _hint(str(key), known)
            errors.append(document.broken(*at, key, zh=f"未知键 {key}{hint_zh}", en=f"unknown key {key}{hint_en}"))


def _hint(name: str, known: Any) -> tuple[str, str]:
    near = get_close_matches(name, list(known), 1)
    return (f"，是否指 {near[0]}？", f"; did you mean {near[0]}?") if near else ("", "")


def _texts(value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {str(k): str(v) for k, v in value.items()}
    return {"zh": str(value)} if value else {}
