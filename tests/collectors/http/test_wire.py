"""HTTP/1.1 as RFC 9112 has it, in pieces of any size, and read without trust."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collectors.http.url import Url
from collectors.http.wire import MAX_HEAD, BodyTooLongError, CutOffError, HttpError, ResponseReader, request

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def reader(*, method: str = "GET", max_body: int = 1000) -> ResponseReader:
    return ResponseReader(method=method, max_body=max_body)


def read(data: bytes, *, method: str = "GET", max_body: int = 1000) -> ResponseReader:
    """Read an answer of which this is all."""
    reading = reader(method=method, max_body=max_body)
    reading.receive(data)
    if not reading.complete:
        reading.end()
    return reading


def test_a_request_names_the_host_once_and_ends_in_an_empty_line() -> None:
    assert request(Url.parse("http://a.example:8080/x?y"), method="GET", user_agent="eragent") == (
        b"GET /x?y HTTP/1.1\r\nHost: a.example:8080\r\nUser-Agent: eragent\r\nAccept: */*\r\n"
        b"Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
    )


WHOLE = [
    (HEAD + b"Content-Length: 5\r\n\r\nhello", 5),
    (HEAD + b"Content-Length: 5, 5\r\n\r\nhello", 5),
    (HEAD + b"Content-Length: 0\r\n\r\n", 0),
    (HEAD + b"\r\nuntil it closes", 15),
    (b"HTTP/1.0 200\r\n\r\n", 0),
    (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", 5),
    (CHUNKED + b"a;name=value\r\n0123456789\r\n3 \r\nabc\r\n000\r\nTrailer: x\r\n\r\n", 13),
    (HEAD + b"Transfer-Encoding: gzip, Chunked\r\nContent-Length: 3\r\n\r\n1\r\n.\r\n0\r\n\r\n", 1),
    (HEAD + b"Transfer-Encoding: gzip\r\n\r\nabc", 3),
    (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 0),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 0),
    (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\nok", 2),
    (HEAD.replace(b"\r", b"") + b"Content-Length: 2\n\nok", 2),
    (HEAD + b"X: folded\r\n  over two\r\nContent-Length: 2\r\n\r\nok", 2),
]


@pytest.mark.parametrize(("data", "received"), WHOLE)
@given(piece=st.integers(1, 20))
@example(piece=1000)
def test_an_answer_is_the_same_in_pieces_of_any_size(data: bytes, received: int, piece: int) -> None:
    reading = reader()
    for start in range(0, len(data), piece):
        reading.receive(data[start : start + piece])
    if not reading.complete:
        reading.end()
    assert reading.complete
    assert reading.received == received
    assert reading.head is not None


def test_what_follows_an_answer_is_none_of_it() -> None:
    reading = read(HEAD + b"Content-Length: 2\r\n\r\nok" + HEAD)
    assert (reading.complete, reading.received) == (True, 2)


def test_the_answer_to_head_has_no_body_whatever_it_says() -> None:
    reading = reader(method="HEAD")
    reading.receive(HEAD + b"Content-Length: 500\r\n\r\n")
    assert reading.complete


def test_the_head_says_version_status_and_fields() -> None:
    head = read(b"HTTP/1.0 302 Found\r\nLocation:  /there \r\nVia: a, b\r\nvia: c\r\nX: 1\r\n 2\r\n\r\n").head
    assert head is not None
    assert (head.version, head.status) == ("1.0", 302)
    assert head.value("location") == "/there"
    assert head.values("via") == ["a", "b", "c"]
    assert head.value("x") == "1 2"
    assert head.value("absent") is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no status line: b'SSH-2.0-OpenSSH_9.2'"),
        (b"SSH-2.0-Op", "begins with b'SSH-2.0'"),
        (b"\x15\x03\x01", "begins with"),
        (b"HTTP/2 200\r\n", "no status line: b'HTTP/2 200'"),
        (b"HTTP/1.1 200OK\r\n", "no status line"),
        (b"HTTP/1.1 999 No\r\n", "no status line"),
        (b"HTTP/1.2 200 OK\r\n", "no status line"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "switches to another protocol"),
        (HEAD + b"no field\r\n\r\n", "no field: b'no field'"),
        (HEAD + b" folded at once\r\n\r\n", "no field"),
        (HEAD + b"na me: x\r\n\r\n", "no field"),
        (HEAD + b"A: \0\r\n\r\n", "no field"),
        (HEAD + b"Content-Length: -1\r\n\r\n", "no length"),
        (HEAD + b"Content-Length: 1e3\r\n\r\n", "no length"),
        (HEAD + b"Content-Length: \xb2\r\n\r\n", "no length"),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "no length"),
        (CHUNKED + b"x\r\n", "no size of a chunk"),
        (CHUNKED + b"-1\r\n", "no size of a chunk"),
        (CHUNKED + b"1\r\nab\r\n", "a chunk is followed by"),
        (HEAD + b"X: " + b"x" * MAX_HEAD, "heads of more than"),
        (CHUNKED + b"0\r\n" + b"X: y\r\n" * MAX_HEAD, "heads of more than"),
        (CHUNKED + b"1;" + b"x" * MAX_HEAD, "heads of more than"),
    ],
)
def test_what_is_no_http_is_refused_with_its_reason(data: bytes, message: str) -> None:
    with pytest.raises(HttpError, match=message):
        reader().receive(data)


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"Content-Length: 1001\r\n\r\n" + bytes(1001),
        HEAD + b"\r\n" + bytes(1001),
        CHUNKED + b"3e9\r\n" + bytes(1001),
        CHUNKED + b"1\r\n.\r\n" * 1001,
    ],
)
def test_a_body_is_read_up_to_its_bound(data: bytes) -> None:
    with pytest.raises(BodyTooLongError, match="more than 1000 octets"):
        reader().receive(data)


@pytest.mark.parametrize(
    "data", [data for data, _ in WHOLE if b"until it closes" not in data and b"gzip\r" not in data]
)
def test_an_answer_that_lacks_its_last_octet_is_cut_off(data: bytes) -> None:
    reading = reader()
    reading.receive(data[:-1])
    if not reading.complete:
        with pytest.raises(CutOffError):
            reading.end()


def test_nothing_at_all_is_no_answer() -> None:
    with pytest.raises(CutOffError, match="closed without an answer"):
        reader().end()


GARBAGE = st.binary(max_size=200) | st.builds(
    lambda start, parts: start + b"".join(parts),
    st.sampled_from([HEAD, CHUNKED, b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1."]),
    st.lists(st.sampled_from([b"\r\n", b"\n", b"a: b", b"5", b"0", b" ", b"Content-Length: ", b"\0", b"\xff", b","])),
)


@given(GARBAGE, st.integers(1, 50))
def test_any_octets_are_an_answer_or_an_http_error(data: bytes, piece: int) -> None:
    reading = reader(max_body=50)
    try:
        for start in range(0, len(data), piece):
            reading.receive(data[start : start + piece])
        if not reading.complete:
            reading.end()
    except HttpError:
        return
    assert reading.complete
    assert reading.head is not None
    assert reading.received <= 50


def test_a_line_of_spaces_takes_no_longer_than_any_other() -> None:
    reading = read(HEAD + b"X:" + b" " * (MAX_HEAD - 100) + b"x\r\n\r\n")
    assert reading.head is not None
    assert reading.head.value("x") == "x"
