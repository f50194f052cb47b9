"""The vault: clear stage files of a run, encrypted where they lie as soon as the run lets go of them.

A sealed file is `header | chunk | chunk ...`; the header is magic (8), key check (8), salt (16), nonce prefix (7).
Each chunk is AES-256-GCM of up to 4 MiB under a key of the file's own (HKDF of the vault key and the salt), with nonce
= prefix | counter (4) | final flag (1), and the header and the file's name within the vault as associated data: a
file that was changed, cut, extended, reordered, renamed or moved to another run does not open.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from etl.errors import EastboundError
from etl.files import PARTIAL, whole_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SEALED = ".sealed"
SCRATCH = ".scratch"
CHUNK = 4 * 1024 * 1024
STRANGER_SECONDS = 24 * 3600
_MAGIC = b"EBVAULT1"
_TAG = 16
_HEADER = 8 + 8 + 16 + 7


class VaultFileMissing(EastboundError):
    zh = "保险库中没有 {name}（运行 {run}）"
    en = "the vault holds no {name} (run {run})"


class VaultNameRefused(EastboundError):
    zh = "{name} 不是保险库内的相对路径"
    en = "{name} is not a relative path inside the vault"


class VaultWrongKey(EastboundError):
    zh = "{name} 是用另一把保险库密钥加密的；请恢复原来的 vault 密钥（EASTBOUND_VAULT_KEY 或密钥文件）"
    en = "{name} was sealed with another vault key; restore that key (EASTBOUND_VAULT_KEY or the key file)"
    exit_code = 3


class VaultDamaged(EastboundError):
    zh = "{name} 无法解密：内容被改动、截断或移动过；请从备份恢复，或重新执行该次运行"
    en = "{name} does not decrypt: it was changed, cut or moved; restore it from a backup or run that run again"
    exit_code = 3


class Vault:
    """A directory that only its owner can enter; clear files live below `<root>/<run>/` while the run is open."""

    def __init__(self, root: Path, key: bytes) -> None:
        self.root = Path(root)
        self._key = key
        self._check = hmac.new(key, b"eastbound/vault/check/v1", hashlib.sha256).digest()[:8]
        _private_folder(self.root)
        self._sweep_scratch()

    def __repr__(self) -> str:
        return f"Vault({str(self.root)!r})"

    def folder(self, run: str, *parts: str) -> Path:
        """The folder of a run, or one below it, made if need be (mode 0700)."""
        folder = self.root
        for part in PurePosixPath(self._inside(run, *parts)).parts:
            folder = folder / part
            _private_folder(folder)
        return folder

    def runs(self) -> list[str]:
        """The runs that have files here."""
        return sorted(p.name for p in self.root.iterdir() if p.is_dir() and not p.name.startswith("."))

    def files(self, run: str) -> list[str]:
        """Names of a run's files, relative to the run, clear or sealed alike."""
        base = self.root / self._inside(run)
        names = (
            p.relative_to(base).as_posix() for p in base.rglob("*") if p.is_file() and not p.name.endswith(PARTIAL)
        )
        return sorted({name.removesuffix(SEALED) for name in names})

    def is_closed(self, run: str) -> bool:
        """True when no clear file of the run is left."""
        base = self.root / self._inside(run)
        return not any(p.is_file() and not p.name.endswith(SEALED) for p in base.rglob("*"))

    def close_run(self, run: str) -> int:
        """Encrypt every clear file of the run in place; returns how many. Safe to repeat after a kill.

        Where a file is there both clear and sealed, the clear one wins: it is always the newer.
        """
        base = self.root / self._inside(run)
        self._sweep_scratch()
        sealed = 0
        for clear in sorted(p for p in base.rglob("*") if p.is_file() and not p.name.endswith(SEALED)):
            if clear.name.endswith(PARTIAL):
                # Half a file, clear or sealed, that a killed process left: nobody can use it. Sealing the whole one
                # before it may have taken the name already.
                clear.unlink(missing_ok=True)
                continue
            target = clear.with_name(clear.name + SEALED)
            with whole_file(target, mode=0o600) as partial, clear.open("rb") as source, partial.open("wb") as stream:
                self._seal(source, stream, clear.relative_to(self.root).as_posix())
            clear.unlink()
            sealed += 1
        return sealed

    def open_run(self, run: str) -> int:
        """Decrypt every sealed file of the run in place; returns how many. Safe to repeat after a kill.

        Raises VaultWrongKey or VaultDamaged; files before the bad one stay open, the bad one stays sealed.
        """
        base = self.root / self._inside(run)
        opened = 0
        for sealed in sorted(base.rglob("*" + SEALED)):
            clear = sealed.with_name(sealed.name.removesuffix(SEALED))
            if not clear.exists():
                self._unseal(sealed, clear)
            sealed.unlink()
            opened += 1
        return opened

    @contextmanager
    def read(self, run: str, relative: str | os.PathLike[str]) -> Iterator[Path]:
        """A path with the clear content of one file, for the `with` block only; the run stays as closed as it was."""
        clear = self.root / self._inside(run, os.fspath(relative))
        sealed = clear.with_name(clear.name + SEALED)
        if clear.is_file():
            yield clear
            return
        if not sealed.is_file():
            raise VaultFileMissing(name=os.fspath(relative), run=run)
        with self.scratch() as own:
            self._unseal(sealed, own / clear.name, name=clear.relative_to(self.root).as_posix())
            yield own / clear.name

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A private folder for the `with` block only; what a killed process leaves of its own is gone with the next start."""
        scratch = self.root / SCRATCH
        _private_folder(scratch)
        own = scratch / f"{os.getpid()}-{secrets.token_hex(8)}@{_host()}"
        _private_folder(own)
        try:
            yield own
        finally:
            shutil.rmtree(own, ignore_errors=True)

    def _inside(self, *parts: str) -> str:
        path = PurePosixPath(*parts)
        if path.is_absolute() or ".." in path.parts or not path.parts or path.parts[0].startswith("."):
            raise VaultNameRefused(name=str(path))
        return str(path)

    def _seal(self, source: BinaryIO, target: BinaryIO, name: str) -> None:
        salt, prefix = secrets.token_bytes(16), secrets.token_bytes(7)
        header = _MAGIC + self._check + salt + prefix
        cipher = self._cipher(salt)
        target.write(header)
        chunk, counter = source.read(CHUNK), 0
        while True:
            following = source.read(CHUNK)
            target.write(cipher.encrypt(_nonce(prefix, counter, final=not following), chunk, header + name.encode()))
            if not following:
                return
            chunk, counter = following, counter + 1

    def _unseal(self, sealed: Path, clear: Path, name: str | None = None) -> None:
        from cryptography.exceptions import InvalidTag

        name = name or clear.relative_to(self.root).as_posix()
        with sealed.open("rb") as source, whole_file(clear, mode=0o600) as partial, partial.open("wb") as target:
            header = source.read(_HEADER)
            if len(header) != _HEADER or not header.startswith(_MAGIC):
                raise VaultDamaged(name=name)
            if not hmac.compare_digest(header[8:16], self._check):
                raise VaultWrongKey(name=name)
            cipher, prefix = self._cipher(header[16:32]), header[32:]
            chunk, counter = source.read(CHUNK + _TAG), 0
            try:
                while True:
                    following = source.read(CHUNK + _TAG)
                    target.write(
                        cipher.decrypt(_nonce(prefix, counter, final=not following), chunk, header + name.encode())
                    )
                    if not following:
                        return
                    chunk, counter = following, counter + 1
            except (InvalidTag, ValueError):
                raise VaultDamaged(name=name) from None

    def _cipher(self, salt: bytes) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return AESGCM(HKDF(SHA256(), 32, salt, b"eastbound/vault/file/v1").derive(self._key))

    def _sweep_scratch(self) -> None:
        """Remove what readers that were killed left behind."""
        scratch = self.root / SCRATCH
        for folder in scratch.iterdir() if scratch.is_dir() else ():
            pid, host = folder.name.partition("-")[0], folder.name.partition("@")[2]
            if host not in ("", _host()):
                # A worker on another machine, or in another container, has process numbers of its own: only its age tells.
                dead = _age(folder) > STRANGER_SECONDS
            else:
                dead = not (pid.isdigit() and _alive(int(pid)))
            if dead:
                shutil.rmtree(folder, ignore_errors=True)


def _nonce(prefix: bytes, counter: int, final: bool) -> bytes:
    return prefix + counter.to_bytes(4, "big") + (b"\x01" if final else b"\x00")


def _private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def _host() -> str:
    return re.sub(r"[^0-9A-Za-z.-]", "_", socket.gethostname())


def _age(folder: Path) -> float:
    """Seconds since anything was put into the folder; 0 where it is gone already."""
    try:
        return time.time() - folder.stat().st_mtime
    except OSError:
        return 0.0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
