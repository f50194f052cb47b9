"""The JSON Schemas against the packs and against the loaders: the same keys are known to both, and any other is refused by both."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import full_pack
import pytest
import yaml
from jsonschema import Draft202012Validator

from etl.errors import EastboundError
from etl.figures import loader as figures
from etl.figures import reconciliation_loader as reconciliations
from etl.figures.loader import load_figures
from etl.figures.reconciliation_loader import load_reconciliations
from etl.mapping.loader import load_mappings, source_columns
from etl.packs.roots import PackRoots, builtin_root
from etl.packs.shape import Shape
from etl.packs.yamlfile import _Constructor, read_yaml
from etl.privacy.transforms import validate_spec
from etl.profiles import loader as profiles
from etl.rules.loader import FILE_KEYS, RULE_KEYS, load_rules
from etl.rules.overlays import SILENCE_KEYS, TIGHTEN_KEYS, overlays
from etl.sources import loader as sources
from etl.standard import jurisdictions
from etl.standard import loader as standards
from etl.standard.definition import Standard
from etl.standard.layout_loader import ENVELOPE_KEYS, FIXED_KEYS
from etl.standard.workbook.columnmap import load_map
from etl.submission import local_format
from etl.submission.local_format import load_local_format
from etl.workspace import Workspace

SCHEMAS = {path.name.removesuffix(".schema.json"): json.loads(path.read_text(encoding="utf-8"))
           for path in sorted((Path(__file__).parents[2] / "schemas").glob("*.schema.json"))}
NAMES = ("codes", "columns", "figures", "format", "mapping", "profiles", "reconciliations", "rules", "source", "standard", "table", "workspace")


def kind_of(name: str) -> str:
    """The schema for a file, by its path inside a pack root."""
    parts = name.split("/")
    if parts[-1] in ("standard.yaml", "source.yaml", "workspace.yaml"):
        return parts[-1].removesuffix(".yaml")
    if parts[-1] in ("figures.yaml", "format.yaml", "profiles.yaml", "reconciliations.yaml"):
        return parts[-1].removesuffix(".yaml")
    if parts[0] in ("validation_rules", "columns"):
        return {"validation_rules": "rules"}.get(parts[0], parts[0])
    return {"tables": "table", "codes": "codes"}.get(parts[-2], "mapping")


def plain(value: Any) -> Any:
    """As an editor's YAML parser gives it: dates are texts."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value


def faults(kind: str, value: Any) -> list[str]:
    return [f"{list(error.absolute_path)}: {error.message[:200]}" for error in Draft202012Validator(SCHEMAS[kind]).iter_errors(plain(value))]


def resolved(schema: dict, node: dict) -> dict:
    return schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def choices(schema: dict, node: dict) -> list[dict]:
    """The forms that a value may have."""
    node = resolved(schema, node)
    if "properties" in node:
        return [node]
    if "then" in node:
        return choices(schema, node["then"]) + choices(schema, node["else"])
    return [form for one in node["oneOf"] for form in choices(schema, one)] if "oneOf" in node else [node]


def blocks(schema: dict, node: dict, value: Any, at: tuple = ()) -> Iterator[tuple[dict, dict, tuple]]:
    """(schema's block, mapping in the data, its place) for every mapping with known keys inside `value`."""
    fitting = [form for form in choices(schema, node) if Draft202012Validator({**form, "$defs": schema.get("$defs", {})}).is_valid(plain(value))]
    assert fitting, at
    form = fitting[0]
    if isinstance(value, dict):
        if "properties" in form:
            yield form, value, at
        for key, one in value.items():
            inside = form.get("properties", {}).get(key) or form.get("additionalProperties")
            if isinstance(inside, dict):
                yield from blocks(schema, inside, one, (*at, key))
    elif isinstance(value, list) and "items" in form:
        for index, one in enumerate(value):
            yield from blocks(schema, form["items"], one, (*at, index))


def blocks_of(name: str) -> list[tuple[dict, dict, tuple]]:
    schema = SCHEMAS[kind_of(name)]
    return list(blocks(schema, schema, yaml_of(name)))


def yaml_of(name: str) -> Any:
    return yaml.load(full_pack.FILES[name], _Constructor)  # `on` is a text in packs


