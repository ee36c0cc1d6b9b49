"""What `/probe` sends when it is asked to, and whom it may be asked to probe."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from agent.config.sections.probes import (
    PROBE_KINDS,
    BodySize,
    IcmpSection,
    Method,
    StampSection,
    Statuses,
    TcpSection,
)
from agent.config.sections.section import Section
from agent.config.shapes import integer, integer_schema
from agent.config.values import AuthorityFile, Dscp, Interval, Name, Network, Switch, Timeout
from collectors.http.options import MAX_BODY

PacketCount = Annotated[int, integer(1, 1000), integer_schema(1, 1000)]
RequestCount = Annotated[int, integer(1, 100), integer_schema(1, 100)]


class HttpModuleSection(Section):
    """Requests to the web server that the target is, as in a probe; redirects are answers, for they lead elsewhere."""

    method: Method = Field("GET", description="`HEAD` asks for no body.")
    expect: Statuses = Field("200-399", validate_default=True, description="Statuses of an answer that counts.")
    max_body: BodySize = Field(MAX_BODY, description="Octets of a body that are read; more are a failure.")
    verify: Switch = Field(True, description="Check the server's certificate. Without, results say so.")
    ca_file: AuthorityFile | None = Field(
        None, description="Certificate authorities to check it against (PEM), in place of the host's."
    )
    dscp: Dscp = Field(0, description="DSCP of the packets: a number, or a name such as `ef`.")


class ModuleSection(Section):
    """What `/probe?module=...` sends: one of `icmp`, `stamp`, `tcp` and `http`, with the options of a probe.

    The target of the request may bring a port (`tcp`, `stamp`), and is a URL where that is `http`.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [kind]} for kind in PROBE_KINDS]})

    icmp: IcmpSection | None = Field(None, description="Send ICMP echo requests.")
    stamp: StampSection | None = Field(None, description="Send STAMP test packets.")
    tcp: TcpSection | None = Field(None, description="Make TCP connections.")
    http: HttpModuleSection | None = Field(None, description="Ask a web server.")
    count: PacketCount = Field(10, description="Packets over each path; fewer where the scrape's time is shorter.")
    interval: Interval = Field(
        "100ms", validate_default=True, description="Time from one packet to the next, 1ms to 1h."
    )
    timeout: Timeout = Field(
        "1s", validate_default=True, description="Time after which an unanswered packet is lost, 1ms to 60s."
    )
    paths: list[Name] | None = Field(
        None, min_length=1, description="Names of the paths that it is sent over. Without it: all paths of this file."
    )


class OnRequestSection(Section):
    """Whom `/probe` may be asked to probe. Whoever reaches `listen` can ask, so these hosts learn of this one."""

    allow: list[Network] = Field(
        [], description="Networks whose addresses may be asked for; targets of this file always may."
    )
    at_once: RequestCount = Field(8, description="How many requests are answered at once; further ones get a 503.")
