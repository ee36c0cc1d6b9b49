"""Makes one attempt: looks up, connects, shakes hands, asks, reads the answer, and times each of them.

Every attempt has a connection of its own, so that each measures all phases; nothing is kept for the next one, no
connection, cookie or TLS session. Proxies of the environment are not used: they would be what is measured.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_address

from collectors.clock import Clock
from collectors.errors import CollectorError
from collectors.exchange import Exchange, HttpFailure, Phase
from collectors.http.connection import Stream, TcpConnection, TlsStream
from collectors.http.failing import AttemptError
from collectors.http.options import USER_AGENT, HttpOptions
from collectors.http.tls import TlsChannel, tls_context
from collectors.http.url import Url, is_expected
from collectors.http.wire import BodyTooLongError, CutOffError, Head, HttpError, ResponseReader, request
from collectors.path import NetworkPath, PacketMarks
from collectors.pinning import open_tcp

Resolve = Callable[[str, NetworkPath], Awaitable[str]]
"""Finds the address of a host for a path; raises :class:`CollectorError` where there is none."""
OpenSocket = Callable[[NetworkPath, int, PacketMarks], socket.socket]

_OUT_OF_TIME = {Phase.DNS: HttpFailure.UNRESOLVED, Phase.TRANSFER: HttpFailure.NEVER_ENDS}
_REDIRECTS = (301, 302, 303, 307, 308)
_FIRST_READ = 512
"""Octets of a read before the answer has begun: its time is that of the last segment it takes from."""


class HttpProber:
    """Makes attempts with these options, any number of them, also at the same time."""

    def __init__(
        self, options: HttpOptions, *, resolve: Resolve, clock: Clock, open_socket: OpenSocket = open_tcp
    ) -> None:
        self.options = options
        self.clock = clock
        self.resolve = resolve
        self.open_socket = open_socket

    def prepare(self) -> None:
        """Read the certificate authorities ahead of the first attempt; raise :class:`CollectorError` if that fails."""
        if self.options.url.is_secure or self.options.follow:
            self.tls_context()

    def tls_context(self) -> ssl.SSLContext:
        """Return what all TLS connections share; raise :class:`CollectorError` where ``ca_file`` is of no use."""
        return tls_context(verify=self.options.verify, ca_file=self.options.ca_file)

    async def attempt(self, host: str, path: NetworkPath, *, timeout_ns: int) -> Exchange:
        """Ask the server at ``host``, an address or a name to look up, for the URL.

        Whatever comes of it is a result, after ``timeout_ns`` at the latest. Raise :class:`CollectorError` where this
        host sent nothing: the path's pinning was refused, or there is no route.
        """
        asking = Asking(self, path)
        try:
            async with asyncio.timeout(timeout_ns / 1e9):
                return await asking.ask(host)
        except TimeoutError:
            return asking.timed_out(timeout_ns)


class Asking:
    """An attempt under way: knows at each moment which phase it is in, and what is known so far."""

    def __init__(self, prober: HttpProber, path: NetworkPath) -> None:
        self._prober = prober
        self._path = path
        self._options = prober.options
        self._clock = prober.clock
        self._phase_began_ns = 0
        self._phase: Phase | None = None
        self._phases: dict[Phase, int] = {}
        self._known = Exchange()

    async def ask(self, host: str) -> Exchange:
        """Make the attempt, however long it takes; raise :class:`CollectorError` where this host sent nothing."""
        try:
            await self._run(host)
        except AttemptError as error:
            return self._failed(error)
        return self._known

    def timed_out(self, timeout_ns: int) -> Exchange:
        """Return what is known now that the time is over."""
        failure = _OUT_OF_TIME.get(self._phase or Phase.CONNECT, HttpFailure.TIMED_OUT)
        return self._failed(AttemptError(failure, f"not done within {timeout_ns / 1e9:g} s, in phase {self._phase}"))

    async def _run(self, host: str) -> None:
        """Ask, follow redirects as far as that is wanted, and compare the status with what is expected."""
        url: Url | None = self._options.url
        while url is not None:
            head = await self._visit(url, host if url.host == self._options.url.host else url.host)
            url = self._next(url, head)
        self._know(phases=dict(self._phases), total_ns=sum(self._phases.values()))
        if not is_expected(head.status, self._options.expected):
            raise AttemptError(HttpFailure.STATUS, f"the server answers with status {head.status}")

    def _failed(self, error: AttemptError) -> Exchange:
        self._know(
            failure=error.failure, detail=str(error), icmp=error.icmp, phase=self._phase, phases=dict(self._phases)
        )
        return self._known

    def _know(self, **facts: object) -> None:
        self._known = replace(self._known, **facts)  # type: ignore[arg-type]  # its own fields, named by the callers

    def _enter(self, phase: Phase | None, at_ns: int) -> None:
        """End the phase that is on at this time, and begin the next.

        What this program does for itself, such as opening a socket, is in no phase.
        """
        if self._phase is not None:
            at_ns = max(at_ns, self._phase_began_ns)  # data may have come before it was asked for
            self._phases[self._phase] = self._phases.get(self._phase, 0) + at_ns - self._phase_began_ns
        self._phase, self._phase_began_ns = phase, at_ns

    async def _visit(self, url: Url, host: str) -> Head:
        """Get the answer to one request over a connection of its own."""
        self._known = Exchange(redirects=self._known.redirects, received=self._known.received)
        address = await self._look_up(host)
        family = socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6
        sock = self._prober.open_socket(self._path, family, self._options.marks)
        connection = TcpConnection(sock, self._path, loop=asyncio.get_running_loop(), clock=self._clock)
        try:
            stream = await self._connect(connection, address, url)
            return await self._exchange(stream, url)
        finally:
            connection.close()

    async def _look_up(self, host: str) -> str:
        try:
            address = str(ip_address(host))
        except ValueError:
            self._enter(Phase.DNS, self._clock.monotonic_ns())
            try:
                address = await self._prober.resolve(host, self._path)
            except CollectorError as error:
                raise AttemptError(HttpFailure.UNRESOLVED, str(error)) from error
            self._enter(None, self._clock.monotonic_ns())
        self._know(address=address)
        return address

    async def _connect(self, connection: TcpConnection, address: str, url: Url) -> Stream:
        tls = TlsChannel(self._prober.tls_context(), url.host) if url.is_secure else None
        self._enter(Phase.CONNECT, self._clock.monotonic_ns())
        connected_ns = await connection.connect(address, url.port)
        self._know(handshake=connection.handshake())
        if tls is None:
            self._enter(Phase.FIRST_BYTE, connected_ns)
            return connection
        self._enter(Phase.TLS, connected_ns)
        stream = TlsStream(connection, tls)
        await stream.shake_hands()
        self._enter(Phase.FIRST_BYTE, self._clock.monotonic_ns())
        self._know(tls_version=tls.version, certificate=tls.certificate(), verified=tls.verified)
        return stream

    async def _exchange(self, stream: Stream, url: Url) -> Head:
        reader = ResponseReader(method=self._options.method, max_body=self._options.max_body)
        received_before = self._known.received
        try:
            await stream.send(request(url, method=self._options.method, user_agent=USER_AGENT))
            await self._read(stream, reader)
        except BodyTooLongError as error:
            raise AttemptError(HttpFailure.BODY_TOO_LONG, str(error)) from error
        except CutOffError as error:
            raise AttemptError(HttpFailure.CLOSED, str(error)) from error
        except HttpError as error:
            raise AttemptError(HttpFailure.PROTOCOL, str(error)) from error
        finally:
            self._know(received=received_before + reader.received)
            if reader.head is not None:
                self._know(status=reader.head.status, http_version=reader.head.version)
        assert reader.head is not None  # the answer is complete
        return reader.head

    async def _read(self, stream: Stream, reader: ResponseReader) -> None:
        """Read the answer; its last octet ends the last phase."""
        received = await stream.receive(_FIRST_READ)
        if received.data:
            self._enter(Phase.TRANSFER, received.at_ns)
            self._know(stamped=received.stamped)
        while received.data:
            reader.receive(received.data)
            if reader.complete:
                break
            received = await stream.receive()
        else:
            reader.end()
        self._enter(None, received.at_ns)

    def _next(self, url: Url, head: Head) -> Url | None:
        """Return where the answer leads to, if it is a redirect to be followed."""
        location = head.value("location")
        if not self._options.follow or head.status not in _REDIRECTS or location is None:
            return None
        if self._known.redirects == self._options.follow:
            raise AttemptError(HttpFailure.TOO_MANY_REDIRECTS, f"more than {self._options.follow} redirects")
        self._know(redirects=self._known.redirects + 1)
        try:
            return url.joined(location)
        except ValueError as error:
            raise AttemptError(HttpFailure.PROTOCOL, f"a redirect leads nowhere: {error}") from error
