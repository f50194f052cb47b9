"""Calling the command as a shell would: for tests of what people see."""

from __future__ import annotations

import pytest

from etl.cli import main


def call(capsys, *arguments) -> tuple[int, str, str]:
    """(exit code, output, errors) of `eastbound ARGUMENTS`."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return left.value.code, told.out, told.err


def call_english(capsys, *arguments) -> tuple[int, str, str]:
    """As `call`, in English."""
    return call(capsys, "--lang", "en", *arguments)
