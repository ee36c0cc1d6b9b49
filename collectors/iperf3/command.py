"""A test's options to the arguments of iperf3, as far as its version can do what is asked. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from collectors.iperf3.failing import Iperf3Error, Iperf3Failure
from collectors.iperf3.options import Authentication, Direction, Iperf3Options, Protocol
from collectors.path import NetworkPath

Version = tuple[int, int]

OLDEST: Version = (3, 9)
"""Before it, results lack what is read of them here."""
_BINDS_DEVICES: Version = (3, 11)  # 3.10 has the option, and binds the control connection alone
_BOTH_FROM_A_PORT: Version = (3, 12)
_CHANGED_PADDING: Version = (3, 17)


def arguments(options: Iperf3Options, host: str, path: NetworkPath, version: Version) -> list[str]:
    """Return what follows the program's name; raise :class:`Iperf3Error` where this version cannot do it.

    A password is not among them: it goes into the environment.
    """
    _refuse_what_none_can(options, path)
    _refuse_what_is_too_old(options, path, version)
    asked = ["--client", host, "--port", str(options.port), "--json", "--time", str(options.duration_s)]
    asked += [
        "--interval",
        f"{options.interval_s:g}",
        "--connect-timeout",
        str(round(options.connect_timeout_s * 1000)),
    ]
    for name, value in _settings(options, path):
        asked += [name] if value is None else [name, str(value)]
    if options.authentication is not None:
        asked += _credentials(options.authentication, version)
    return asked


def _settings(options: Iperf3Options, path: NetworkPath) -> Iterator[tuple[str, object | None]]:
    """Yield what differs from iperf3's own defaults; an option without a value has ``None``."""
    match options.direction:
        case Direction.UP:
            pass
        case Direction.DOWN:
            yield "--reverse", None
        case Direction.BOTH:
            yield "--bidir", None
    if options.protocol is Protocol.UDP:
        yield "--udp", None
        yield "--udp-counters-64bit", None  # 32 bits are over after 4 billion packets: three hours at 4.6 Gbit/s
    if options.streams != 1:
        yield "--parallel", options.streams
    if options.omit_s:
        yield "--omit", options.omit_s
    if options.bits_per_second is not None:
        yield "--bitrate", max(options.bits_per_second // options.streams, 1)  # iperf3's is of each stream
    if options.dscp:
        yield "--dscp", options.dscp
    yield from _given(
        ("--congestion", options.congestion_control),
        ("--window", options.window_bytes),
        ("--set-mss", options.mss_bytes),
        ("--length", options.payload_bytes),
        ("--cport", options.client_port),
        ("--bind", path.source),
        ("--bind-dev", path.interface),
    )


def _given(*settings: tuple[str, object | None]) -> Iterable[tuple[str, object]]:
    return [(name, value) for name, value in settings if value is not None]


def _credentials(authentication: Authentication, version: Version) -> list[str]:
    padding = ["--use-pkcs1-padding"] if authentication.pkcs1_padding and version >= _CHANGED_PADDING else []
    key = str(authentication.public_key_file)
    return ["--username", authentication.user, "--rsa-public-key-path", key, *padding]


def _refuse_what_none_can(options: Iperf3Options, path: NetworkPath) -> None:
    if path.fwmark is not None:
        raise Iperf3Error(
            f"path {path.name}: iperf3 cannot mark its packets (fwmark {path.fwmark:#x}), so a test would take another "
            "way: give the path a source or an interface in place of the mark, and a rule for that "
            "(`ip rule add from ADDRESS lookup TABLE`)",
            failure=Iperf3Failure.UNSUPPORTED,
        )
    if options.protocol is Protocol.UDP and options.bits_per_second is None:
        raise Iperf3Error("a test by UDP needs a rate: it does not find one itself", failure=Iperf3Failure.UNSUPPORTED)


def _refuse_what_is_too_old(options: Iperf3Options, path: NetworkPath, version: Version) -> None:
    needs: list[tuple[Version, str]] = [(OLDEST, "be read by eragent")]
    if path.interface is not None:
        needs.append((_BINDS_DEVICES, f"be bound to an interface (path {path.name}: {path.interface})"))
    if options.direction is Direction.BOTH and options.client_port is not None:
        needs.append((_BOTH_FROM_A_PORT, "test both directions from a client port"))
    for least, what in needs:
        if version < least:
            raise Iperf3Error(
                f"iperf3 {_text(version)} is installed, and from {_text(least)} on it can {what}: upgrade it",
                failure=Iperf3Failure.TOO_OLD,
            )


def _text(version: Version) -> str:
    return ".".join(map(str, version))