def load_everything(root: Path) -> None:
    """What a run would load."""
    roots = PackRoots((root,))
    for name in ("full_2026", "plain_2026"):
        standard = load_whole_standard(name, roots)
        load_rules(standard, roots)
        for jurisdiction in overlays(name, roots):
            load_rules(standard, roots, jurisdiction=jurisdiction)
            load_local_format(standard, jurisdiction, roots)
        profiles.load_expectations(standard, roots)
        load_mappings(standard, source_columns(sources.load_sources(roots)), roots)
    plain = load_whole_standard("plain_2026", roots)
    load_reconciliations(plain, load_figures(plain, roots), roots)
    for path in sorted((root / "columns").glob("*.yaml")):
        load_map(path)
    Workspace.open(root)


def load_whole_standard(name: str, roots: PackRoots) -> Standard:
    standard = standards.load_standard(name, roots)
    for privacy, spec in standard.masking.items():
        validate_spec(privacy, spec)
    return standard


def load_one(root: Path, name: str) -> None:
    """What reads the file `name`, and no more."""
    roots, kind, pack = PackRoots((root,)), kind_of(name), "plain_2026" if "plain_2026" in name else "full_2026"
    if kind == "workspace":
        Workspace.open((root / name).parent)
    elif kind == "columns":
        load_map(root / name)
    elif kind == "source":
        sources.load_sources(roots)
    elif kind in ("figures", "reconciliations"):
        plain = standards.load_standard(pack, roots)
        load_reconciliations(plain, load_figures(plain, roots), roots)
    elif kind == "profiles":
        profiles.load_expectations(standards.load_standard(pack, roots), roots)
    elif kind == "format":
        load_local_format(standards.load_standard(pack, roots), Path(name).parent.name, roots)
    elif kind == "rules":
        load_rules(standards.load_standard(pack, roots), roots, jurisdiction=Path(name).parent.name if "/local/" in name else None)
    elif kind == "mapping":
        load_mappings(standards.load_standard(pack, roots), source_columns(sources.load_sources(roots)), roots)
    else:
        load_whole_standard(pack, roots)


YAML_FILES = [name for name in full_pack.FILES if name.endswith(".yaml")]


def test_each_kind_of_file_has_a_schema_that_is_one():
    assert tuple(SCHEMAS) == NAMES
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)


def test_every_key_is_explained_in_both_languages():
    def unexplained(node: Any, at: tuple) -> Iterator[tuple]:
        if isinstance(node, dict):
            for key, one in node.get("properties", {}).items() if node.get("type") == "object" else ():
                if not (one.get("title", "").strip() and any("一" <= c <= "鿿" for c in one["title"]) and one.get("description", "").endswith(".")):
                    yield (*at, key)
        for key, one in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            yield from unexplained(one, (*at, key))

    assert [place for name, schema in SCHEMAS.items() for place in unexplained(schema, (name,))] == []


def test_every_pack_file_fits_its_schema():
    root, broken, seen = builtin_root(), {}, 0
    for path in sorted([*root.glob("mappings/**/*.yaml"), *root.glob("validation_rules/**/*.yaml")]):
        name = path.relative_to(root).as_posix()
        found = faults(kind_of(name), read_yaml(path).data)
        seen += 1
        if found:
            broken[name] = found
    built_in = Path(standards.__file__).parent / "workbook/layout.yaml"
    assert broken == {} and faults("columns", read_yaml(built_in).data) == []
    assert seen > 50


def test_the_full_pack_uses_every_key_and_is_taken_by_schemas_and_loaders(tmp_path):
    load_everything(full_pack.write(tmp_path))
    used: dict[int, set[str]] = {}
    forms: dict[int, tuple[str, dict]] = {}
    for name in YAML_FILES:
        assert faults(kind_of(name), read_yaml(tmp_path / name).data) == [], name
        for form, value, _ in blocks_of(name):
            used.setdefault(id(form), set()).update(value)
            forms[id(form)] = (name, form)
    assert [(name, set(form["properties"]) - used[key]) for key, (name, form) in forms.items() if set(form["properties"]) - used[key]] == []

    def all_forms(node: Any) -> Iterator[dict]:
        if isinstance(node, dict):
            if isinstance(node.get("properties"), dict) and node.get("additionalProperties") is False:
                yield node
            for one in node.values():
                yield from all_forms(one)
        elif isinstance(node, list):
            for one in node:
                yield from all_forms(one)

    assert [form.get("title", form) for schema in SCHEMAS.values() for form in all_forms(schema) if id(form) not in used] == []


