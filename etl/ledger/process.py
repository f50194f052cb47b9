"""Which process a run belongs to, told apart even when its number is given out again."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def host_name() -> str:
    return socket.gethostname() or "localhost"


def process_token(pid: int | None = None) -> str | None:
    """Start of the process since boot, and which boot; None where the system does not tell or the process is gone."""
    try:
        stat = Path(f"/proc/{pid or os.getpid()}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
    # The command name stands in brackets and may hold anything; fields are counted after the last bracket.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else f"{boot}:{fields[19]}"


def is_alive(pid: int, token: str | None) -> bool:
    """Whether process `pid` runs on this machine and is the one that `token` was taken from."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    if token is None or not Path("/proc/self/stat").exists():
        return True
    return process_token(pid) == token
