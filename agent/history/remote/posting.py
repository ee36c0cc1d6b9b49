"""One request over HTTP, and the beginning of what is answered. Knows nothing of what it carries."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from agent import __version__
from collectors.http.url import Url

TIMEOUT_S = 10.0
HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "User-Agent": f"eragent/{__version__}",
}
_SAID = 200  # octets of an answer that are worth a line of the log

Post = Callable[[Url, bytes, dict[str, str], Path | None], tuple[int, str]]


def post(url: Url, body: bytes, headers: dict[str, str], ca_file: Path | None) -> tuple[int, str]:
    """Send a request and return the answer's status and the beginning of its text; raise ``OSError`` without one."""
    if url.is_secure:
        context = ssl.create_default_context(cafile=ca_file)
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            url.host, url.port, timeout=TIMEOUT_S, context=context
        )
    else:
        connection = http.client.HTTPConnection(url.host, url.port, timeout=TIMEOUT_S)
    with closing(connection):
        connection.request("POST", url.path, body, headers)
        answer = connection.getresponse()
        return answer.status, " ".join(answer.read(_SAID).decode(errors="replace").split())
