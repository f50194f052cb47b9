"""Write docs/reference.md, the reference of every key of pack files, from schemas/*.schema.json and the functions of the language.

    python tools/build_reference.py            writes the file
    python tools/build_reference.py --check    exit code 1 where the file is not what would be written
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
SCHEMAS, TARGET = ROOT / "schemas", ROOT / "docs" / "reference.md"
# In the order in which a pack is written.
ORDER = ("standard", "table", "codes", "rules", "format", "figures", "reconciliations", "profiles", "source", "mapping", "workspace", "columns")
WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null", "object": "keys and values", "array": "list"}
# Definitions that are one value: what they are is said where they are used.
VALUES = {"texts": "text, or {zh, en}", "effective": "{from, to} or null", "day": "date or null", "expression": "expression", "scalar": "one value",
          "row": "{item: value}", "names": "list of texts"}
HEAD = """\
# Every key of pack files

*Written by `tools/build_reference.py` from `schemas/`; change those and run it again.*

One section per file, one table per block of keys. A key in **bold** must be there. Any other key is refused, with file and
line, by the loaders and by the schemas alike. How to write a first pack: [tutorial](tutorial.md), [中文教程](tutorial.zh-CN.md).

每个文件一节，每组键一张表；**粗体**的键必填，表中没有的键一律报错。

## Editors

The schemas make an editor complete keys, show what they mean, and underline what is wrong. With the language server for
YAML (the YAML extension of VS Code, or `yaml-language-server` in any other editor), put one line at the top of a file, with the path from that
file to the schema:

```yaml
# yaml-language-server: $schema=../../../schemas/standard.schema.json
```

