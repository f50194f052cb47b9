"""A workspace: the folder that holds a company's settings, keys, vault, ledger, runs and packages."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl.errors import EastboundError
from etl.packs.yamlfile import YamlDocument, read_yaml

SETTINGS = "workspace.yaml"


class WorkspaceMissing(EastboundError):
    zh = "{path} 不是工作区：缺少 workspace.yaml。用 eastbound demo init 建立演示工作区，或按文档编写该文件"
    en = "{path} is not a workspace: it has no workspace.yaml. Make a demo with eastbound demo init, or write the file as the docs describe"


class SystemNotConfigured(EastboundError):
    zh = "{path} 的 systems 中没有 {system}；请写入其数据库地址（SQLAlchemy URL）"
    en = "systems in {path} has no {system}; give its database address (an SQLAlchemy URL)"


class VariableMissing(EastboundError):
    zh = "{path} 引用了环境变量 {variable}，但它没有设置"
    en = "{path} uses the environment variable {variable}, which is not set"


@dataclass(frozen=True)
class Workspace:
    """`root` and what workspace.yaml says: company code, system name -> database URL, ledger URL if not the default.

    `approvers`: who may approve packages; empty where the settings do not limit it.
    """

    root: Path
    company: str = ""
    systems: dict[str, str] = field(default_factory=dict)
    ledger_url: str | None = None
    packs: tuple[str, ...] = ()
    approvers: tuple[str, ...] = ()

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
            if key not in ("company", "systems", "ledger", "packs", "approvers"):
                raise document.broken(key, zh=f"未知键 {key}", en=f"unknown key {key}")
        if not data.get("company"):
            raise document.broken(zh="缺少 company（保险机构代码）", en="company (the insurer's code) is missing")
        systems = {str(name): _fill(str(url), path) for name, url in (data.get("systems") or {}).items()}
        return cls(root, str(data["company"]), systems, _fill(data["ledger"], path) if data.get("ledger") else None,
                   tuple(str(p) for p in data.get("packs") or ()), _names(document, data, "approvers"))

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
        path = self.root / SETTINGS
        partial = path.with_suffix(".partial")
        partial.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), encoding="utf-8")
        os.replace(partial, path)

    def url(self, system: str) -> str:
        """Database URL of a system; a relative SQLite path counts from the workspace."""
        if system not in self.systems:
            raise SystemNotConfigured(path=str(self.root / SETTINGS), system=system)
        url = self.systems[system]
        match = re.fullmatch(r"sqlite:///(?!/)(.+)", url)
        return f"sqlite:///{self.root / match[1]}" if match else url

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


def _names(document: YamlDocument, data: dict[str, Any], key: str) -> tuple[str, ...]:
    """A list of people. An empty one is refused: whether it means nobody or everybody is not for a program to guess."""
    if key not in data:
        return ()
    names = data[key]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise document.broken(key, zh=f"{key} 应为至少含一个姓名的列表，如 [li, wang]；不限制时删去该键",
                              en=f"{key} should be a list of at least one name, such as [li, wang]; leave the key out where everyone may")
    return tuple(name.strip() for name in names)


def _fill(text: str, path: Path) -> str:
    """Replace ${NAME} by the environment, so that passwords stay out of files."""
    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise VariableMissing(path=str(path), variable=match[1])
        return os.environ[match[1]]

    return re.sub(r"\$\{(\w+)\}", value, text)
