"""One message of everything that needs people now, and the memory of what was told already.

The memory is the audit chain of the ledger: a step that was told is never told again, also after a restart or from another machine.
Whoever sends a digest (a scheduler, a person) calls `mark_sent` once somebody has got it.
"""

from __future__ import annotations

import html as markup
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from etl.deadlines.definition import SHANGHAI
from etl.deadlines.notices import KINDS, Notice, collect
from etl.language import current_language

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.workspace import Workspace

SENT, SUBJECT = "alert.sent", "digest"
# After that many of a kind the rest is counted: a message is read on a telephone.
MOST = 10
TITLES = {
    "late": ("逾期", "late"), "deadline": ("临近期限", "due soon"), "blocked": ("因检核发现未封包", "blocked by findings"), "failed": ("失败或中断", "failed or interrupted"),
    "waiting": ("待批准", "waiting for approval"), "calendar": ("日历", "calendar"),
}
WHERE = {"late": "eastbound calendar", "deadline": "eastbound calendar", "blocked": "eastbound runs list", "failed": "eastbound runs list",
         "waiting": "eastbound approvals", "calendar": "eastbound calendar"}


@dataclass(frozen=True)
class Digest:
    """What is new at `at` (Asia/Shanghai) for a company; `told_before`: how many notices stand that were told already."""

    company: str
    at: datetime
    notices: tuple[Notice, ...]
    told_before: int = 0

    @property
    def empty(self) -> bool:
        return not self.notices

    def subject(self, lang: str | None = None) -> str:
        """One line: how many of each kind."""
        if self.empty:
            return _say(lang, f"Eastbound {self.company}：没有新的待办", f"Eastbound {self.company}: nothing new")
        counts = Counter(one.kind for one in self.notices)
        told = [f"{_say(lang, *TITLES[kind])} {counts[kind]}" for kind in KINDS if counts[kind]]
        return f"Eastbound {self.company}" + _say(lang, "：", ": ") + _say(lang, "，", ", ").join(told)

    def text(self, lang: str | None = None) -> str:
        """Plain text, a line for each notice."""
        parts = [self.subject(lang)]
        for kind, shown, hidden in self._groups():
            parts.append(f"\n{_say(lang, *TITLES[kind])}")
            for one in shown:
                parts += [f"- {_say(lang, one.zh, one.en)}", *(f"    {_say(lang, *line)}" for line in one.more)]
            parts += [f"- {self._rest(lang, kind, hidden)}"] if hidden else []
        return "\n".join([*parts, "", self._foot(lang)])

    def markdown(self, lang: str | None = None) -> str:
        """Markdown in the few forms that messengers know: headings, bold, lists. Names come from packs and ledger; nothing in them is escaped."""
        parts = [f"### {self.subject(lang)}"]
        for kind, shown, hidden in self._groups():
            parts.append(f"\n**{_say(lang, *TITLES[kind])}**\n")
            for one in shown:
                parts += [f"- {_say(lang, one.zh, one.en)}", *(f"  - {_say(lang, *line).strip()}" for line in one.more)]
            parts += [f"- {self._rest(lang, kind, hidden)}"] if hidden else []
        return "\n".join([*parts, "", f"> {self._foot(lang)}"])

    def html(self, lang: str | None = None) -> str:
        """The body of a mail."""
        parts = [f"<h3>{markup.escape(self.subject(lang))}</h3>"]
        for kind, shown, hidden in self._groups():
            lines = []
            for one in shown:
                more = "".join(f"<li>{markup.escape(_say(lang, *line))}</li>" for line in one.more)
                lines.append(f"<li>{markup.escape(_say(lang, one.zh, one.en))}{f'<ul>{more}</ul>' if more else ''}</li>")
            lines += [f"<li>{markup.escape(self._rest(lang, kind, hidden))}</li>"] if hidden else []
            parts.append(f"<p><b>{markup.escape(_say(lang, *TITLES[kind]))}</b></p><ul>{''.join(lines)}</ul>")
        return "".join([*parts, f"<p><small>{markup.escape(self._foot(lang))}</small></p>"])

    def as_record(self, lang: str | None = None) -> dict[str, Any]:
        """The digest as scripts get it: every notice, with its facts."""
        return {"company": self.company, "at": self.at.isoformat(timespec="seconds"), "empty": self.empty, "subject": self.subject(lang), "told_before": self.told_before,
                "notices": [{"kind": one.kind, "subject": one.subject, "step": one.step, "text": _say(lang, one.zh, one.en), **one.facts} for one in self.notices]}

    def _groups(self) -> list[tuple[str, list[Notice], int]]:
        """(kind, notices shown, how many more) of each kind that there is."""
        groups = [(kind, [one for one in self.notices if one.kind == kind]) for kind in KINDS]
        return [(kind, own[:MOST], len(own[MOST:])) for kind, own in groups if own]

    def _rest(self, lang: str | None, kind: str, hidden: int) -> str:
        return _say(lang, f"另有 {hidden} 项：{WHERE[kind]}", f"and {hidden} more: {WHERE[kind]}")

    def _foot(self, lang: str | None) -> str:
        stand_zh = f"；另有 {self.told_before} 项此前已通知、尚未处理" if self.told_before else ""
        stand_en = f"; {self.told_before} told before still stand" if self.told_before else ""
        return _say(lang, f"{self.at:%Y-%m-%d %H:%M}（上海）{stand_zh}", f"{self.at:%Y-%m-%d %H:%M} in Shanghai{stand_en}")


def digest(workspace: Workspace, ledger: Ledger, now: datetime | None = None, *, packs: Sequence[str] = ()) -> Digest:
    """What needs people at `now` (aware; default the present) and was not told yet. A missing calendar year is one of the notices, not an error."""
    at = (now or datetime.now(SHANGHAI)).astimezone(SHANGHAI)
    standing = collect(workspace, ledger, at, packs)
    told = steps_told(ledger)
    new = tuple(one for one in standing if one.key not in told)
    return Digest(workspace.company, at, new, len(standing) - len(new))


def steps_told(ledger: Ledger) -> set[str]:
    """The steps that were told, by the audit chain."""
    return {step for event in ledger.events(subject=SUBJECT) if event.action == SENT for step in event.detail.get("steps", ())}


def mark_sent(ledger: Ledger, sent: Digest, *, by: str = "eastbound") -> None:
    """Note that a digest reached somebody: one link of the audit chain, so that all of its steps count as told or none."""
    if not sent.empty:
        ledger.append_event(by, SENT, SUBJECT, {"steps": [one.key for one in sent.notices]})


def _say(lang: str | None, zh: str, en: str) -> str:
    return zh if (lang or current_language()) == "zh" else en

