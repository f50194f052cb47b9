"""The two secret keys of a workspace: `masking` (what is sent) and `vault` (what stays clear, encrypted at rest)."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import secrets
import stat
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from etl.errors import EastboundError

KEY_BYTES = 32
KEY_NAMES = ("masking", "vault")
_VARIABLES = {"masking": "EASTBOUND_MASKING_KEY", "vault": "EASTBOUND_VAULT_KEY"}


class KeyMissing(EastboundError):
    zh = "找不到密钥文件 {path}；请恢复该文件，或设置环境变量 {variable}（32 字节，base64 或十六进制）"
    en = "key file {path} does not exist; restore it, or set {variable} (32 bytes as base64 or hex)"


class KeyMalformed(EastboundError):
    zh = "{where} 中的密钥无效：应为 32 字节，写成 64 位十六进制或 44 位 base64，实际得到 {found}"
    en = "the key in {where} should be 32 bytes, written as 64 hex digits or 44 base64 characters, but it is {found}"


class KeyExposed(EastboundError):
    zh = "{path} 的权限为 {mode}，其他用户可以读取；请执行 chmod {wanted} {path}，若他人可能已读取则应更换密钥"
    en = (
        "{path} has mode {mode}, so other users can read it; run chmod {wanted} {path}, "
        "and replace the key if someone may have read it"
    )


@dataclass(frozen=True)
class Keyring:
    """The keys in force. Their bytes never show in a repr, a log or an error."""

    masking: bytes = field(repr=False)
    vault: bytes = field(repr=False)

    @classmethod
    def open(cls, folder: Path, create: bool = True, environ: Mapping[str, str] | None = None) -> Keyring:
        """The keys in `folder`, made on first use; EASTBOUND_MASKING_KEY and EASTBOUND_VAULT_KEY win over files.

        Raises KeyMissing (no file and `create` false), KeyMalformed, KeyExposed.
        """
        environ = os.environ if environ is None else environ
        return cls(**{name: _key(name, Path(folder), create, environ) for name in KEY_NAMES})

    def fingerprint(self, name: str) -> str:
        """16 hex digits that tell one key from another and say nothing about it; safe to store and print."""
        return fingerprint(name, getattr(self, name))


def fingerprint(name: str, key: bytes) -> str:
    """First 16 hex digits of SHA-256 over a domain-separated value of the key called `name`."""
    return hashlib.sha256(b"eastbound/key-fingerprint/v1/" + name.encode() + b"\x00" + key).hexdigest()[:16]


def _key(name: str, folder: Path, create: bool, environ: Mapping[str, str]) -> bytes:
    variable = _VARIABLES[name]
    if environ.get(variable):
        return decode_key(environ[variable], variable)
    path = folder / f"{name}.key"
    if not path.exists():
        if not create:
            raise KeyMissing(path=str(path), variable=variable)
        _create(folder, path)
    _refuse_exposed(folder, "700", stat.S_IRWXG | stat.S_IRWXO)
    _refuse_exposed(path, "600", stat.S_IRWXG | stat.S_IRWXO)
    return decode_key(path.read_text(encoding="ascii", errors="replace"), str(path))


def _create(folder: Path, path: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = folder / f".{path.name}.{secrets.token_hex(8)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(KEY_BYTES) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        # A link fails where the name is taken: two processes starting together end up with one key, not two.
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()


def _refuse_exposed(path: Path, wanted: str, forbidden: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & forbidden:
        raise KeyExposed(path=str(path), mode=f"{mode:04o}", wanted=wanted)


def decode_key(text: str, where: str) -> bytes:
    text = text.strip()
    if len(text) == 2 * KEY_BYTES and all(character in string.hexdigits for character in text):
        return bytes.fromhex(text)
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise KeyMalformed(where=where, found=f"{len(text)} characters of something else") from None
    if len(key) != KEY_BYTES:
        raise KeyMalformed(where=where, found=f"{len(key)} bytes")
    return key
