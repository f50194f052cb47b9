"""The language in which people are spoken to: Chinese or English, chosen once per command."""

from __future__ import annotations

import locale
import os
from contextvars import ContextVar

LANGUAGES = ("zh", "en")

_current: ContextVar[str | None] = ContextVar("eastbound_language", default=None)


def default_language() -> str:
    """`zh` where the locale is Chinese, `en` everywhere else; EASTBOUND_LANG wins over the locale."""
    chosen = os.environ.get("EASTBOUND_LANG") or ""
    for name in (chosen, *(os.environ.get(key) or "" for key in ("LC_ALL", "LC_MESSAGES", "LANG"))):
        if name:
            return "zh" if name.lower().startswith("zh") else "en"
    return "zh" if (locale.getlocale()[0] or "").lower().startswith(("zh", "chinese")) else "en"


def current_language() -> str:
    """The language in force: `zh` or `en`."""
    return _current.get() or default_language()


def set_language(language: str | None) -> None:
    """Use `language` (`zh` or `en`) from here on; None goes back to the locale's."""
    if language is not None and language not in LANGUAGES:
        raise ValueError(f"unknown language {language!r}: use one of {', '.join(LANGUAGES)}")
    _current.set(language)


def say(zh: str, en: str) -> str:
    """The one of two sentences that the reader understands."""
    return zh if current_language() == "zh" else en


def pick(texts: dict[str, str] | None, language: str | None = None) -> str:
    """The text of a `{zh: ..., en: ...}` pair, the other language where one is missing."""
    texts = texts or {}
    wanted = language or current_language()
    return texts.get(wanted) or texts.get("zh") or texts.get("en") or ""
