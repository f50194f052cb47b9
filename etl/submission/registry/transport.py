"""Talking to the platform: zips and error files over SFTP, messages over SOAP.

What may pass (no connection, a time limit, a broken transfer, a gateway's error, an answer that is not XML) is tried again
with growing waits; every request may be repeated, since uploads replace whole files and messages keep their serial number.
What cannot pass (unknown host key, refused login, a request that is called wrong) fails at once.
"""

from __future__ import annotations

import asyncio
import posixpath
import ssl
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from etl.files import whole_file
from etl.submission.registry.errors import FileRefused, LoginRefused, MessageUnreadable, PlatformUnreachable, PlatformUntrusted, RequestRefused
from etl.submission.registry.messages import Reply, Request, build_request, parse_reply, same_request
from etl.submission.registry.settings import RegistrySettings
from etl.submission.registry.soap import SoapFault, unwrap, wrap

T = TypeVar("T")
PARTIAL = ".part"
PASSING_HTTP = (408, 425, 429, 500, 502, 503, 504)
MAX_ERROR_FILE = 512 * 1024 * 1024


class _MayPass(Exception):
    """Something that may be over in a moment; the text is its kind, never what was received."""


class Channel:
    """The two channels of one platform. `sleep` is what waits between attempts."""

    def __init__(self, settings: RegistrySettings, *, sleep: Callable[[float], None] | None = None) -> None:
        import time

        self.settings = settings
        self._sleep = sleep or time.sleep
        self._client: Any = None

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection that messages use."""
        if self._client is not None:
            self._client.close()
            self._client = None

    # -- messages

    def ask(self, request: Request) -> Reply:
        """Send a message and return the platform's answer.

        Raises PlatformUnreachable (after all attempts), PlatformUntrusted, RequestRefused.
        """
        import httpx

        data = wrap(build_request(request), self.settings.soap)
        kind = str(request.head.request_type)
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{self.settings.soap.operation}"'}

        def attempt() -> Reply:
            try:
                answer = self._http().post(self.settings.endpoint, content=data, headers=headers)
            except httpx.TransportError as error:
                if isinstance(error, httpx.ConnectError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
                    raise PlatformUntrusted(place=self._endpoint, reason="certificate") from None
                raise _MayPass(type(error).__name__) from None
            if answer.status_code != 200 and (answer.status_code != 500 or b"Fault" not in answer.content):
                if answer.status_code in PASSING_HTTP:
                    raise _MayPass(f"HTTP {answer.status_code}")
                raise RequestRefused(kind=kind, status=f"HTTP {answer.status_code}", subject=self._endpoint)
            try:
                head, reply = parse_reply(unwrap(answer.content))
            except SoapFault as fault:
                if fault.by_us:
                    raise RequestRefused(kind=kind, status=f"SOAP {fault.code}", subject=self._endpoint) from None
                raise _MayPass(f"SOAP {fault.code}") from None
            except MessageUnreadable:
                raise _MayPass("MessageUnreadable") from None
            if not same_request(request.head, head):
                raise _MayPass("reply to another request")
            return reply

        return self._retried(attempt, "HTTP", self._endpoint)

    # -- files

    def put(self, local: Path, name: str | None = None) -> None:
        """Put a file into the platform's inbox: it appears there whole, under its name, or not at all; an older one is replaced."""
        local = Path(local)
        target = posixpath.join(self.settings.inbox, name or local.name)

        async def send(sftp: Any) -> None:
            partial = target + PARTIAL
            await sftp.put(str(local), partial)
            if (await sftp.stat(partial)).size != local.stat().st_size:
                raise _MayPass("size after transfer")
            try:
                await sftp.posix_rename(partial, target)
            except _unsupported():
                if await sftp.exists(target):
                    await sftp.remove(target)
                await sftp.rename(partial, target)

        self._files(send, "put", local.name)

    def get(self, remote: str, local: Path) -> None:
        """Fetch a file; it appears at `local` whole or not at all, readable by its owner alone."""
        name = posixpath.basename(remote)

        async def fetch(sftp: Any) -> None:
            size = (await sftp.stat(remote)).size
            if size is None or size > MAX_ERROR_FILE:
                raise FileRefused(action="get", name=name, reason=f"{size} bytes")
            with whole_file(local, mode=0o600) as partial:
                await sftp.get(remote, str(partial))
                if partial.stat().st_size != size:
                    raise _MayPass("size after transfer")

        self._files(fetch, "get", name)

    def _files(self, work: Callable[[Any], Awaitable[None]], action: str, name: str) -> None:
        import asyncssh

        place = f"{self.settings.host}:{self.settings.port}"

        async def once() -> None:
            async with self._sftp() as sftp:
                await work(sftp)

        def attempt() -> None:
            try:
                asyncio.run(asyncio.wait_for(once(), self.settings.timeout))
            except asyncssh.HostKeyNotVerifiable as error:
                raise PlatformUntrusted(place=place, reason=type(error).__name__) from None
            except asyncssh.PermissionDenied:
                raise LoginRefused(place=place, user=self.settings.user) from None
            except (asyncssh.SFTPPermissionDenied, asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath) as error:
                raise FileRefused(action=action, name=name, reason=type(error).__name__) from None
            except (asyncssh.Error, TimeoutError, ConnectionError) as error:
                raise _MayPass(type(error).__name__) from None
            except OSError as error:
                # No road to the host is a matter of time; a local file that cannot be read is not.
                if error.filename is not None:
                    raise
                raise _MayPass(type(error).__name__) from None

        self._retried(attempt, "SFTP", place)

    @asynccontextmanager
    async def _sftp(self):  # noqa: ANN202
        import asyncssh

        s = self.settings
        if not s.known_hosts.is_file():
            raise PlatformUntrusted(place=f"{s.host}:{s.port}", reason="known_hosts")
        async with asyncssh.connect(
            s.host, s.port, username=s.user, password=s.password, client_keys=[str(s.client_key)] if s.client_key else None,
            known_hosts=str(s.known_hosts), agent_path=None, config=None, connect_timeout=s.connect_timeout, login_timeout=s.connect_timeout,
            keepalive_interval=15,
        ) as connection:
            async with connection.start_sftp_client() as sftp:
                yield sftp

    # -- both

    @property
    def _endpoint(self) -> str:
        return self.settings.endpoint.partition("?")[0]

    def _http(self) -> Any:
        import httpx

        if self._client is None:
            self._client = httpx.Client(verify=self._tls(), timeout=httpx.Timeout(self.settings.timeout, connect=self.settings.connect_timeout),
                                        follow_redirects=False, trust_env=False)
        return self._client

    def _tls(self) -> ssl.SSLContext | bool:
        if not self.settings.endpoint.startswith("https:"):
            return False  # nothing to verify; the settings allow plain HTTP on this very machine only
        context = ssl.create_default_context(cafile=str(self.settings.ca_file) if self.settings.ca_file else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.settings.client_certificate:
            context.load_cert_chain(str(self.settings.client_certificate), str(self.settings.client_certificate_key or self.settings.client_certificate))
        return context

    def _retried(self, attempt: Callable[[], T], channel: str, place: str) -> T:
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

        r = self.settings.retries
        retrying = Retrying(stop=stop_after_attempt(r.attempts), wait=wait_exponential(multiplier=r.first, max=r.most) + wait_random(0, r.first / 4),
                            retry=retry_if_exception_type(_MayPass), sleep=self._sleep, reraise=True)
        try:
            return retrying(attempt)
        except _MayPass as error:
            raise PlatformUnreachable(channel=channel, place=place, attempts=r.attempts, reason=str(error)) from None


def _unsupported() -> type[Exception]:
    import asyncssh

    return asyncssh.SFTPOpUnsupported
