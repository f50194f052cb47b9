"""The reference of keys is what the schemas say, and the documents are linked."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("build_reference", ROOT / "tools" / "build_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_what_the_schemas_say(build):
    written = (DOCS / "reference.md").read_text(encoding="utf-8")
    assert build.reference(build.load_schemas()) == written, "run tools/build_reference.py"


def test_every_key_of_every_schema_is_in_the_reference(build):
    written = (DOCS / "reference.md").read_text(encoding="utf-8")

    def keys(node):
        if isinstance(node, dict):
            if node.get("type") == "object":
                yield from node.get("properties", {}).items()
            for one in node.values():
                yield from keys(one)
        elif isinstance(node, list):
            for one in node:
                yield from keys(one)

    for name, schema in build.load_schemas().items():
        own = written.split(f"\n## {name}: ")[1].split("\n## ")[0]
        missing = [key for key, about in keys(schema) if f"`{key}`" not in own and key not in ("zh", "en", "from", "to")]
        assert missing == [], name


def test_a_new_key_changes_the_reference(build):
    schemas = build.load_schemas()
    before = build.reference(schemas)
    schemas["table"]["properties"]["colour"] = {"title": "颜色", "description": "Its colour.", "type": "string"}
    added = set(build.reference(schemas).splitlines()) - set(before.splitlines())
    assert added == {"| `colour` | text | 颜色 | Its colour. |"}


def test_every_function_of_the_language_is_in_the_reference():
    from etl.expressions.functions import AGGREGATES, CONVERSIONS, MEMBERSHIP, PARAMETERS, PLAIN, REGISTERED

    section = (DOCS / "reference.md").read_text(encoding="utf-8").split("## Expressions")[1]
    listed = re.findall(r"^\| `(\w+)\(", section, re.MULTILINE)
    assert sorted(listed) == sorted([*PLAIN, *REGISTERED, *PARAMETERS, *AGGREGATES, *CONVERSIONS, *MEMBERSHIP])


def test_the_line_for_editors_leads_to_the_schema():
    path = re.search(r"\$schema=(\S+)", (DOCS / "reference.md").read_text(encoding="utf-8"))[1]
    assert (ROOT / "mappings/standards/east_life_2020" / path).resolve().is_file()


def test_the_settings_for_editors_name_every_schema():
    block = re.search(r"```json\n(.*?)```", (DOCS / "reference.md").read_text(encoding="utf-8"), re.DOTALL)[1]
    named = json.loads(block)["yaml.schemas"]
    assert {Path(path).name for path in named} == {path.name for path in (ROOT / "schemas").glob("*.json")}


def test_the_index_links_every_document():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([\w.-]+\.md)\)", index))
    assert linked == {path.name for path in DOCS.glob("*.md")} - {"index.md"}


def test_links_between_documents_lead_somewhere():
    for path in DOCS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[\w-]+)?\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
