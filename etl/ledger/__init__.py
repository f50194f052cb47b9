"""The ledger: what ran, what it read, wrote and found, and who decided what.

`open_ledger` gives a `Ledger`; everything it returns is a frozen dataclass from `etl.ledger.definition`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl.ledger.ledger import Ledger, open_ledger
    from etl.ledger.lock import period_lock

__all__ = ["Ledger", "open_ledger", "period_lock"]


def __getattr__(name: str) -> Any:
    # SQLAlchemy takes a quarter of a second to import; `--help` must not pay for it.
    if name in ("Ledger", "open_ledger"):
        from etl.ledger import ledger

        return getattr(ledger, name)
    if name == "period_lock":
        from etl.ledger.lock import period_lock

        return period_lock
    raise AttributeError(name)
