"""Where the platform is and how to log in: `registry.yaml` of the workspace."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from etl.errors import EastboundError, raise_problems
from etl.packs.yamlfile import read_yaml
from etl.submission.registry.errors import SettingsMissing, SettingsUnfit
from etl.submission.registry.soap import SoapNames

SETTINGS = "registry.yaml"


@dataclass(frozen=True)
class Retries:
    """How often and after how many seconds something that may pass is tried again; waits double from `first` to `most`."""

    attempts: int = 5
    first: float = 1.0
    most: float = 30.0


@dataclass(frozen=True)
class Polling:
    """How long the platform's judgement is waited for: waits double from `first` to `most`, `limit` seconds in all."""

    first: float = 2.0
    most: float = 60.0
    limit: float = 1800.0


@dataclass(frozen=True)
class RegistrySettings:
    """`known_hosts` is needed: a host whose key is not in it is not talked to. Times are seconds."""

    endpoint: str
    host: str
    port: int
    user: str
    known_hosts: Path
    client_key: Path | None = None
    password: str | None = field(default=None, repr=False)
    inbox: str = "/inbox"
    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_certificate_key: Path | None = None
    soap: SoapNames = SoapNames()
    connect_timeout: float = 10.0
    timeout: float = 120.0
    retries: Retries = Retries()
    polling: Polling = Polling()

    def __post_init__(self) -> None:
        parts = urlsplit(self.endpoint)
        if parts.scheme != "https" and not (parts.scheme == "http" and _loopback(parts.hostname or "")):
            raise SettingsUnfit(path=SETTINGS, key="endpoint", problem_zh="除本机外只接受 https", problem_en="only https is accepted, except on this very machine")


def load_settings(root: Path) -> RegistrySettings:
    """Read `registry.yaml` of a workspace; paths in it count from the workspace. Raises SettingsMissing, SettingsUnfit."""
    path = Path(root) / SETTINGS
    if not path.is_file():
        raise SettingsMissing(path=SETTINGS)
    data: dict[str, Any] = read_yaml(path).data or {}
    errors: list[EastboundError] = []

    def fault(key: str, zh: str, en: str) -> None:
        errors.append(SettingsUnfit(path=SETTINGS, key=key, problem_zh=zh, problem_en=en))

    def section(name: str, known: tuple[str, ...]) -> dict[str, Any]:
        found = data.get(name) or {}
        if not isinstance(found, dict):
            fault(name, "应是键值对", "should hold keys and values")
            return {}
        for key in found:
            if key not in known:
                fault(f"{name}.{key}", "未知键", "unknown key")
        return {key: value for key, value in found.items() if key in known}

    def place(value: Any) -> Path | None:
        return Path(root) / str(value) if value else None

    for key in data:
        if key not in ("endpoint", "sftp", "tls", "soap", "timeouts", "retries", "polling"):
            fault(key, "未知键", "unknown key")
    sftp = section("sftp", ("host", "port", "user", "known_hosts", "client_key", "password", "inbox"))
    tls = section("tls", ("ca_file", "client_certificate", "client_certificate_key"))
    timeouts = section("timeouts", ("connect", "total"))
    for key in ("host", "user", "known_hosts"):
        if not sftp.get(key):
            fault(f"sftp.{key}", "缺少", "is missing")
    if not data.get("endpoint"):
        fault("endpoint", "缺少", "is missing")
    if not sftp.get("client_key") and not sftp.get("password"):
        fault("sftp.client_key", "client_key 与 password 须有其一", "either client_key or password is needed")
    numbers = {name: section(name, known) for name, known in
               (("retries", ("attempts", "first", "most")), ("polling", ("first", "most", "limit")))}
    for name, values in (*numbers.items(), ("timeouts", timeouts), ("sftp", {"port": sftp.get("port", 22)})):
        for key, value in values.items():
            if not isinstance(value, int | float) or isinstance(value, bool) or value < (1 if key in ("attempts", "port") else 0):
                fault(f"{name}.{key}", "应是数字", "should be a number")
    soap = section("soap", ("namespace", "operation", "argument"))
    raise_problems(errors)
    return RegistrySettings(
        endpoint=str(data["endpoint"]), host=str(sftp["host"]), port=int(sftp.get("port", 22)), user=str(sftp["user"]),
        known_hosts=Path(root) / str(sftp["known_hosts"]), client_key=place(sftp.get("client_key")), password=_secret(sftp.get("password")),
        inbox=str(sftp.get("inbox", "/inbox")), ca_file=place(tls.get("ca_file")), client_certificate=place(tls.get("client_certificate")),
        client_certificate_key=place(tls.get("client_certificate_key")), soap=SoapNames(**{k: str(v) for k, v in soap.items()}),
        connect_timeout=float(timeouts.get("connect", 10)), timeout=float(timeouts.get("total", 120)),
        retries=Retries(**{k: int(v) if k == "attempts" else float(v) for k, v in numbers["retries"].items()}),
        polling=Polling(**{k: float(v) for k, v in numbers["polling"].items()}),
    )


def _secret(text: Any) -> str | None:
    """A password, which must come from the environment: `${NAME}`."""
    if not text:
        return None
    match = re.fullmatch(r"\$\{(\w+)\}", str(text))
    if match is None or match[1] not in os.environ:
        raise SettingsUnfit(path=SETTINGS, key="sftp.password", problem_zh="口令不得写在文件里：写 ${变量名} 并设置该环境变量",
                            problem_en="a password is not written in a file: write ${NAME} and set that environment variable")
    return os.environ[match[1]]


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
