"""The command in this process: exit code, and everything it printed."""

from __future__ import annotations

import contextlib
import io

from etl.cli import main
from etl.language import set_language


def call(*arguments: str) -> tuple[int, str]:
    """(exit code, output) of `eastbound ARGUMENTS`, in English."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            main(["--lang", "en", *arguments])
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            set_language(None)
    return code, out.getvalue()
