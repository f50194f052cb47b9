"""The audit chain: each event's hash covers its content and its predecessor's hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from etl.ledger.definition import AuditEvent, ChainReport

GENESIS = "0" * 64


def moment_text(at: datetime) -> str:
    """The one spelling of a moment that is hashed: UTC with microseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def detail_text(detail: Mapping[str, Any]) -> str:
    """Canonical JSON: sorted keys, no blanks, characters as they are."""
    return json.dumps(dict(detail), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, default=str)


def link_hash(seq: int, at: str, actor: str, action: str, subject: str, detail: str, prev_hash: str) -> str:
    """SHA-256 over the fields as one JSON list, so that no field can borrow characters from its neighbour."""
    content = json.dumps([seq, at, actor, action, subject, detail, prev_hash], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def check_links(rows: Iterable[tuple[int, str, str, str, str, str, str, str]], noted: AuditEvent | None = None) -> ChainReport:
    """Walk `(seq, at, actor, action, subject, detail, prev_hash, hash)` in order of seq; stop at the first break.

    `noted` is an event remembered outside the ledger (say in a sealed package): the chain must still hold it,
    which is the only way to see that its end was cut off or that it was rewritten as a whole.
    """
    length, head, noted_seen = 0, GENESIS, noted is None
    for seq, at, actor, action, subject, detail, prev_hash, stored in rows:
        if seq != length + 1:
            return ChainReport(False, length, head, length + 1, "missing")
        if prev_hash != head:
            return ChainReport(False, length, head, seq, "unlinked")
        if link_hash(seq, at, actor, action, subject, detail, prev_hash) != stored:
            return ChainReport(False, length, head, seq, "altered")
        if noted is not None and seq == noted.seq:
            if stored != noted.hash:
                return ChainReport(False, length, head, seq, "altered")
            noted_seen = True
        length, head = seq, stored
    if not noted_seen:
        return ChainReport(False, length, head, length + 1, "truncated")
    return ChainReport(True, length, head)