or name them once for all files, in `.vscode/settings.json` (in other editors: the server's setting `yaml.schemas`), with
paths from the opened folder:

```json
{
  "yaml.schemas": {
%s
  }
}
```

## Words in the column *value*

"""
COMMON = (("texts", "texts", "{zh: 保单, en: Policies}"), ("effective", "effective", "{from: 2021-01-01, to: null}"), ("day", "day", "2021-01-01"),
          ("expression", "expression", "BDZT = '终止' AND ZZRQ IS NOT NULL"), ("scalar", "scalar", "未记录"), ("row", "row", "{BDZT: 终止, ZZRQ: null}"), ("names", "names", "[GRBDH, KHBH]"))


def load_schemas() -> dict[str, dict[str, Any]]:
    """All schemas by their name, in the order of the reference."""
    found = {path.name.removesuffix(".schema.json"): json.loads(path.read_text(encoding="utf-8")) for path in SCHEMAS.glob("*.schema.json")}
    return {name: found[name] for name in sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))}


def reference(schemas: dict[str, dict[str, Any]]) -> str:
    """The whole text of docs/reference.md."""
    places = ",\n".join(f'    "./schemas/{name}.schema.json": {_globs(schema)}' for name, schema in schemas.items())
    defs = {name: node for schema in schemas.values() for name, node in schema.get("$defs", {}).items()}
    parts = [HEAD % places, "| value | 中文 | meaning | example |\n|---|---|---|---|\n"]
    parts += [f"| {VALUES[name]} | {defs[name]['title']} | {defs[name]['description']} | `{example}` |\n" for name, _, example in COMMON]
    for name, schema in schemas.items():
        parts.append(f"\n## {name}: `{schema['$comment']}`\n\n{schema['description']} {schema['title']}。\n")
        parts += _Sections(schema).text()
    return "".join([*parts, functions()])


EXPRESSIONS = """
## Expressions

Wherever *expression* stands above: SQL, checked against the standard or the contract when the pack is loaded. Comparisons,
`AND` `OR` `NOT`, `IN (...)`, `BETWEEN`, `LIKE`, `IS [NOT] NULL`, `CASE`, `+ - * / %`, `||`, texts in single quotes, numbers,
`DATE '2024-01-31'`, and the functions below. Types are strict: a text is never compared with a number or a date. Texts
are trimmed, and an empty one is null, before any expression sees them.

表达式是 SQL，装载时即按标准或来源契约校验；类型严格，文本不能与数值或日期比较。

| function | gives | meaning |
|---|---|---|
"""
ABOUT = {
    "length": "characters of the text", "substr": "from the n-th character (from 1) on, so many characters", "upper": "in capitals", "lower": "in small letters",
    "trim": "without blanks at its ends", "replace": "the second text replaced by the third", "concat": "the texts one after the other", "coalesce": "the first that is not null",
    "nullif": "null where both are equal, else the first", "abs": "without its sign", "round": "rounded to so many decimals", "floor": "the whole number below",
    "ceil": "the whole number above", "least": "the least of them", "greatest": "the greatest of them", "regexp_matches": "whether the pattern is found in it; anchor it yourself",
    "starts_with": "whether it begins with the second", "ends_with": "whether it ends with the second", "contains": "whether it holds the second",
    "strpos": "where the second begins in it, from 1; 0 if nowhere", "lpad": "filled at the left up to the length", "year": "its year", "month": "its month", "day": "its day of the month",
    "last_day": "the last day of its month", "period_start": "first day of the period", "period_end": "last day of the period", "report_date": "the report date of the run",
    "sum": "aggregates only: the sum", "count": "aggregates only: how many are not null; count(*) counts rows", "min": "aggregates only: the least", "max": "aggregates only: the greatest",
    "avg": "aggregates only: the mean", "any_of": "aggregates only: one of the values (the least), where all are the same", "parse_date": "mappings only: a date by a pattern such as '%Y/%m/%d'; what cannot be read is set aside",
    "parse_number": "mappings only: a number out of a text; what cannot be read is set aside", "code": "mappings only: the entry of a code map; a code without entry is a finding",
    "to_text": "mappings only: a value as text", "in_codes": "whether the text is a code of the code table on the last day of the period", "in_texts": "whether it is a name in the code table on that day",
    "in_codes_ever": "whether it is or was a code of the code table", "in_texts_ever": "whether it is or was a name in it",
}


def functions() -> str:
    """The section on the functions of expressions."""
    from etl.expressions.functions import AGGREGATES, CONVERSIONS, MEMBERSHIP, PARAMETERS, PLAIN, REGISTERED

    lines = [EXPRESSIONS]
    for function in (*PLAIN.values(), *REGISTERED.values(), *PARAMETERS.values(), *AGGREGATES.values(), *CONVERSIONS.values()):
        words = [f"{argument.removesuffix('*')}, ..." if argument.endswith("*") else argument for argument in function.arguments]
        for index in range(len(words) - function.optional, len(words)):
            words[index] = f"[{words[index]}]"
        shown = {"code": "map, any"}.get(function.name, ", ".join(words))
        lines.append(f"| `{function.name}({shown})` | {function.result} | {_cell(function.about or ABOUT[function.name])} |\n")
    lines += [f"| `{name}(code table, text)` | bool | {ABOUT[name]} |\n" for name in MEMBERSHIP]
    return "".join(lines)


def _globs(schema: dict[str, Any]) -> str:
    """The places of a schema's files, as JSON: one pattern, or a list of them."""
    found = []
    for place in schema["$comment"].split(", "):
        for part in ("standard", "TABLE", "system", "jurisdiction"):
            place = place.replace(f"<{part}>", "*")
        found.append(f"**/{place}" if "/" in place else place)
    return json.dumps(found if len(found) > 1 else found[0])


class _Sections:
    """The tables of one schema: its own keys, then those of every block inside."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.defs, self.waiting, self.done = schema.get("$defs", {}), [], set()
        self.waiting = [("", schema)] if "properties" in schema else [(one["$ref"].rpartition("/")[2], self.target(one)) for one in schema["oneOf"]]

    def text(self) -> list[str]:
        parts = []
        while self.waiting:
            title, node = self.waiting.pop(0)
            if title:
                parts.append(f"\n### {title}\n\n{node.get('description', '')}\n")
            parts.append("\n| key | value | 中文 | meaning |\n|---|---|---|---|\n")
            required = set(node.get("required", ()))
            for key, value in node["properties"].items():
                shown = f"**`{key}`**" if key in required else f"`{key}`"
                about = value.get("description") or self.target(value).get("description", "")
                if "default" in value:
                    about += f" Default: `{json.dumps(value['default'], ensure_ascii=False)}`."
                parts.append(f"| {shown} | {_cell(self.value(value, f'{title}.{key}' if title else key))} | {value.get('title', '')} | {_cell(about)} |\n")
        return parts

    def target(self, node: dict[str, Any]) -> dict[str, Any]:
        return self.defs[node["$ref"].rpartition("/")[2]] if "$ref" in node else node

    def block(self, title: str, node: dict[str, Any]) -> str:
        """Let a block of keys have its own table; returns the words that point at it."""
        if title not in self.done:
            self.done.add(title)
            self.waiting.append((title, node))
        return f"keys: see *{title}*"

    def value(self, node: dict[str, Any], title: str) -> str:
        """What may stand there, in words."""
        if "$ref" in node:
            name = node["$ref"].rpartition("/")[2]
            return VALUES.get(name) or self.value(self.defs[name], name)
        if "const" in node:
            return f"`{json.dumps(node['const'])}`".replace('"', "")
        if "enum" in node:
            return ", ".join(f"`{word}`" for word in node["enum"])
        several = node.get("oneOf") or ([node["then"], node["else"]] if "then" in node else None)
        if several and "properties" not in node:
            return " or ".join(self.value(one, f"{title}: {self.target(one).get('title', '')}".strip(": ")) for one in several)
        if "properties" in node:
            return self.block(title, node)
        if node.get("type") == "array":
            return f"list of {self.value(node['items'], title)}".replace("list of keys: see", "list; keys of each: see")
        if node.get("type") == "object":
            inside = node.get("additionalProperties")
            return f"{{name: {self.value(inside, title)}}}" if isinstance(inside, dict) else WORDS["object"]
        types = node.get("type", "string")
        words = " or ".join(WORDS[one] for one in ([types] if isinstance(types, str) else types))
        low, high = node.get("minimum"), node.get("maximum")
        return words + (f", {low} to {high}" if high is not None else f" from {low}" if low else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main(arguments: list[str]) -> int:
    text = reference(load_schemas())
    if arguments == ["--check"]:
        return int(not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != text)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
