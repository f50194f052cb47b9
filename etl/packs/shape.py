"""Taking a pack document apart: every value is asked for by the shape it should have, and what has not is a fault."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any

from etl.errors import EastboundError
from etl.packs.yamlfile import YamlDocument


def hint(name: object, known: Iterable[str]) -> tuple[str, str]:
    """("，是否指 X？", "; did you mean X?") for the nearest known name, or two empty texts."""
    near = get_close_matches(str(name), [str(k) for k in known], 1)
    return (f"，是否指 {near[0]}？", f"; did you mean {near[0]}?") if near else ("", "")


@dataclass(frozen=True)
class Shape:
    """A document and the list in which its faults are collected. `at` is always the key path of the value."""

    document: YamlDocument
    errors: list[EastboundError]

    def fault(self, *at: Any, zh: str, en: str) -> None:
        self.errors.append(self.document.broken(*at, zh=zh, en=en))

    def root(self, known: Iterable[str]) -> dict:
        """The whole document, which must hold keys and values, all of them known."""
        data = self.mapping(self.document.data)
        self.keys(data, known)
        self.texts(data.get("note"), "note")
        return data

    def keys(self, data: dict, known: Iterable[str], *at: Any) -> None:
        """Report the keys of `data` that nobody reads."""
        known = list(known)
        for key in data:
            if key not in known:
                zh, en = hint(key, known)
                self.fault(*at, key, zh=f"未知键 {key}{zh}", en=f"unknown key {key}{en}")

    def mapping(self, value: Any, *at: Any) -> dict:
        """Keys and values; {} for nothing."""
        if value is None or isinstance(value, dict):
            return value or {}
        self.fault(*at, zh=f"{_name(at, '文件')} 应是键值对", en=f"{_name(at, 'the file')} should hold keys and values")
        return {}

    def listing(self, value: Any, *at: Any) -> list:
        """A list; [] for nothing."""
        if value is None or isinstance(value, list):
            return value or []
        self.fault(*at, zh=f"{_name(at, '文件')} 应是列表", en=f"{_name(at, 'the file')} should be a list")
        return []

    def names(self, value: Any, *at: Any) -> tuple[str, ...]:
        """A list of texts; numbers are taken as they are written."""
        names = self.listing(value, *at)
        if any(isinstance(name, (dict, list)) or name is None for name in names):
            self.fault(*at, zh=f"{_name(at, '文件')} 应是文本列表", en=f"{_name(at, 'the file')} should be a list of texts")
            return ()
        return tuple(str(name) for name in names)

    def text(self, value: Any, *at: Any) -> str:
        """One text; numbers are taken as they are written, '' for nothing."""
        if isinstance(value, (dict, list)):
            self.fault(*at, zh=f"{_name(at, '文件')} 应是文本", en=f"{_name(at, 'the file')} should be a text")
            return ""
        return "" if value is None else str(value)

    def texts(self, value: Any, *at: Any) -> dict[str, str]:
        """{zh: ..., en: ...}, or one text that is taken as Chinese. A text with a comma and without quotes ends up as a key."""
        if isinstance(value, dict):
            self.keys(value, ("zh", "en"), *at)
        if isinstance(value, dict) and not any(isinstance(v, (dict, list)) for v in value.values()):
            return {str(key): str(text) for key, text in value.items() if text is not None}
        text = self.text(value, *at)
        return {"zh": text} if text else {}

    def flag(self, value: Any, *at: Any, default: bool = False) -> bool:
        """true or false; a text such as `no` is a fault, since it would count as true."""
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.fault(*at, zh=f"{_name(at, '文件')} 应为 true 或 false，不是 {value!r}", en=f"{_name(at, 'the file')} should be true or false, not {value!r}")
        return default

    def number(self, value: Any, *at: Any, default: int = 0) -> int:
        """A whole number from 0 on."""
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
            return default if value is None else value
        self.fault(*at, zh=f"{_name(at, '文件')} 应为非负整数，不是 {value!r}", en=f"{_name(at, 'the file')} should be a whole number from 0 on, not {value!r}")
        return default

    def day(self, value: Any, *at: Any) -> date | None:
        """A date; None for nothing."""
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        self.fault(*at, zh=f"{_name(at, '文件')} 应为日期，写作 2024-01-31（不加引号）", en=f"{_name(at, 'the file')} should be a date, written 2024-01-31 without quotes")
        return None

    def one_of(self, value: Any, allowed: tuple[str, ...], *at: Any, default: str | None = None) -> str | None:
        """One of a few words; `default` for nothing."""
        if value is None or (isinstance(value, str) and value in allowed):
            return default if value is None else value
        zh, en = hint(value, allowed)
        self.fault(*at, zh=f"{_name(at, '文件')} 的值 {value!r} 无效，应为 {'、'.join(allowed)}{zh}", en=f"{_name(at, 'the file')} {value!r} is not one of {', '.join(allowed)}{en}")
        return default


def _name(at: tuple, whole: str) -> str:
    parts = [str(part) for part in at if not isinstance(part, int)]
    return ".".join(parts[-2:]) or whole
