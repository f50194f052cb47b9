"""Alembic migrations of the ledger. `HEAD` and `KNOWN` spare a look through the scripts at every start."""

KNOWN = ("0001", "0002", "0003", "0004", "0005", "0006")
HEAD = KNOWN[-1]
