"""Approving packages: maker and checker are different persons, and an approval holds for one package only.

`decide` notes a decision, `approval_of` and `require_approval` ask for it; the truth is in the ledger (`etl.ledger.approvals`).
"""

from etl.approvals.decision import approval_of, decide, require_approval

__all__ = ["approval_of", "decide", "require_approval"]
