"""Ways to the far side, and the far ends themselves."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from agent.config.sections.section import Section
from agent.config.shapes import integer, integer_schema, string_schema, text
from agent.config.values import Address, Host, Name, Network, Rate
from agent.throughput.gateways import NamedRate, parse_gateway
from collectors.path import PathKind

ADDRESS_FORMS = ("<one>", "<per path>")
"""How pydantic tells the forms of an address apart in the places of its errors; they are no keys of the file."""

# What the kernel accepts (dev_valid_name in net/core/dev.c): IFNAMSIZ less the final zero, no "/", ":" or space.
_INTERFACE = re.compile(r"[^\s/:]{1,15}")


def _interface(text: str) -> str:
    if not _INTERFACE.fullmatch(text) or text in {".", ".."}:
        raise ValueError(f"{text!r} is not the name of an interface: write for example eth0 (see 'ip link')")
    return text


def _path_kind(text: str) -> PathKind:
    try:
        return PathKind(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a kind of path: write {', '.join(PathKind)}") from None


Kind = Annotated[PathKind, text(_path_kind), WithJsonSchema({"enum": [str(kind) for kind in PathKind]})]
Interface = Annotated[str, text(_interface), string_schema("eth0")]
Mark = Annotated[int, integer(1, 2**32 - 1), integer_schema(1, 2**32 - 1)]
Gateway = Annotated[tuple[NamedRate, ...], text(parse_gateway), string_schema("ErGw1AZ", "VpnGw2AZ gen2 GCMAES256")]


class ProofSection(Section):
    """How the hops of a traced route show that this path was taken.

    Each key but `absent` names a network of which a hop must be a part, for example the peering prefix of a Microsoft
    edge link.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    __pydantic_extra__: dict[str, Network]

    absent: list[Network] = Field([], description="Networks of which no hop may be a part.")

    @property
    def prefixes(self) -> dict[str, Network]:
        """The named networks."""
        return self.__pydantic_extra__


class PathSection(Section):
    """A way to the far side. `source`, `interface` and `fwmark` put packets on it; without any, the routes decide."""

    kind: Kind = Field(PathKind.OTHER, description="What the path is bought as.")
    source: Address | None = Field(None, description="Address of this host that packets are sent from.")
    interface: Interface | None = Field(
        None, description="Interface that packets leave by (SO_BINDTODEVICE; before Linux 5.7 it needs CAP_NET_RAW)."
    )
    fwmark: Mark | None = Field(
        None,
        description="Mark of the packets for rules of policy routing (SO_MARK; it needs CAP_NET_ADMIN, or CAP_NET_RAW "
        "since Linux 5.17).",
    )
    rate: Rate | None = Field(None, description="What was bought, in bits per second.")
    gateway: Gateway | None = Field(
        None,
        description="Azure's gateway at its end, whose published rate throughput is compared with: `ErGw1AZ`, "
        "`ErGwScale 4`, `VpnGw2AZ gen2 GCMAES256` (SKU, generation, cipher of the tunnel).",
    )
    proof: ProofSection | None = Field(None, description="How a traced route shows that this path was taken.")


def _form_of_address(value: Any) -> str:
    return ADDRESS_FORMS[isinstance(value, dict)]


class TargetSection(Section):
    """A far end that is probed."""

    address: Annotated[
        Annotated[Host, Tag(ADDRESS_FORMS[0])] | Annotated[dict[Name, Host], Tag(ADDRESS_FORMS[1])],
        Discriminator(_form_of_address),
    ] = Field(
        description="Address or DNS name, or one for each path where the paths end in different networks: "
        "`{expressroute: 10.1.0.4, vpn: 10.2.0.4}`."
    )
