"""What is blank: the one place that says which characters are blanks and what is left of a text that has them.

- Blanks are the half-width, the no-break and the full-width blank. At both ends of a text they are dropped; inside
  they stay.
- A text of blanks only, and the empty text, are NULL: the source has nothing.
- Zero is a value, not a blank. Full-width letters and digits are what they are: nothing converts them silently.
- Tabs, line ends and other control characters are no blanks. They stay, for a check rule to find.

`tests/expressions/blank_vectors.json` holds vectors; Python and every engine must agree on them.
"""

from __future__ import annotations

BLANKS = " \u00a0\u3000"

# SQL of the text of all blanks: spelt out, since the characters cannot be told apart when read.
BLANKS_SQL = " || ".join(f"chr({ord(character)})" for character in BLANKS)

# The blanks inside a regular expression's character class.
BLANKS_CLASS = "".join(f"\\x{{{ord(character):X}}}" for character in BLANKS)


def clean_text(text: str | None) -> str | None:
    """The text as the house reads it: blanks trimmed; None where nothing is left."""
    return (text.strip(BLANKS) or None) if text is not None else None


def trim_sql(sql: str) -> str:
    """SQL of a text without the blanks at its ends ('' stays '')."""
    return f"trim({sql}, {BLANKS_SQL})"


def clean_text_sql(sql: str) -> str:
    """SQL of `clean_text`."""
    return f"nullif({trim_sql(sql)}, '')"
