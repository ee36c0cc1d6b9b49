"""Attempts at real servers on loopback: each phase has its own time, and each way to fail has its own name."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from collectors.clock import SystemClock
from collectors.errors import CollectorError
from collectors.exchange import Exchange, HttpFailure, Phase
from collectors.failure import Failure
from collectors.http.attempt import HttpProber
from collectors.http.options import HttpOptions
from collectors.http.url import Url
from collectors.path import NetworkPath, PacketMarks
from collectors.pinning import open_tcp
from tests.collectors.http.servers import CA_FILE, answering, fall_silent, listening, response, serving

ANY = NetworkPath(name="any")
PLENTY_NS = 5_000_000_000
SHORT_NS = 150_000_000


class Names:
    """Finds the addresses of the names it is told, and no others."""

    def __init__(self, **addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def __call__(self, host: str, path: NetworkPath) -> str:
        self.asked.append(host)
        await asyncio.sleep(0)
        if host not in self.addresses:
            raise CollectorError(f"{host} does not resolve", reason="unresolved")
        return self.addresses[host]


def prober(options: HttpOptions, *, names: Names | None = None) -> HttpProber:
    return HttpProber(options, resolve=names or Names(localhost="127.0.0.1"), clock=SystemClock())


async def ask(
    port: int, options: HttpOptions | None = None, *, timeout_ns: int = PLENTY_NS, host: str = "127.0.0.1"
) -> Exchange:
    asked = options or HttpOptions(url=Url.parse(f"http://127.0.0.1:{port}/"))
    return await prober(asked).attempt(host, ANY, timeout_ns=timeout_ns)


def secure(port: int, *, name: str = "localhost", verify: bool = True) -> HttpOptions:
    return HttpOptions(url=Url.parse(f"https://{name}:{port}/"), ca_file=CA_FILE, verify=verify)


async def test_an_answer_has_each_phase_and_together_they_are_the_total() -> None:
    async with serving(answering(response(b"x" * 1000)), certificate="valid") as port:
        result = await ask(port, secure(port), host="localhost")
    assert result.failure is None
    assert list(result.phases) == [Phase.DNS, Phase.CONNECT, Phase.TLS, Phase.FIRST_BYTE, Phase.TRANSFER]
    assert result.total_ns == sum(result.phases.values())
    assert all(duration_ns >= 0 for duration_ns in result.phases.values())
    assert result.address == "127.0.0.1"
    assert (result.status, result.http_version, result.received) == (200, "1.1", 1000)


async def test_the_kernel_tells_the_round_trip_of_the_handshake() -> None:
    async with serving(answering(response())) as port:
        result = await ask(port)
    assert result.handshake is not None
    assert result.handshake.rtt_ns is not None
    assert 0 < result.handshake.rtt_ns <= result.phases[Phase.CONNECT] + 1000
    assert result.handshake.syn_retransmits == 0


async def test_an_address_needs_no_look_up_and_plain_http_no_tls() -> None:
    async with serving(answering(response())) as port:
        result = await ask(port)
    assert list(result.phases) == [Phase.CONNECT, Phase.FIRST_BYTE, Phase.TRANSFER]
    assert (result.tls_version, result.certificate, result.verified) == (None, None, None)


async def test_first_byte_is_what_the_server_waits_and_not_the_rest() -> None:
    async def think_then_drag(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(b"H")
        await asyncio.sleep(0.2)
        writer.write(response()[1:])

    async with serving(think_then_drag) as port:
        result = await ask(port)
    assert result.succeeded
    assert 95_000_000 < result.phases[Phase.FIRST_BYTE] < result.phases[Phase.TRANSFER]
    assert result.phases[Phase.TRANSFER] > 190_000_000


async def test_the_look_up_has_its_own_time() -> None:
    class Slow(Names):
        async def __call__(self, host: str, path: NetworkPath) -> str:
            await asyncio.sleep(0.1)
            return await super().__call__(host, path)

    async with serving(answering(response())) as port:
        options = HttpOptions(url=Url.parse(f"http://localhost:{port}/"))
        result = await prober(options, names=Slow(localhost="127.0.0.1")).attempt(
            "localhost", ANY, timeout_ns=PLENTY_NS
        )
    assert result.phases[Phase.DNS] > 95_000_000
    assert result.phases[Phase.CONNECT] < 95_000_000


async def test_a_program_that_stands_still_when_the_answer_comes_does_not_lengthen_it() -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        began_ns = SystemClock.monotonic_ns()
        attempt = asyncio.create_task(ask(listener.getsockname()[1]))
        listener.setblocking(False)
        server, _ = await loop.sock_accept(listener)
        with server:
            await loop.sock_recv(server, 4096)
            await asyncio.sleep(0.02)  # a kernel that stamps nothing yet begins about 0.6 ms after it was asked to
            server.setblocking(True)
            server.sendall(response())
            answered_ns = SystemClock.monotonic_ns()
            while SystemClock.monotonic_ns() < answered_ns + 100_000_000:
                pass
            result = await attempt
    assert result.succeeded
    assert result.stamped is True
    assert result.phases[Phase.FIRST_BYTE] + result.phases[Phase.TRANSFER] <= answered_ns - began_ns


async def test_the_request_is_for_one_answer_uncompressed_and_for_the_name_in_the_url() -> None:
    requests: list[bytes] = []
    async with serving(answering(response()), requests=requests) as port:
        await ask(port, HttpOptions(url=Url.parse(f"http://portal.example:{port}/a%20b?c=d"), method="HEAD"))
    lines = requests[0].decode().split("\r\n")
    assert lines[0] == "HEAD /a%20b?c=d HTTP/1.1"
    assert {f"Host: portal.example:{port}", "Accept-Encoding: identity", "Connection: close"} <= set(lines)


async def test_the_target_says_where_to_and_the_url_whose_certificate() -> None:
    names = Names()
    async with serving(answering(response()), certificate="valid") as port:
        result = await prober(secure(port), names=names).attempt("127.0.0.1", ANY, timeout_ns=PLENTY_NS)
    assert result.succeeded
    assert names.asked == []


async def test_a_proxy_in_the_environment_is_not_used() -> None:
    """There is nothing to turn off: no code here looks for one. The request line shows it, since proxies get a URL."""
    requests: list[bytes] = []
    async with serving(answering(response()), requests=requests) as port:
        await ask(port)
    assert requests[0].startswith(b"GET / HTTP/1.1\r\n")


async def test_ipv6() -> None:
    requests: list[bytes] = []
    async with serving(answering(response()), host="::1", certificate="valid", requests=requests) as port:
        options = HttpOptions(url=Url.parse(f"https://[::1]:{port}/"), ca_file=CA_FILE)
        result = await prober(options).attempt("::1", ANY, timeout_ns=PLENTY_NS)
    assert result.succeeded
    assert f"Host: [::1]:{port}\r\n".encode() in requests[0]


async def test_the_connection_comes_from_the_path_with_its_marks() -> None:
    peers: list[str] = []
    opened: list[socket.socket] = []

    async def note_peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("peername")[0])
        writer.write(response())

    class Opener:
        def __call__(self, path: NetworkPath, family: int, marks: PacketMarks) -> socket.socket:
            sock = open_tcp(path, family, marks)
            assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 46 << 2
            opened.append(sock)
            return sock

    path = NetworkPath(name="second", source=ip_address("127.0.0.2"))
    async with serving(note_peer) as port:
        options = HttpOptions(url=Url.parse(f"http://127.0.0.1:{port}/"), marks=PacketMarks(dscp=46))
        asking = HttpProber(options, resolve=Names(), clock=SystemClock(), open_socket=Opener())
        result = await asking.attempt("127.0.0.1", path, timeout_ns=PLENTY_NS)
    assert result.succeeded
    assert peers == ["127.0.0.2"]
    assert [sock.fileno() for sock in opened] == [-1]


async def test_a_source_that_this_host_does_not_have_is_an_error_and_no_result() -> None:
    path = NetworkPath(name="gone", source=ip_address("192.0.2.1"))
    options = HttpOptions(url=Url.parse("http://127.0.0.1:9/"))
    with pytest.raises(CollectorError, match=r"gone.*192\.0\.2\.1") as caught:
        await prober(options).attempt("127.0.0.1", path, timeout_ns=PLENTY_NS)
    assert caught.value.reason == "source_unavailable"


async def test_a_name_that_resolves_to_nothing_is_unresolved() -> None:
    options = HttpOptions(url=Url.parse("http://nowhere.example/"))
    result = await prober(options).attempt("nowhere.example", ANY, timeout_ns=PLENTY_NS)
    assert (result.failure, result.phase, result.address) == (HttpFailure.UNRESOLVED, Phase.DNS, None)


async def test_a_look_up_that_takes_too_long_is_unresolved_and_no_loss() -> None:
    class Silent(Names):
        async def __call__(self, host: str, path: NetworkPath) -> str:
            await asyncio.Event().wait()
            raise AssertionError

    asking = prober(HttpOptions(url=Url.parse("http://nowhere.example/")), names=Silent())
    result = await asking.attempt("nowhere.example", ANY, timeout_ns=50_000_000)
    assert (result.failure, result.phase) == (HttpFailure.UNRESOLVED, Phase.DNS)


async def test_where_nobody_listens_the_connection_is_refused() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # taken, not listening
        result = await ask(sock.getsockname()[1])
    assert (result.failure, result.phase) == (Failure.REFUSED, Phase.CONNECT)
    assert result.phases == {}


async def test_time_is_over_in_the_phase_that_takes_too_long() -> None:
    async with serving(fall_silent) as port:
        result = await ask(port, timeout_ns=SHORT_NS)
    assert (result.failure, result.phase) == (HttpFailure.TIMED_OUT, Phase.FIRST_BYTE)
    assert list(result.phases) == [Phase.CONNECT]
    assert result.detail == "not done within 0.15 s, in phase first_byte"


async def test_a_server_whose_queue_is_full_is_timed_out_while_connecting() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with socket.socket() as occupant:
            occupant.connect(listener.getsockname())  # the one place in the queue
            result = await ask(listener.getsockname()[1], timeout_ns=SHORT_NS)
    assert (result.failure, result.phase) == (HttpFailure.TIMED_OUT, Phase.CONNECT)


async def test_a_server_that_takes_part_in_no_tls_is_timed_out_there() -> None:
    async with listening(fall_silent) as port:
        result = await ask(port, secure(port), timeout_ns=SHORT_NS)
    assert (result.failure, result.phase) == (HttpFailure.TIMED_OUT, Phase.TLS)


async def test_a_server_that_drips_an_octet_at_a_time_never_ends() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(drip) as port:
        result = await ask(port, timeout_ns=SHORT_NS)
    assert (result.failure, result.phase, result.status) == (HttpFailure.NEVER_ENDS, Phase.TRANSFER, 200)
    assert result.received > 0
    assert result.total_ns is None


async def test_a_server_that_sends_without_end_is_cut_off_at_the_bound() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(bytes(65_536))
            await writer.drain()

    async with serving(flood) as port:
        options = HttpOptions(url=Url.parse(f"http://127.0.0.1:{port}/"), max_body=100_000)
        result = await ask(port, options)
    assert result.failure is HttpFailure.BODY_TOO_LONG
    assert 100_000 < result.received <= 100_000 + 65_536


async def test_a_server_that_sends_heads_without_end_is_no_http() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            await writer.drain()

    async with serving(flood) as port:
        result = await ask(port)
    assert (result.failure, result.detail) == (HttpFailure.PROTOCOL, "heads of more than 65536 octets")


@pytest.mark.parametrize("certificate", [None, "valid"])
async def test_a_server_that_closes_at_once_is_closed(certificate: str | None) -> None:
    async with serving(answering(), certificate=certificate) as port:
        result = await ask(port, secure(port) if certificate else None)
    assert (result.failure, result.phase) == (HttpFailure.CLOSED, Phase.FIRST_BYTE)


async def test_a_server_that_resets_at_once_is_closed() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))

    async with listening(reset) as port:
        result = await ask(port)
        under_tls = await ask(port, secure(port))
    assert (result.failure, result.phase) == (HttpFailure.CLOSED, Phase.FIRST_BYTE)
    assert (under_tls.failure, under_tls.phase) == (HttpFailure.CLOSED, Phase.TLS)


async def test_an_answer_that_is_cut_off_is_closed() -> None:
    async with serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")) as port:
        result = await ask(port)
    assert (result.failure, result.phase, result.received) == (HttpFailure.CLOSED, Phase.TRANSFER, 5)


async def test_garbage_is_no_http() -> None:
    async with serving(answering(b"\x00\x01\x02 garbage")) as port:
        result = await ask(port)
    assert result.failure is HttpFailure.PROTOCOL
    assert result.detail == r"the answer begins with b'\x00\x01\x02 gar'"


async def test_garbage_instead_of_tls_has_its_own_name() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read()

    async with listening(greet) as port:
        result = await ask(port, secure(port))
    assert (result.failure, result.phase) == (HttpFailure.TLS_OTHER, Phase.TLS)


@pytest.mark.parametrize(
    ("certificate", "failure"),
    [
        ("expired", HttpFailure.TLS_EXPIRED),
        ("other-name", HttpFailure.TLS_HOSTNAME),
        ("self-signed", HttpFailure.TLS_UNTRUSTED),
        ("not-yet-valid", HttpFailure.TLS_OTHER),
    ],
)
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
async def test_a_certificate_that_is_of_no_use_is_refused_with_its_reason(
    certificate: str, failure: HttpFailure, name: str
) -> None:
    requests: list[bytes] = []
    async with serving(answering(response()), certificate=certificate, requests=requests) as port:
        result = await ask(port, secure(port, name=name))
    assert (result.failure, result.phase) == (failure, Phase.TLS)
    assert (result.status, requests) == (None, [])


async def test_a_certificate_of_an_authority_that_this_host_does_not_know_is_untrusted() -> None:
    async with serving(answering(response()), certificate="valid") as port:
        result = await ask(port, HttpOptions(url=Url.parse(f"https://localhost:{port}/")))
    assert result.failure is HttpFailure.TLS_UNTRUSTED


async def test_an_unverified_certificate_is_marked_and_still_has_its_end() -> None:
    async with serving(answering(response()), certificate="expired") as port:
        result = await ask(port, secure(port, verify=False))
    assert result.succeeded
    assert result.verified is False
    assert result.certificate is not None
    assert result.certificate.not_after == datetime(2020, 2, 1, 12, tzinfo=UTC)


async def test_a_verified_certificate_tells_its_end_and_the_tls_version() -> None:
    async with serving(answering(response()), certificate="valid") as port:
        result = await ask(port, secure(port))
    assert (result.verified, result.tls_version) == (True, "TLSv1.3")
    assert result.certificate is not None
    assert result.certificate.not_after == datetime(2120, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", ["absent.pem", "make.sh"])
async def test_authorities_that_cannot_be_read_are_an_error(name: str) -> None:
    options = HttpOptions(url=Url.parse("https://localhost/"), ca_file=CA_FILE.with_name(name))
    with pytest.raises(CollectorError, match=rf"{name} as certificate authorities.*readable PEM"):
        prober(options).prepare()


async def test_authorities_that_are_replaced_are_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(CA_FILE.with_name("self-signed.pem").read_bytes())
    os.utime(file, ns=(0, 0))
    async with serving(answering(response()), certificate="valid") as port:
        options = HttpOptions(url=Url.parse(f"https://localhost:{port}/"), ca_file=file)
        assert (await ask(port, options)).failure is HttpFailure.TLS_UNTRUSTED
        file.write_bytes(CA_FILE.read_bytes())
        assert (await ask(port, options)).succeeded


async def test_a_status_that_is_not_expected_is_a_failure_of_a_whole_answer() -> None:
    async with serving(answering(response(status="503 Service Unavailable"))) as port:
        result = await ask(port)
    assert (result.failure, result.status, result.phase) == (HttpFailure.STATUS, 503, None)
    assert result.total_ns == sum(result.phases.values())


async def test_the_expected_status_may_be_an_error() -> None:
    async with serving(answering(response(status="401 Unauthorized"))) as port:
        result = await ask(port, HttpOptions(url=Url.parse(f"http://127.0.0.1:{port}/"), expected=((401, 401),)))
    assert result.succeeded


async def test_a_redirect_is_a_status_unless_it_is_followed() -> None:
    async with serving(answering(response(status="302 Found", fields=("Location: /elsewhere",)))) as port:
        result = await ask(port)
    assert (result.succeeded, result.status, result.redirects) == (True, 302, 0)


async def test_redirects_in_a_circle_are_followed_so_far_and_no_further() -> None:
    requests: list[bytes] = []
    circle = answering(response(status="302 Found", fields=("Location: /",)))
    async with serving(circle, requests=requests) as port:
        result = await ask(port, HttpOptions(url=Url.parse(f"http://127.0.0.1:{port}/"), follow=3))
    assert (result.failure, result.redirects, len(requests)) == (HttpFailure.TOO_MANY_REDIRECTS, 3, 4)


async def test_a_followed_redirect_adds_its_phases_and_has_a_connection_of_its_own() -> None:
    async with serving(answering(response()), certificate="valid") as there:
        moved = response(status="301 Moved Permanently", fields=(f"Location: https://localhost:{there}/",))
        async with serving(answering(moved)) as here:
            options = HttpOptions(url=Url.parse(f"http://127.0.0.1:{here}/"), follow=1, ca_file=CA_FILE)
            result = await ask(here, options)
    assert (result.succeeded, result.status, result.redirects, result.received) == (True, 200, 1, 10)
    assert set(result.phases) == set(Phase)
    assert result.total_ns == sum(result.phases.values())


async def test_what_is_known_of_a_redirects_connection_is_not_told_of_the_next() -> None:
    async with serving(answering(response())) as there:
        moved = response(status="307 Temporary Redirect", fields=(f"Location: http://127.0.0.1:{there}/",))
        async with serving(answering(moved), certificate="valid") as here:
            options = HttpOptions(url=Url.parse(f"https://localhost:{here}/"), follow=1, ca_file=CA_FILE)
            result = await ask(here, options)
    assert (result.succeeded, result.tls_version, result.certificate, result.verified) == (True, None, None, None)
    assert Phase.TLS in result.phases


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/", "http://[::1", "http://user:secret@127.0.0.1/"])
async def test_a_redirect_that_leads_nowhere_is_no_http(location: str) -> None:
    async with serving(answering(response(status="302 Found", fields=(f"Location: {location}",)))) as port:
        result = await ask(port, HttpOptions(url=Url.parse(f"http://127.0.0.1:{port}/"), follow=1))
    assert result.failure is HttpFailure.PROTOCOL


class SteppedClock(SystemClock):
    """A host whose wall clock is set forward by an hour at its second reading."""

    def __init__(self) -> None:
        self.readings = 0

    def wall_ns(self) -> int:
        self.readings += 1
        return SystemClock.wall_ns() + (3_600_000_000_000 if self.readings > 1 else 0)


async def test_a_clock_that_is_set_meanwhile_changes_no_time() -> None:
    async with serving(answering(response(), b"")) as port:
        options = HttpOptions(url=Url.parse(f"http://127.0.0.1:{port}/"))
        asking = HttpProber(options, resolve=Names(), clock=SteppedClock())
        results = [await asking.attempt("127.0.0.1", ANY, timeout_ns=PLENTY_NS) for _ in range(3)]
    assert all(result.succeeded for result in results)
    assert [result.stamped for result in results[1:]] == [False] * 2
    assert all(result.total_ns is not None and result.total_ns < PLENTY_NS for result in results)


async def test_where_no_route_leads_nothing_was_sent() -> None:
    options = HttpOptions(url=Url.parse("http://224.0.0.1/"))
    with pytest.raises(CollectorError, match=r"path any: .* 224\.0\.0\.1 .*route") as caught:
        await prober(options).attempt("224.0.0.1", ANY, timeout_ns=PLENTY_NS)
    assert caught.value.reason == "network_unreachable"


async def test_attempts_at_the_same_time_do_not_mix() -> None:
    async def in_turn(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(response())

    async with serving(in_turn, certificate="valid") as port:
        asking = prober(secure(port))
        results = await asyncio.gather(*(asking.attempt("localhost", ANY, timeout_ns=PLENTY_NS) for _ in range(20)))
    assert [result.failure for result in results] == [None] * 20


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_attempts_leave_no_descriptor_open() -> None:
    async with serving(answering(b"garbage!"), certificate="valid") as port:
        await ask(port, secure(port))
        for _ in range(3):  # the server's ends close in the loop's own time
            await asyncio.sleep(0)
        before = open_files()
        for _ in range(50):
            await ask(port, secure(port))
            await ask(port, secure(port, name="other.example"))
        assert open_files() < before + 50


async def test_an_abandoned_attempt_closes_its_connection() -> None:
    gone = asyncio.Event()

    async def until_gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        gone.set()

    asked = asyncio.Event()
    async with serving(until_gone) as port:
        attempt = asyncio.create_task(ask(port))
        await asked.wait()
        attempt.cancel()
        await asyncio.wait_for(gone.wait(), 5)
    assert attempt.cancelled()
