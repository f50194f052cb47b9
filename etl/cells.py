"""Cells of workbooks that people get: texts and nothing else."""

from __future__ import annotations

from typing import Any

# For xlsxwriter: no number turns into a float, no text into a formula or a link; rows are written as they come.
TEXT_ONLY = {"constant_memory": True, "strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}
# What Excel holds in one cell.
LONGEST = 32_767


def cell_text(value: Any) -> str:
    """A cell's text: XML cannot carry control characters, so they are shown by their number."""
    return "".join(c if c >= " " or c in "\n\t" else f"\\x{ord(c):02x}" for c in str(value))[:LONGEST]


def unformulated(value: Any) -> Any:
    """A value for CSV: a spreadsheet would run a text that begins like a formula; a negative number is none."""
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "@", "-", "\t", "\r") else value
