"""The nouns of the ledger. Times are UTC; paths are relative to the workspace, with forward slashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

RUNNING, BLOCKED, SEALED, FAILED, INTERRUPTED = "running", "blocked", "sealed", "failed", "interrupted"
FINAL_STATUSES = (BLOCKED, SEALED, FAILED, INTERRUPTED)
OUTCOMES = ("passed", "failed", "skipped", "errored")
SEVERITIES = ("error", "warning")


@dataclass(frozen=True)
class Run:
    """One walk down the road for one standard and period. `message` holds codes and numbers, no language."""

    id: str
    standard: str
    period: str
    report_date: date
    status: str
    started_at: datetime
    finished_at: datetime | None
    company: str
    pack_fingerprint: str
    options: Mapping[str, Any]
    package: str | None
    package_sha256: str | None
    message: Mapping[str, Any] | None
    host: str
    pid: int

    @property
    def jurisdiction(self) -> str | None:
        """Whose rules it was judged by, or whose part it made; None for the national package."""
        return str(self.options.get("jurisdiction") or "") or None

    @property
    def part_of(self) -> str | None:
        """The run whose package this one took its part of; None for a run of its own."""
        return str(self.options.get("part_of") or "") or None


@dataclass(frozen=True)
class StageCount:
    """Rows of one table through one stage: rows_in = rows_out + rows_aside. `seconds` is wall time."""

    run: str
    stage: str
    table: str
    rows_in: int
    rows_out: int
    rows_aside: int
    seconds: float
    finished_at: datetime


@dataclass(frozen=True)
class Artefact:
    """A file that a stage wrote."""

    run: str
    stage: str
    table: str
    path: str
    sha256: str
    bytes: int
    rows: int


@dataclass(frozen=True)
class RuleOutcome:
    """What one rule did in one run: `judged` rows looked at, `failed` of them at fault.

    `reason` says why a rule was skipped or broke (a code, no language); `version` is the rule's fingerprint.
    """

    rule: str
    family: str
    severity: str
    table: str
    outcome: str
    judged: int
    failed: int
    reason: str = ""
    version: str = ""


@dataclass(frozen=True)
class MappingCount:
    """How the values of one data item came about: rows by origin, and rows whose code could not be mapped."""

    table: str
    item: str
    mapped: int
    defaulted: int = 0
    constant: int = 0
    unmapped: int = 0


@dataclass(frozen=True)
class AuditEvent:
    """One link of the audit chain."""

    seq: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    prev_hash: str = ""
    hash: str = ""


@dataclass(frozen=True)
class ChainReport:
    """Result of `verify_chain`: `broken_seq` is the first link that does not hold, `reason` a code.

    Reasons: `altered` (content does not give the hash), `unlinked` (does not continue its predecessor),
    `missing` (a number is skipped), `truncated` (fewer links than the head that was noted elsewhere).
    """

    ok: bool
    length: int
    head: str
    broken_seq: int | None = None
    reason: str | None = None
