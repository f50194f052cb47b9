"""A workspace: the folder that holds a company's settings, keys, vault, ledger, runs and packages."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import EastboundError
from etl.packs.yamlfile import YamlDocument, read_yaml

if TYPE_CHECKING:
    from etl.submission.definition import Period

SETTINGS = "workspace.yaml"
CAPTURE_BASES = ("accepted", "sealed")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_block(value: Any) -> bool:
    return isinstance(value, dict)


# Transport of lineage events -> the key that it needs, and those that it may have with what they may be.
LINEAGE_TRANSPORTS: dict[str, tuple[str, dict[str, Callable[[Any], bool]]]] = {
    "file": ("log_file_path", {"append": _is_flag}),
    "http": ("url", {
        "endpoint": _is_text, "timeout": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0, "verify": _is_flag,
        "auth": _is_block, "compression": lambda value: value == "gzip", "ssl_context": _is_block,
        "custom_headers": lambda value: _is_block(value) and all(isinstance(one, str) for one in value.values())}),
}


class WorkspaceMissing(EastboundError):
    zh = "{path} 不是工作区：缺少 workspace.yaml。用 eastbound demo init 建立演示工作区，或按文档编写该文件"
    en = "{path} is not a workspace: it has no workspace.yaml. Make a demo with eastbound demo init, or write the file as the docs describe"


class SystemNotConfigured(EastboundError):
    zh = "{path} 的 systems 中没有 {system}；请写入其数据库地址（SQLAlchemy URL）"
    en = "systems in {path} has no {system}; give its database address (an SQLAlchemy URL)"


class UrlNotUnderstood(EastboundError):
    zh = "{path} 中 {system} 的地址含无法识别的 {{...}}；可用 {{period}}、{{period_start}}、{{period_end}}，日期可带格式，如 {{period_end:%Y%m%d}}"
    en = ("{path}: the address of {system} holds a {{...}} that is not understood; there are {{period}}, {{period_start}} and {{period_end}}, "
          "days with a format such as {{period_end:%Y%m%d}}")


class VariableMissing(EastboundError):
    zh = "{path} 引用了环境变量 {variable}，但它没有设置"
    en = "{path} uses the environment variable {variable}, which is not set"


@dataclass(frozen=True)
class Workspace:
    """`root` and what workspace.yaml says: company code, system name -> database URL, ledger URL if not the default.

    `approvers`: who may approve packages; empty where the settings do not limit it. `capture_base`: whether incremental captures
    compare with the last `accepted` or the last `sealed` run.
    """

    root: Path
    company: str = ""
    systems: dict[str, str] = field(default_factory=dict)
    ledger_url: str | None = None
    packs: tuple[str, ...] = ()
    approvers: tuple[str, ...] = ()
    capture_base: str = "accepted"
    # As written, variables not filled in: a key that only an emitter of events needs must not stop every other command.
    openlineage: dict[str, Any] | None = None

    @classmethod
    def open(cls, root: Path | str) -> Workspace:
        """Read the settings. Raises WorkspaceMissing, PackFileBroken."""
        root = Path(root).absolute()
        path = root / SETTINGS
        if not path.is_file():
            raise WorkspaceMissing(path=str(root))
        document = read_yaml(path)
        data: dict[str, Any] = document.data or {}
        for key in data:
            if key not in ("company", "systems", "ledger", "packs", "approvers", "capture_base", "openlineage"):
                raise document.broken(key, zh=f"未知键 {key}", en=f"unknown key {key}")
        if not data.get("company"):
            raise document.broken(zh="缺少 company（保险机构代码）", en="company (the insurer's code) is missing")
        systems = {str(name): _fill(str(url), path) for name, url in (data.get("systems") or {}).items()}
        return cls(root, str(data["company"]), systems, _fill(data["ledger"], path) if data.get("ledger") else None,
                   tuple(str(p) for p in data.get("packs") or ()), _names(document, data, "approvers"), _choice(document, data, "capture_base", CAPTURE_BASES),
                   _lineage(document, data))

    def save(self) -> None:
        """Write workspace.yaml from this object."""
        import yaml

        self.root.mkdir(parents=True, exist_ok=True)
        data: dict[str, Any] = {"company": self.company, "systems": dict(self.systems)}
        if self.ledger_url:
            data["ledger"] = self.ledger_url
        if self.packs:
            data["packs"] = list(self.packs)
        if self.approvers:
            data["approvers"] = list(self.approvers)
        if self.capture_base != CAPTURE_BASES[0]:
            data["capture_base"] = self.capture_base
        if self.openlineage:
            data["openlineage"] = self.openlineage
        path = self.root / SETTINGS
        partial = path.with_suffix(".partial")
        partial.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), encoding="utf-8")
        os.replace(partial, path)

    def url(self, system: str, period: Period | None = None) -> str:
        """Database URL of a system; a relative SQLite path counts from the workspace.

        Where a company keeps month-end copies of a core system, the URL names them by `{period}` (2026-10), `{period_start}` or
        `{period_end}`, the days with a format if need be: `{period_end:%Y%m%d}`. Raises SystemNotConfigured, UrlNotUnderstood.
        """
        if system not in self.systems:
            raise SystemNotConfigured(path=str(self.root / SETTINGS), system=system)
        url = self.systems[system]
        if period is not None and "{" in url:
            try:
                url = url.format(period=period.label, period_start=period.start, period_end=period.end)
            except (KeyError, IndexError, ValueError, AttributeError):
                raise UrlNotUnderstood(path=str(self.root / SETTINGS), system=system) from None
        match = re.fullmatch(r"sqlite:///(?!/)(.+)", url)
        return f"sqlite:///{self.root / match[1]}" if match else url

    def lineage_transport(self) -> dict[str, Any]:
        """The transport of lineage events, variables filled in, a relative path from the workspace. Raises VariableMissing."""
        settings = _filled((self.openlineage or {})["transport"], self.root / SETTINGS)
        if settings["type"] == "file":
            settings = {"append": True, **settings, "log_file_path": str(self.root / settings["log_file_path"])}
        return settings

    @property
    def ledger_place(self) -> str:
        return self.ledger_url or str(self.root / "ledger.db")

    @property
    def vault_folder(self) -> Path:
        return self.root / "vault"

    @property
    def keys_folder(self) -> Path:
        return self.root / "keys"

    def run_folder(self, run: str) -> Path:
        return self.root / "runs" / run

    def package_base(self, standard: str, period: str) -> Path:
        return self.root / "packages" / standard / period


def _choice(document: YamlDocument, data: dict[str, Any], key: str, known: tuple[str, ...]) -> str:
    """One of `known`; the first where the key is left out."""
    value = data.get(key, known[0])
    if value not in known:
        raise document.broken(key, zh=f"{key} 应为 {' 或 '.join(known)}", en=f"{key} should be {' or '.join(known)}")
    return str(value)


def _names(document: YamlDocument, data: dict[str, Any], key: str) -> tuple[str, ...]:
    """A list of people. An empty one is refused: whether it means nobody or everybody is not for a program to guess."""
    if key not in data:
        return ()
    names = data[key]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise document.broken(key, zh=f"{key} 应为至少含一个姓名的列表，如 [li, wang]；不限制时删去该键",
                              en=f"{key} should be a list of at least one name, such as [li, wang]; leave the key out where everyone may")
    return tuple(name.strip() for name in names)


def _lineage(document: YamlDocument, data: dict[str, Any]) -> dict[str, Any] | None:
    """Where lineage events go. Only transports that cannot hold a run up are taken."""
    if "openlineage" not in data:
        return None
    settings = data["openlineage"]
    transport = settings.get("transport") if isinstance(settings, dict) and set(settings) == {"transport"} else None
    kind = transport.get("type") if isinstance(transport, dict) else None
    if kind not in LINEAGE_TRANSPORTS:
        raise document.broken("openlineage", zh="openlineage 应含 transport，其 type 为 file 或 http，如 {transport: {type: file, log_file_path: lineage/events.jsonl}}",
                              en="openlineage takes a transport of type file or http, such as {transport: {type: file, log_file_path: lineage/events.jsonl}}")
    wanted, known = LINEAGE_TRANSPORTS[kind]
    if not isinstance(transport.get(wanted), str):
        raise document.broken("openlineage", "transport", zh=f"{kind} 需要 {wanted}", en=f"{kind} needs {wanted}")
    for key, value in transport.items():
        if key not in ("type", wanted, *known):
            raise document.broken("openlineage", "transport", key, zh=f"未知键 {key}；可用：{'、'.join((wanted, *known))}",
                                  en=f"unknown key {key}; known are {', '.join((wanted, *known))}")
        if not known.get(key, _is_text)(value):
            raise document.broken("openlineage", "transport", key, zh=f"{key} 的值不能用", en=f"this cannot be the value of {key}")
    return settings


def _filled(value: Any, path: Path) -> Any:
    """Settings with every text filled in."""
    if isinstance(value, dict):
        return {key: _filled(one, path) for key, one in value.items()}
    return _fill(value, path) if isinstance(value, str) else value


def _fill(text: str, path: Path) -> str:
    """Replace ${NAME} by the environment, so that passwords stay out of files."""
    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise VariableMissing(path=str(path), variable=match[1])
        return os.environ[match[1]]

    return re.sub(r"\$\{(\w+)\}", value, text)
