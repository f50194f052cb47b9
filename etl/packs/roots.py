"""Where packs are looked for: the built-in folders and those given by `--packs`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from etl.errors import EastboundError

# Files beside the rules of the tables that hold something else.
NOT_RULES = ("figures.yaml", "format.yaml", "profiles.yaml", "reconciliations.yaml")


class PackRootMissing(EastboundError):
    zh = "{path} 不是规范包目录：其中应有 mappings/ 或 validation_rules/ 子目录"
    en = "{path} is not a pack folder: it should hold mappings/ or validation_rules/"


def builtin_root() -> Path:
    """The repository's own packs, or those shipped inside an installed distribution."""
    here = Path(__file__).resolve().parents[2]
    shipped = Path(__file__).resolve().parents[1] / "_packs"
    return here if (here / "mappings").is_dir() else shipped


@dataclass(frozen=True)
class PackRoots:
    """Folders that hold packs, the later ones winning over the earlier ones for a pack of the same name."""

    roots: tuple[Path, ...]

    @classmethod
    def of(cls, *extra: str | os.PathLike[str]) -> PackRoots:
        roots = [builtin_root()]
        for item in extra:
            path = Path(item)
            if not ((path / "mappings").is_dir() or (path / "validation_rules").is_dir()):
                raise PackRootMissing(path=str(path))
            roots.append(path)
        return cls(tuple(roots))

    def folders(self, *parts: str) -> dict[str, Path]:
        """Sub-folders below `parts` by name, over all roots."""
        found: dict[str, Path] = {}
        for root in self.roots:
            base = root.joinpath(*parts)
            if base.is_dir():
                found.update({p.name: p for p in sorted(base.iterdir()) if p.is_dir() and not p.name.startswith((".", "_"))})
        return found

    def standard(self, name: str) -> Path | None:
        return self.folders("mappings", "standards").get(name)

    def rules(self, standard: str) -> Path | None:
        """The folder of a standard's rules. A root that has only local overlays for it adds to the others and replaces none."""
        found = [root / "validation_rules" / standard for root in self.roots]
        found = [folder for folder in found if folder.is_dir() and (not (folder / "local").is_dir() or any(folder.glob("*.yaml")))]
        return found[-1] if found else None

    def overlays(self, standard: str) -> dict[str, Path]:
        """Folders of local rules by jurisdiction."""
        return self.folders("validation_rules", standard, "local")

    def sources(self) -> dict[str, Path]:
        return self.folders("mappings", "sources")


def rule_files(folder: Path) -> list[Path]:
    """The files of a standard's rule folder that hold the rules of one table each."""
    return [path for path in sorted(folder.glob("*.yaml")) if path.name not in NOT_RULES]
