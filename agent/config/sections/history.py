"""Samples that stay: on this host's disk, and at a receiver of Prometheus' remote write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from agent.config.quantities import parse_size
from agent.config.sections.section import Section
from agent.config.shapes import duration, duration_schema, quantity, string_schema, text
from agent.config.values import AuthorityFile, HttpUrl, file_name


def _user_name(text: str) -> str:
    if not text.isprintable() or not text or ":" in text:
        raise ValueError(f"{text!r} is no name of a user: write one without ':' (RFC 7617)")
    return text


Directory = Annotated[Path, text(file_name), string_schema("/var/lib/eragent")]
Keep = Annotated[int, duration("1h", "3650d"), duration_schema("35d", "12h")]
FileSize = Annotated[
    int,
    quantity(parse_size, least=16 << 20, most=1 << 40, bounds="between 16MiB and 1TiB"),
    string_schema("2GiB", "500MB", pattern=r"^[0-9]+(\.[0-9]+)? ?(B|kB|KiB|MB|MiB|GB|GiB|TB|TiB)$"),
]
UserName = Annotated[str, text(_user_name), string_schema("eragent")]
SecretFile = Annotated[Path, text(file_name), string_schema("/etc/eragent/remote-write.token")]
MaxAge = Annotated[int, duration("10m", "3650d"), duration_schema("1d", "2h")]


class HistorySection(Section):
    """Keeps every sample on this host's disk, for `eragent export` and for comparisons; see docs/history.md."""

    directory: Directory = Field(
        Path("/var/lib/eragent"),
        description="Directory of its own for this agent, which it can write; `StateDirectory=` of the unit makes the "
        "default. A relative name is looked for beside this file.",
    )
    keep: Keep = Field("35d", validate_default=True, description="How long samples are kept, 1h to 3650d.")
    max_size: FileSize = Field(
        "2GiB",
        validate_default=True,
        description="How large the file may become, 16MiB to 1TiB: beyond it the oldest samples go first.",
    )


class RemoteWriteSection(Section):
    """Sends the minutes of the history by Prometheus' remote write: also those in which nobody could ask this agent.

    They are series of their own, `eragent_minute_...`, with their original times; see docs/history.md.
    """

    url: HttpUrl = Field(description="The receiver's URL, for example `https://prometheus.example.net/api/v1/write`.")
    ca_file: AuthorityFile | None = Field(
        None,
        description="Certificate authorities that the receiver's certificate is checked against (PEM), in place of the "
        "host's. A relative name is looked for beside this file, here and below.",
    )
    username: UserName | None = Field(None, description="Name of the user for basic authentication.")
    password_file: SecretFile | None = Field(None, description="File of that user's password, read for each request.")
    token_file: SecretFile | None = Field(None, description="File of a bearer token, read for each request.")
    max_age: MaxAge = Field(
        "1d",
        validate_default=True,
        description="What is older is not sent, 10m to 3650d: not more than the receiver's `out_of_order_time_window`.",
    )
