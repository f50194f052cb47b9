"""Files that appear whole or not at all: written under another name, flushed to disk, renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etl.engines.local import DiskFull, flush

PARTIAL = ".partial"


@contextmanager
def whole_file(path: Path, mode: int | None = None) -> Iterator[Path]:
    """Give the temporary path to write to; at the end of the block it becomes `path`, after an error it is gone.

    `mode` is set before anything is written. Raises DiskFull where the disk has no room left.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + PARTIAL)
    try:
        if mode is not None:
            partial.unlink(missing_ok=True)
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        yield partial
        flush(partial)
        os.replace(partial, path)
        flush(path.parent)
    except OSError as error:
        partial.unlink(missing_ok=True)
        if error.errno == errno.ENOSPC:
            raise DiskFull(path=str(path)) from None
        raise
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
