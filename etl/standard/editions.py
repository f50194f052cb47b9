"""Editions: standards of one family follow each other, and a period picks the one in force on its last day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from etl.errors import EastboundError
from etl.packs.roots import PackRoots
from etl.packs.shape import Shape
from etl.packs.yamlfile import read_yaml
from etl.standard.loader import StandardUnknown, standard_names


class NoEditionInForce(EastboundError):
    zh = "{family} 在 {day} 没有生效的版本；已有：{known}"
    en = "no edition of {family} is in force on {day}; there are {known}"


class EditionsOverlap(EastboundError):
    zh = "{family} 在 {day} 有多个版本生效：{editions}；调整 standard.yaml 的 effective，或直接写版本名"
    en = "{family} has several editions in force on {day}: {editions}; adjust effective in their standard.yaml, or name the edition itself"


@dataclass(frozen=True)
class Edition:
    """One edition of a family; both days inclusive, None = open."""

    standard: str
    family: str
    first: date | None
    last: date | None

    def in_force(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)

    def __str__(self) -> str:
        return f"{self.standard} [{self.first or ''}..{self.last or ''}]"


def editions(family: str, roots: PackRoots | None = None) -> list[Edition]:
    """The editions of a family, the earliest first. Only the heads of the standards are read, so a broken one elsewhere does not matter."""
    roots = roots or PackRoots.of()
    found = []
    for name in standard_names(roots):
        folder = roots.standard(name)
        document = read_yaml(folder / "standard.yaml")
        if not isinstance(document.data, dict) or document.data.get("family") != family:
            continue
        shape = Shape(document, [])
        raw = shape.mapping(document.data.get("effective"), "effective")
        found.append(Edition(name, family, shape.day(raw.get("from"), "effective", "from"), shape.day(raw.get("to"), "effective", "to")))
        if shape.errors:
            raise shape.errors[0]
    return sorted(found, key=lambda edition: (edition.first or date.min, edition.standard))


def edition_on(name: str, day: date, roots: PackRoots | None = None) -> str:
    """The standard that `name` means on `day`: itself, or, for the name of a family, its edition in force.

    Raises StandardUnknown, NoEditionInForce, EditionsOverlap.
    """
    roots = roots or PackRoots.of()
    names = standard_names(roots)
    if name in names:
        return name
    known = editions(name, roots)
    if not known:
        raise StandardUnknown(name=name, known=", ".join(names) or "-")
    chosen = [edition for edition in known if edition.in_force(day)]
    if not chosen:
        raise NoEditionInForce(family=name, day=day.isoformat(), known=", ".join(map(str, known)))
    if len(chosen) > 1:
        raise EditionsOverlap(family=name, day=day.isoformat(), editions=", ".join(map(str, chosen)))
    return chosen[0].standard
