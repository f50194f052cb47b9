"""YAML files that remember their lines, so that an error can say where."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from etl.errors import EastboundError

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class PackFileBroken(EastboundError):
    zh = "{path} 第 {line} 行：{problem_zh}"
    en = "{path} line {line}: {problem_en}"


class PackFileMissing(EastboundError):
    zh = "找不到文件 {path}：{mend_zh}"
    en = "{path} does not exist: {mend_en}"


@dataclass(frozen=True)
class YamlDocument:
    """A YAML file: `data` as plain Python, and the line of every key path in it."""

    path: Path
    data: Any
    lines: dict[tuple, int] = field(repr=False)

    def line(self, *keys: Any) -> int:
        """Line number (from 1) of the value at `keys`, or of the nearest enclosing one that exists."""
        keys = tuple(keys)
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return self.lines.get(keys, 1)

    def broken(self, *keys: Any, zh: str, en: str) -> PackFileBroken:
        """The error that something at `keys` is wrong; the caller raises or collects it."""
        return PackFileBroken(path=str(self.path), line=self.line(*keys), problem_zh=zh, problem_en=en)


class _Constructor(_Loader):
    """Scalars as in YAML 1.2: only true and false are booleans, and a number has no leading zero, no colon, no underscore.

    So `on`, `yes`, `N`, `000000`, `12:30` in a pack are the texts that they look like.
    """

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in ("bool", "int", "float", "value")]
        for first, resolvers in _Loader.yaml_implicit_resolvers.items()
    }

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError, LookupError, AttributeError) as error:
            # A scalar that looks like a date and is none, such as 2024-02-30, or that its own tag does not fit.
            text = f"{node.value}: {error}" if isinstance(node, yaml.ScalarNode) else str(error)
            raise _ScalarBroken(None, None, text, node.start_mark) from None


class _ScalarBroken(yaml.constructor.ConstructorError):
    pass


_NUMBER = r"[-+]?(?:0|[1-9][0-9]*)"
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", rf"^{_NUMBER}$", "-+0123456789"),
    ("float", rf"^{_NUMBER}(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)$", "-+0123456789"),
):
    _Constructor.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def read_yaml(path: Path) -> YamlDocument:
    """Read one YAML file. Raises PackFileBroken naming file and line for syntax errors and duplicate keys."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PackFileMissing(path=str(path), mend_zh="请检查路径或文件名", mend_en="check the path or the name") from None
    except UnicodeDecodeError as error:
        raise PackFileBroken(
            path=str(path), line=1, problem_zh="不是 UTF-8 文本，请另存为 UTF-8",
            problem_en=f"not UTF-8 text (byte {error.start}); save the file as UTF-8",
        ) from None
    loader = _Constructor(text)
    try:
        node = loader.get_single_node()
        lines: dict[tuple, int] = {}
        _walk(node, (), lines, path)
        data = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if isinstance(error, _ScalarBroken):
            raise PackFileBroken(path=str(path), line=mark.line + 1, problem_zh=f"无效的值：{error.problem}",
                                 problem_en=f"not a valid value: {error.problem}") from None
        raise PackFileBroken(
            path=str(path), line=(mark.line + 1) if mark else 1,
            problem_zh=f"YAML 语法错误：{error.problem}", problem_en=f"YAML syntax error: {error.problem}",
        ) from None
    except yaml.YAMLError as error:
        raise PackFileBroken(path=str(path), line=1, problem_zh=f"YAML 错误：{error}", problem_en=f"YAML error: {error}") from None
    finally:
        loader.dispose()
    return YamlDocument(path, data, lines)


def _walk(node: yaml.Node | None, keys: tuple, lines: dict[tuple, int], path: Path, above: tuple[int, ...] = ()) -> None:
    if node is None:
        return
    lines.setdefault(keys, node.start_mark.line + 1)
    if id(node) in above:
        raise PackFileBroken(path=str(path), line=node.start_mark.line + 1, problem_zh="锚点引用了自身", problem_en="an anchor refers to itself")
    above = (*above, id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise PackFileBroken(path=str(path), line=key_node.start_mark.line + 1, problem_zh="键应是单个值", problem_en="a key should be a single value")
            key = key_node.value
            if key in seen:
                raise PackFileBroken(
                    path=str(path), line=key_node.start_mark.line + 1,
                    problem_zh=f"键 {key!r} 重复，删除其中一个", problem_en=f"key {key!r} appears twice; remove one of them",
                )
            seen.add(key)
            lines[(*keys, key)] = key_node.start_mark.line + 1
            _walk(value_node, (*keys, key), lines, path, above)
    elif isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            lines[(*keys, index)] = child.start_mark.line + 1
            _walk(child, (*keys, index), lines, path, above)
