"""What is asked of a web server and which answer is expected, as operators write them. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote, urljoin, urlsplit

_PORTS = {"http": 80, "https": 443}
_SAFE = "/%:@!$&'()*+,;=~-._"  # RFC 3986, section 3.3, and what is escaped already
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?")
_RANGE = re.compile(r"(?P<class>[1-5])xx|(?P<first>[1-5][0-9]{2})(?:-(?P<last>[1-5][0-9]{2}))?")

StatusRange = tuple[int, int]
"""The first and the last status that is meant."""

SUCCESS: tuple[StatusRange, ...] = ((200, 399),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """An http or https URL (RFC 9110, section 4.2), taken apart; ``path`` has the query with it."""

    scheme: str
    host: str
    port: int
    path: str = "/"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def is_secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """What the Host field says: the port only where it is not the scheme's own (RFC 9110, section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Url:
        """Read a URL; raise :class:`ValueError` that says how to write it."""
        if any(character.isspace() or not character.isprintable() for character in text):
            raise ValueError(f"{text!r} has a space or a control character: write it as %20 or the like")
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ValueError(f"{text!r} is no URL: {error}") from error
        if parts.scheme not in _PORTS or not host or port == 0:
            raise ValueError(
                f"{text!r} is no URL of a web server: write for example https://portal.example.net/healthz"
            )
        if "@" in parts.netloc:
            raise ValueError(f"{text!r} carries a user or password: these are not sent, and would be shown to everyone")
        path = quote(parts.path, safe=_SAFE) or "/"
        query = "?" + quote(parts.query, safe=_SAFE + "?") if parts.query else ""
        return cls(scheme=parts.scheme, host=_ascii_host(host), port=port or _PORTS[parts.scheme], path=path + query)

    def joined(self, location: str) -> Url:
        """Return where a Location field of this resource leads; raise :class:`ValueError` where it is none."""
        return Url.parse(urljoin(str(self), location))


def _ascii_host(host: str) -> str:
    """Write a host as certificates and resolvers have it; raise :class:`ValueError` where no name looks so."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        name = host.encode("idna").decode().lower()
    except UnicodeError as error:
        raise ValueError(f"{host!r} is no name of a host: {error}") from error
    if len(name) > 254 or not _HOST.fullmatch(name):
        raise ValueError(f"{host!r} is no name of a host: letters, digits and hyphens, with dots between")
    return name


def parse_status_ranges(text: str) -> tuple[StatusRange, ...]:
    """Read ``200``, ``2xx,3xx`` or ``200-299,401``; raise :class:`ValueError` that says how to write it."""
    return tuple(_status_range(item.strip(), text) for item in text.split(","))


def _status_range(item: str, text: str) -> StatusRange:
    match = _RANGE.fullmatch(item.lower())
    if match is None:
        raise ValueError(f"{text!r} are no HTTP statuses: write for example 200, or 2xx,3xx, or 200-299,401")
    if match["class"]:
        return int(match["class"]) * 100, int(match["class"]) * 100 + 99
    first = int(match["first"])
    last = int(match["last"] or first)
    if last < first:
        raise ValueError(f"{text!r} has a range whose end is before its beginning: {item}")
    return first, last


def is_expected(status: int, expected: tuple[StatusRange, ...]) -> bool:
    """Whether a status is in one of the ranges."""
    return any(first <= status <= last for first, last in expected)