def test_the_key_sets_of_the_loaders_are_those_of_the_schemas():
    def keys(name: str, part: str = "") -> set[str]:
        return set((SCHEMAS[name]["$defs"][part] if part else SCHEMAS[name])["properties"])

    assert keys("standard") == standards.STANDARD_KEYS
    assert keys("standard", "fixed") == FIXED_KEYS
    assert keys("standard", "envelope") == ENVELOPE_KEYS
    assert keys("standard", "jurisdictions") == set(jurisdictions.KEYS)
    assert keys("standard", "directory") == set(jurisdictions.DIRECTORY_KEYS)
    assert keys("standard", "head") == set(jurisdictions.HEAD_KEYS)
    assert keys("standard", "placing") == set(jurisdictions.STEP_KEYS)
    assert keys("format") == set(local_format.KEYS)
    assert keys("table") == standards.TABLE_KEYS
    assert keys("table", "item") == standards.ITEM_KEYS
    assert keys("rules") == set(FILE_KEYS)
    assert keys("rules", "rule") == RULE_KEYS
    assert keys("rules", "tighten") == set(TIGHTEN_KEYS)
    assert keys("rules", "silence") == set(SILENCE_KEYS)
    assert keys("figures", "rowSet") == figures.ROW_KEYS
    assert keys("figures", "figure") == figures.FIGURE_KEYS
    assert keys("reconciliations", "reconciliation") == reconciliations.KEYS
    assert keys("reconciliations", "term") == reconciliations.TERM_KEYS
    assert keys("profiles") == profiles.FILE_KEYS
    assert keys("profiles", "expectation") == profiles.KEYS
    assert keys("source") == set(sources.SYSTEM_KEYS)
    assert keys("source", "sourceTable") == set(sources.TABLE_KEYS)
    assert keys("source", "column") == set(sources.COLUMN_KEYS)


def test_every_block_that_a_loader_reads_has_the_keys_of_its_schema(tmp_path, monkeypatch):
    asked: dict[tuple[str, tuple], set[str]] = {}
    take = Shape.keys

    def remember(self: Shape, data: dict, known: Any, *at: Any) -> None:
        known = list(known)
        asked[(self.document.path.relative_to(tmp_path).as_posix(), at)] = set(known)
        take(self, data, known, *at)

    monkeypatch.setattr(Shape, "keys", remember)
    load_everything(full_pack.write(tmp_path))
    there = {(name, at): set(form["properties"]) for name in YAML_FILES for form, _, at in blocks_of(name)}
    compared = {place: known for place, known in asked.items() if place in there}
    assert {place: known ^ there[place] for place, known in compared.items() if known != there[place]} == {}
    assert len(compared) > 60


PLACES = [(name, at) for name in YAML_FILES for _, _, at in blocks_of(name)]


def refused(root: Path, name: str, spoil: Callable[[Any], None]) -> bool:
    """Whether the loaders refuse `name` after `spoil`; schemas must say the same."""
    document = yaml_of(name)
    spoil(document)
    assert faults(kind_of(name), document), "the schema accepts it"
    (root / name).write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
    try:
        load_one(root, name)
    except EastboundError:
        return True
    finally:
        (root / name).write_text(full_pack.FILES[name], encoding="utf-8")
    return False


def inside(document: Any, at: tuple) -> Any:
    for key in at:
        document = document[key]
    return document


def test_a_typo_is_refused_by_both_wherever_it_stands(tmp_path):
    root = full_pack.write(tmp_path)
    taken = [(name, at) for name, at in PLACES if not refused(root, name, lambda document, at=at: inside(document, at).update({"typpo": 1}))]
    assert taken == []


# Blocks whose keys a loader names where it reads them: what is a key elsewhere must not pass here.
INLINE = [(f"{full_pack.STANDARD}/tables/BD.yaml", ("items", 5, "refs")), (f"{full_pack.RULES}/BD.yaml", ("rules", 1, "relation")),
          (f"{full_pack.RULES}/BD.yaml", ("rules", 3, "reconcile", "left")), (f"{full_pack.SOURCE}/full_2026/BD.yaml", ("branches", 0, "joins", 0)),
          (f"{full_pack.SOURCE}/full_2026/BD.yaml", ("branches", 0, "items", "TN")), ("workspace.yaml", ())]


