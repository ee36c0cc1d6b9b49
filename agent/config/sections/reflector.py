"""What this agent answers to its peers: test packets, TWAMP clients, tests of throughput."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated

from pydantic import Field

from agent.config.sections.probes import Ssid
from agent.config.sections.section import Section
from agent.config.shapes import integer, integer_schema
from agent.config.values import Credential, KeyFile, ListenAddress, Network
from collectors.stamp.provided import MAX_PROVIDED
from collectors.stamp.table import MAX_SESSIONS, PACKETS_PER_SECOND

PacketRate = Annotated[int, integer(1, 1_000_000), integer_schema(1, 1_000_000)]
SessionCount = Annotated[int, integer(1, 1_000_000), integer_schema(1, 1_000_000)]
ControlSessionCount = Annotated[int, integer(1, 1024), integer_schema(1, 1024)]


class StampReflectorSection(Section):
    """Answers STAMP and TWAMP Light test packets."""

    listen: ListenAddress = Field("[::]:862", validate_default=True, description="Address and UDP port to answer on.")
    allow: list[Network] = Field(
        [ip_network("127.0.0.0/8"), ip_network("::1/128")],
        min_length=1,
        description="Networks of the peers that are answered; nobody else is.",
    )
    key_file: KeyFile | None = Field(
        None,
        description="File of a key, as in a probe: then only packets that it authenticates are answered.",
    )
    key_credential: Credential | None = Field(
        None, description="The same as a credential of systemd: NAME of `LoadCredential=NAME:FILE` in the unit."
    )
    packets_per_second: PacketRate = Field(
        PACKETS_PER_SECOND, description="How many packets of each source address are answered."
    )
    max_sessions: SessionCount = Field(MAX_SESSIONS, description="How many sessions of senders are kept at once.")
    ssids: list[Ssid] | None = Field(
        None,
        min_length=1,
        description="Session Identifiers that are answered; nobody else is. Without it: all, and packets without one.",
    )


class TwampSection(Section):
    """TWAMP-Control (RFC 5357, unauthenticated): lets clients such as `twping` ask for test sessions."""

    listen: ListenAddress = Field("[::]:862", validate_default=True, description="Address and TCP port of the control.")
    max_sessions: ControlSessionCount = Field(MAX_PROVIDED, description="How many test sessions may be open at once.")


class Iperf3ReflectorSection(Section):
    """Runs iperf3's server, the far side of tests of throughput; it takes one at a time. See docs/throughput.md."""

    listen: ListenAddress = Field(
        "[::]:5201", validate_default=True, description="Address and port of tests, TCP and during one by UDP also UDP."
    )
    allow: list[Network] = Field(
        [ip_network("127.0.0.0/8"), ip_network("::1/128")],
        min_length=1,
        description="Networks of the peers that may test; packets of all others are dropped.",
    )
    key_file: KeyFile | None = Field(
        None,
        description="RSA key (PEM, without a passphrase) of iperf3's authentication; then clients have to be users. A "
        "relative name is looked for beside this file.",
    )
    key_credential: Credential | None = Field(
        None, description="The same as a credential of systemd: NAME of `LoadCredential=NAME:FILE` in the unit."
    )
    users_file: KeyFile | None = Field(
        None, description="Who the users are, as iperf3 reads it: lines of name, comma and SHA-256 of `{NAME}PASSWORD`."
    )
    users_credential: Credential | None = Field(
        None, description="The same as a credential of systemd: NAME of `LoadCredential=NAME:FILE` in the unit."
    )


class ReflectorSection(Section):
    """What this agent answers to its peers."""

    stamp: StampReflectorSection = Field(description="Answer STAMP test packets; `{}` takes the defaults.")
    twamp: TwampSection | None = Field(
        None,
        description="Let TWAMP clients in the networks of `stamp.allow` set up sessions; `{}` takes the defaults. "
        "Without it: nobody.",
    )
    iperf3: Iperf3ReflectorSection | None = Field(
        None, description="Run iperf3's server; `{}` takes the defaults. Without it: none."
    )
