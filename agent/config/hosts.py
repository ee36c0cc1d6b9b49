"""Hosts and addresses as operators write them.

Serves the command line as well as the configuration, so it imports neither a YAML parser nor a validation library.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from collectors.path import IPAddress

_HOST_LABEL = re.compile("[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


def parse_host(text: str) -> str:
    """Check an IP address (written back in its shortest form) or a DNS name."""
    if text.startswith("["):
        raise ValueError(f"{text!r}: write an IPv6 address without brackets here")
    if literal_address(text) is not None:
        return str(ip_address(text))
    labels = text.removesuffix(".").split(".")
    if len(text) > 253 or labels[-1].isdigit() or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{text!r} is neither an IP address nor a host name: write for example 10.1.0.4 (no port)")
    return text


def parse_source(text: str) -> IPAddress:
    """Read an address that packets can be sent from."""
    address = literal_address(text)
    if address is None:
        raise ValueError(f"{text!r} is not an IP address: write for example 10.20.0.10")
    if address.is_unspecified or address.is_multicast:
        raise ValueError(f"packets cannot be sent from {text}: write an address of this host")
    return address


def literal_address(host: str) -> IPAddress | None:
    """Return the address where ``host`` is one, ``None`` where it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None
