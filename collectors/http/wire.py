"""HTTP/1.1 as one request and its answer need it (RFC 9112): no keep-alive, no body sent, what is received is counted.

No I/O. Octets go in as they come; a valid answer or :class:`HttpError` comes out, and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from collectors.http.url import Url

MAX_HEAD = 65_536
"""Octets of all heads and trailers of one answer, interim ones included."""

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [^\0]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\0]*)")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\0]*)?")
_LENGTH = re.compile(r"[0-9]{1,18}")
_WITHOUT_BODY = (204, 304)
_NO_SWITCH_WAS_ASKED_FOR = 101


class HttpError(ValueError):
    """What came is not HTTP, or more of it than is taken."""


class BodyTooLongError(HttpError):
    """The body has more octets than are to be read."""


class CutOffError(HttpError):
    """The server sends no more, and its answer is not whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Status line and fields of an answer; names in lower case, values as they came (RFC 9110, section 5.5)."""

    version: str
    status: int
    fields: tuple[tuple[str, str], ...]

    def values(self, name: str) -> list[str]:
        """Return the members of all fields of this name, in order (RFC 9110, section 5.6.1)."""
        lists = [value.split(",") for field, value in self.fields if field == name]
        return [member.strip() for members in lists for member in members if member.strip()]

    def value(self, name: str) -> str | None:
        """Return the value of the first field of this name."""
        return next((value for field, value in self.fields if field == name), None)


def request(url: Url, *, method: str, user_agent: str) -> bytes:
    """Build a request for one answer, uncompressed so that its octets are those of the resource."""
    lines = (
        f"{method} {url.path} HTTP/1.1",
        f"Host: {url.authority}",
        f"User-Agent: {user_agent}",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
    )
    return "".join(line + "\r\n" for line in (*lines, "")).encode("ascii")


class _Expect(Enum):
    STATUS_LINE = auto()
    FIELDS = auto()
    OCTETS = auto()
    CHUNK_SIZE = auto()
    CHUNK = auto()
    CHUNK_END = auto()
    TRAILERS = auto()
    CLOSE = auto()
    NOTHING = auto()


class ResponseReader:
    """Reads the answer to one request.

    ``head`` is there once it is whole; ``complete`` once the body is; ``received`` counts octets of the body, which
    are not kept. ``max_body`` bounds them.
    """

    def __init__(self, *, method: str, max_body: int) -> None:
        self.head: Head | None = None
        self.received = 0
        self._method = method
        self._max_body = max_body
        self._expect = _Expect.STATUS_LINE
        self._buffer = bytearray()
        self._lines: list[bytes] = []
        self._in_heads = 0
        self._left = 0

    @property
    def complete(self) -> bool:
        """Whether the answer is whole."""
        return self._expect is _Expect.NOTHING

    def receive(self, data: bytes) -> None:
        """Take octets as they came; those behind the answer are passed over. Raise :class:`HttpError`."""
        self._buffer += data
        while self._expect is not _Expect.NOTHING and self._step():
            pass

    def end(self) -> None:
        """Learn that the server sends no more; raise :class:`CutOffError` where its answer is not whole."""
        if self._expect is _Expect.CLOSE:
            self._expect = _Expect.NOTHING
        elif self._expect is not _Expect.NOTHING:
            raise CutOffError("the answer is cut off" if self._in_heads else "the server closed without an answer")

    def _step(self) -> bool:
        """Take one line or piece of the body out of the buffer; return whether there was one."""
        match self._expect:
            case _Expect.OCTETS | _Expect.CHUNK | _Expect.CLOSE:
                return self._take_body()
            case _:
                line = self._line()
                if line is not None:
                    self._take_line(line)
                return line is not None

    def _line(self) -> bytes | None:
        """Return the next line without its end, a lone LF included (RFC 9112, section 2.2)."""
        end = self._buffer.find(b"\n")
        if self._in_heads + (len(self._buffer) if end < 0 else end + 1) > MAX_HEAD:
            raise HttpError(f"heads of more than {MAX_HEAD} octets")
        if end < 0:
            self._refuse_what_cannot_begin_an_answer()
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        if self._expect not in (_Expect.CHUNK_SIZE, _Expect.CHUNK_END):  # the body bounds those
            self._in_heads += end + 1
        return line.removesuffix(b"\r")

    def _refuse_what_cannot_begin_an_answer(self) -> None:
        """Know garbage by its first octets: its line may never end."""
        start = bytes(self._buffer[:7])
        if self._expect is _Expect.STATUS_LINE and start != b"HTTP/1."[: len(start)]:
            raise HttpError(f"the answer begins with {start!r}")

    def _take_line(self, line: bytes) -> None:
        match self._expect:
            case _Expect.STATUS_LINE:
                if not _STATUS_LINE.fullmatch(line):
                    raise HttpError(f"no status line: {line[:80]!r}")
                self._lines = [line]
                self._expect = _Expect.FIELDS
            case _Expect.FIELDS if line:
                self._take_field(line)
            case _Expect.FIELDS:
                self._take_head()
            case _Expect.CHUNK_SIZE:
                self._take_chunk_size(line)
            case _Expect.CHUNK_END:
                if line:
                    raise HttpError(f"a chunk is followed by {line[:80]!r}")
                self._expect = _Expect.CHUNK_SIZE
            case _:  # trailers, which say nothing that is asked here
                self._expect = _Expect.TRAILERS if line else _Expect.NOTHING

    def _take_field(self, line: bytes) -> None:
        if line[:1] in b" \t" and len(self._lines) > 1:  # RFC 9112, section 5.2: a folded line
            self._lines[-1] += b" " + line.strip(b" \t")
        else:
            self._lines.append(line)

    def _take_head(self) -> None:
        head = _parse_head(self._lines)
        if head.status == _NO_SWITCH_WAS_ASKED_FOR:
            raise HttpError("the server switches to another protocol unasked")
        if head.status < 200:  # the answer is yet to come
            self._expect = _Expect.STATUS_LINE
            return
        self.head = head
        if self._method == "HEAD" or head.status in _WITHOUT_BODY:
            self._expect = _Expect.NOTHING
        elif head.values("transfer-encoding"):
            chunked = head.values("transfer-encoding")[-1].lower() == "chunked"
            self._expect = _Expect.CHUNK_SIZE if chunked else _Expect.CLOSE
        else:
            self._expect_length(head)

    def _expect_length(self, head: Head) -> None:
        """Learn where the body ends (RFC 9112, section 6.3)."""
        lengths = set(head.values("content-length"))
        if not lengths:
            self._expect = _Expect.CLOSE
            return
        length = lengths.pop()
        if lengths or not _LENGTH.fullmatch(length):
            raise HttpError(f"no length of a body: {length[:80]!r}, beside {len(lengths)} others")
        self._left = int(length)
        self._expect = _Expect.OCTETS if self._left else _Expect.NOTHING

    def _take_chunk_size(self, line: bytes) -> None:
        match = _CHUNK_SIZE.fullmatch(line)
        if match is None:
            raise HttpError(f"no size of a chunk: {line[:80]!r}")
        self._left = int(match[1], 16)
        self._expect = _Expect.CHUNK if self._left else _Expect.TRAILERS

    def _take_body(self) -> bool:
        available = len(self._buffer)
        taken = available if self._expect is _Expect.CLOSE else min(self._left, available)
        del self._buffer[:taken]
        self.received += taken
        self._left -= taken
        if self.received > self._max_body:
            raise BodyTooLongError(f"a body of more than {self._max_body} octets")
        if self._expect is not _Expect.CLOSE and not self._left:
            self._expect = _Expect.CHUNK_END if self._expect is _Expect.CHUNK else _Expect.NOTHING
            return True
        return False


def _parse_head(lines: list[bytes]) -> Head:
    start = _STATUS_LINE.fullmatch(lines[0])
    assert start is not None  # it was looked at when it came
    fields = []
    for line in lines[1:]:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise HttpError(f"no field: {line[:80]!r}")
        fields.append((match[1].decode("ascii").lower(), match[2].strip(b" \t").decode("latin-1")))
    return Head(version=f"1.{start[1].decode()}", status=int(start[2]), fields=tuple(fields))
