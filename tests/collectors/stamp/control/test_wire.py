import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.stamp.control.wire import (
    COUNT,
    Accept,
    AcceptSession,
    ControlError,
    Greeting,
    ServerStart,
    SessionRequest,
    SetUpResponse,
    StartAck,
    StartSessions,
    StopSessions,
    parse_command,
    parse_setup_response,
)

LOOPBACK = bytes([127, 0, 0, 1])

# What twping 5.2.3 and twampd said to each other over loopback.
GREETING = bytes.fromhex(
    "00000000000000000000000000000001c6db601c2ad1d32a895430526cdbd4716af038a3d1479ba61027256e1502f84300000800"
) + bytes(12)
SET_UP = bytes.fromhex("00000001") + bytes(160)
SERVER_START = bytes(32) + bytes.fromhex("eeae336aff63d3e4") + bytes(8)
REQUEST = (
    bytes.fromhex("050400000000000000000000")
    + bytes.fromhex("25672567")
    + (LOOPBACK + bytes(12)) * 2
    + bytes(16)
    + bytes.fromhex("0000001beeae3371bf0bd016000000020000000000000000")
    + bytes(24)
)
ACCEPT = bytes.fromhex("000049627f000001eeae3370bf04577d43a7552e") + bytes(28)
START = b"\x02" + bytes(31)
START_ACK = bytes(32)
STOP = bytes.fromhex("0300000000000001") + bytes(24)


def test_a_greeting_is_laid_out_as_twampds() -> None:
    greeting = Greeting(
        challenge=bytes.fromhex("c6db601c2ad1d32a895430526cdbd471"),
        salt=bytes.fromhex("6af038a3d1479ba61027256e1502f843"),
        count=2048,
    )
    assert bytes(greeting) == GREETING


def test_the_count_offered_is_a_power_of_two_from_1024_on() -> None:
    assert COUNT >= 1024
    assert COUNT.bit_count() == 1


def test_the_mode_of_twping_is_read_and_written() -> None:
    assert parse_setup_response(SET_UP) == SetUpResponse(mode=1)
    assert bytes(SetUpResponse(mode=1)) == SET_UP


def test_keys_are_ignored_in_the_unauthenticated_mode() -> None:
    assert parse_setup_response(SET_UP[:4] + b"\xff" * 160).mode == 1


def test_a_server_start_is_laid_out_as_twampds() -> None:
    assert bytes(ServerStart(accept=Accept.OK, start_time=bytes.fromhex("eeae336aff63d3e4"))) == SERVER_START
    assert bytes(ServerStart(accept=Accept.UNSUPPORTED)).index(3) == 15


def test_the_request_of_twping_is_read_and_written() -> None:
    request = SessionRequest(
        ip_version=4,
        sender_port=9575,
        receiver_port=9575,
        sender_address=LOOPBACK,
        receiver_address=LOOPBACK,
        padding_length=27,
        start_time=bytes.fromhex("eeae3371bf0bd016"),
        timeout=bytes.fromhex("0000000200000000"),
    )
    assert parse_command(REQUEST) == request
    assert bytes(request) == REQUEST
    assert request.timeout_ns == 2_000_000_000


def test_an_ipv6_address_takes_all_of_its_field() -> None:
    octets = REQUEST[:1] + b"\x06" + REQUEST[2:16] + b"\x20" * 16 + REQUEST[32:]
    request = parse_command(octets)
    assert isinstance(request, SessionRequest)
    assert request.sender_address == b"\x20" * 16
    assert request.receiver_address == LOOPBACK + bytes(12)


@pytest.mark.parametrize(
    ("type_p", "dscp"), [(0, 0), (0x2E00_0000, 46), (0x3F00_0000, 63), (0x4000_0001, None), (0x2E00_0001, None)]
)
def test_a_type_p_descriptor_names_a_dscp_or_something_that_is_not_understood(type_p: int, dscp: int | None) -> None:
    request = parse_command(REQUEST[:84] + type_p.to_bytes(4, "big") + REQUEST[88:])
    assert isinstance(request, SessionRequest)
    assert request.dscp == dscp


def test_an_accepted_session_is_laid_out_as_twampds() -> None:
    sid = bytes.fromhex("7f000001eeae3370bf04577d43a7552e")
    assert bytes(AcceptSession(accept=Accept.OK, port=18_786, sid=sid)) == ACCEPT


def test_a_refused_session_has_neither_port_nor_identifier() -> None:
    assert bytes(AcceptSession(accept=Accept.TEMPORARY_LIMIT)) == b"\x05" + bytes(47)


def test_start_and_stop_of_twping_are_read_and_written() -> None:
    assert parse_command(START) == StartSessions()
    assert bytes(StartSessions()) == START
    assert bytes(StartAck(accept=Accept.OK)) == START_ACK
    assert parse_command(STOP) == StopSessions(sessions=1)
    assert bytes(StopSessions(sessions=1)) == STOP


@pytest.mark.parametrize("octets", [b"", b"\x02", REQUEST[:-1], STOP + b"\0", b"\x01" + bytes(111), b"\x09" * 32])
def test_what_is_no_command_is_an_error_of_its_own(octets: bytes) -> None:
    with pytest.raises(ControlError):
        parse_command(octets)


@given(
    st.binary(max_size=200) | st.sampled_from((2, 3, 5)).flatmap(lambda n: st.binary().map(lambda b: bytes([n]) + b))
)
def test_whatever_the_octets_there_is_a_command_or_a_control_error(octets: bytes) -> None:
    try:
        command = parse_command(octets)
    except ControlError:
        return
    assert len(bytes(command)) == len(octets)


@given(st.binary(min_size=111, max_size=111))
def test_every_request_can_be_read_and_what_was_read_stays_the_same(octets: bytes) -> None:
    request = parse_command(b"\x05" + octets)
    assert parse_command(bytes(request)) == request


@given(st.binary(max_size=200))
def test_whatever_the_octets_there_is_a_mode_or_a_control_error(octets: bytes) -> None:
    try:
        response = parse_setup_response(octets)
    except ControlError:
        return
    assert response.mode == int.from_bytes(octets[:4], "big")
