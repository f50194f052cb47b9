"""What is wrong with a submission file, and where."""

from __future__ import annotations

from dataclasses import dataclass

from etl.language import say


@dataclass(frozen=True)
class Problem:
    """One fault: `line` counts from 1 (0 = the file as a whole), `kind` is stable, `zh`/`en` are for people.

    The texts say what is wanted and never what was found, for that may be personal.
    """

    file: str
    line: int
    item: str
    kind: str
    zh: str
    en: str

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line or "", self.item) if part)
        return f"{place}: {say(self.zh, self.en)}"