@pytest.mark.parametrize(("name", "at"), INLINE)
def test_a_key_of_another_block_is_refused_by_both(name, at, tmp_path):
    root = full_pack.write(tmp_path)
    own = next(set(form["properties"]) for form, _, place in blocks_of(name) if place == at)
    elsewhere = {"where", "when", "values", "value", "by", "note", "items", "table", "default", "aggregate", "to_where", "tolerance", "left", "except", "expected"} - own
    taken = [key for key in sorted(elsewhere) if not refused(root, name, lambda document, key=key: inside(document, at).update({key: copy.deepcopy(1)}))]
    assert taken == []


@pytest.mark.parametrize(("name", "at", "value"), [
    (f"{full_pack.STANDARD}/standard.yaml", ("frequency",), "weekly"), (f"{full_pack.STANDARD}/standard.yaml", ("on_error",), "block"),
    (f"{full_pack.STANDARD}/standard.yaml", ("format", "sign"), "left"), (f"{full_pack.STANDARD}/standard.yaml", ("package", "batch_kind"), "NEW"),
    (f"{full_pack.STANDARD}/standard.yaml", ("masking", "name", "transform"), "hash"), (f"{full_pack.STANDARD}/standard.yaml", ("masking", "name", "bits"), 100),
    (f"{full_pack.STANDARD}/tables/BD.yaml", ("capture",), "all"), (f"{full_pack.STANDARD}/tables/BD.yaml", ("items", 2, "required"), "no"),
    (f"{full_pack.STANDARD}/tables/BD.yaml", ("items", 2, "type"), "string"), (f"{full_pack.STANDARD}/tables/BD.yaml", ("items", 2, "position"), 0),
    (f"{full_pack.STANDARD}/tables/BD.yaml", ("items", 4, "privacy"), "secret"), (f"{full_pack.RULES}/BD.yaml", ("rules", 0, "severity"), "fatal"),
    (f"{full_pack.RULES}/BD.yaml", ("rules", 0, "family"), "cross"), (f"{full_pack.RULES}/BD.yaml", ("rules", 3, "reconcile", "tolerance"), -1),
    (f"{full_pack.RULES}/profiles.yaml", ("expectations", 0, "measure"), "volume"), (f"{full_pack.RULES}/profiles.yaml", ("expectations", 1, "rise"), 1.5),
    (f"{full_pack.RULES}/profiles.yaml", ("expectations", 0, "down"), -0.1), (f"{full_pack.RULES}/profiles.yaml", ("expectations", 0, "against"), "last"),
    (f"{full_pack.RULES}/profiles.yaml", ("history",), 0), (f"{full_pack.RULES}/profiles.yaml", ("expectations", 2, "at_least"), "low"),
    (f"{full_pack.SOURCE}/source.yaml", ("tables", 0, "columns", 0, "type"), "varchar"), (f"{full_pack.SOURCE}/source.yaml", ("tables", 0, "key"), []),
    (f"{full_pack.SOURCE}/source.yaml", ("tables", 0, "overlap_days"), -1), (f"{full_pack.SOURCE}/source.yaml", ("tables", 0, "watermark"), 5),
    ("workspace.yaml", ("capture_base",), "last"),
    ("workspace.yaml", ("openlineage", "transport", "type"), "kafka"), ("workspace.yaml", ("openlineage", "transport", "timeout"), 0),
    ("workspace.yaml", ("openlineage", "transport", "verify"), "no"), ("workspace.yaml", ("openlineage", "transport", "compression"), "zip"),
    ("workspace.yaml", ("openlineage", "transport", "custom_headers"), {"X-Number": 1}), ("workspace.yaml", ("openlineage", "transport", "auth"), "key"),
    (f"{full_pack.SOURCE}/full_2026/BD.yaml", ("branches", 0, "from"), "Pol"), (f"{full_pack.SOURCE}/full_2026/BD.yaml", ("branches", 0, "items", "ZT", "default"), False),
    ("workspace.yaml", ("approvers",), []), ("workspace.yaml", ("approvers",), "li"), ("workspace.yaml", ("approvers", 0), " "),
])
def test_a_wrong_value_is_refused_by_both(name, at, value, tmp_path):
    assert refused(full_pack.write(tmp_path), name, lambda document: inside(document, at[:-1]).__setitem__(at[-1], value))
