"""Errors that build their own sentence: what is wrong, where, and how to mend it, in Chinese and English.

A subclass gives two templates and is raised with the values they name::

    class PackFileBroken(EastboundError):
        zh = "{path} 第 {line} 行：{problem_zh}"
        en = "{path} line {line}: {problem_en}"

Values of personal items never belong in an error: give names, places and counts.
"""

from __future__ import annotations

from typing import Any, ClassVar

from etl.language import current_language


class EastboundError(Exception):
    """Base of all errors that a user is meant to read.

    `exit_code` is what the command returns: 2 for bad usage or bad input, 3 for a run that failed. `may_pass`: trying again
    later may help without anybody mending anything, so a scheduler should.
    """

    zh: ClassVar[str] = "{message}"
    en: ClassVar[str] = "{message}"
    exit_code: ClassVar[int] = 2
    may_pass: ClassVar[bool] = False

    def __init__(self, message: str | None = None, **values: Any) -> None:
        if message is not None:
            values["message"] = message
        self.values = values
        super().__init__(self.sentence("en"))

    def sentence(self, language: str | None = None) -> str:
        """The sentence in `language` (default: the one in force)."""
        template = self.zh if (language or current_language()) == "zh" else self.en
        return template.format(**self.values)

    def __str__(self) -> str:
        return self.sentence()

    def __reduce__(self):
        # Exceptions travel between processes; rebuild from the values, not from the rendered text.
        return (_rebuild, (type(self), self.values))


def _rebuild(kind: type[EastboundError], values: dict[str, Any]) -> EastboundError:
    return kind(**values)


class Problems(EastboundError):
    """Several faults found in one reading, so that they can be mended in one go."""

    zh = "{count} 处问题：\n{lines}"
    en = "{count} problem(s):\n{lines}"

    def __init__(self, errors: list[EastboundError] | None = None, **_: Any) -> None:
        self.errors = list(errors or [])
        super().__init__(count=len(self.errors), lines="", errors=self.errors)

    def sentence(self, language: str | None = None) -> str:
        lines = "\n".join("  - " + error.sentence(language) for error in self.errors)
        template = self.zh if (language or current_language()) == "zh" else self.en
        return template.format(count=len(self.errors), lines=lines)


def raise_problems(errors: list[EastboundError]) -> None:
    """Raise what was collected: nothing, the one error itself, or all of them together."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Problems(errors)
