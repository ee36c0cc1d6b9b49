"""What an HTTP probe asks and expects. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from collectors.http.url import SUCCESS, StatusRange, Url
from collectors.path import PacketMarks

METHODS = ("GET", "HEAD")
MAX_BODY = 1 << 20
USER_AGENT = "eragent"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """What an HTTP probe asks and expects.

    ``url``: what is asked; its host is the name in the request and in the certificate, while the target says where
    packets go. ``expected``: statuses of an answer that counts. ``follow``: redirects that are followed at most; with
    0 a redirect is an answer with its status. ``max_body``: octets of a body, more are a failure.
    ``verify``: whether certificates are checked, against ``ca_file`` (PEM) instead of the host's authorities where
    there is one.
    """

    kind: ClassVar[str] = "http"
    url: Url
    method: str = "GET"
    expected: tuple[StatusRange, ...] = SUCCESS
    follow: int = 0
    max_body: int = MAX_BODY
    verify: bool = True
    ca_file: Path | None = None
    marks: PacketMarks = PacketMarks()
