"""What a request for ``/probe`` asks: which module, whom, for how long; or why it is refused. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, ip_address

from agent.plan import Module, OnRequestPlan, ProbeOptions, SocketAddress
from collectors.http.options import HttpOptions
from collectors.http.url import Url
from collectors.icmp.sender import IcmpOptions
from collectors.path import IPAddress, IPNetwork, Target

TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
_OFFSET_S = 0.5  # as blackbox_exporter has it: what is left to send the answer
_LONGEST_S = 60.0
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class RefusedError(Exception):
    """A request that is not answered with a probe: its HTTP status, and a sentence for who asked."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A probe that is asked for.

    ``target`` is named as the request names it. ``trusted`` says that it is one of the configuration's own: addresses
    of others have to be allowed.
    """

    module: Module
    options: ProbeOptions
    target: Target
    trusted: bool
    debug: bool = False


def asked(query: Mapping[str, str], plan: OnRequestPlan, targets: Mapping[str, Target]) -> Asked:
    """Read a request's parameters; raise :class:`RefusedError` where they ask for nothing that there is."""
    module = _module(query.get("module"), plan)
    name = query.get("target", "").strip()
    if not name:
        raise RefusedError(400, "the parameter target is missing: add target=HOST to the query")
    try:
        host, options = _aimed(module.options, name)
    except ValueError as error:
        raise RefusedError(400, f"target: {error}") from error
    known = targets.get(host) or next((target for target in targets.values() if _has(target, host)), None)
    target = replace(known, name=name) if known is not None and host == known.name else Target(name=name, host=host)
    debug = query.get("debug", "").lower() in ("true", "1")
    return Asked(module=module, options=options, target=target, trusted=known is not None, debug=debug)


def limit_s(header: str | None) -> float:
    """Return how long a probe may take, by the header of a scrape; raise :class:`RefusedError` where it is none."""
    if header is None:
        return _LONGEST_S
    try:
        given = float(header)
    except ValueError:
        given = 0.0
    if not 0 < given < float("inf"):
        raise RefusedError(400, f"{TIMEOUT_HEADER}: {header!r} is no number of seconds")
    return min(max(given - _OFFSET_S, given / 2), _LONGEST_S)


def fitted(module: Module, limit_ns: int) -> tuple[int, int]:
    """Return how many packets fit into a time, and each one's timeout, ns: at least one, cut short where it must be."""
    timeout_ns = max(min(module.timeout_ns, limit_ns), 1)
    further = max(limit_ns - timeout_ns, 0) // module.interval_ns
    return min(module.count, 1 + further), timeout_ns


def check_allowed(addresses: Iterable[str], networks: Iterable[IPNetwork]) -> None:
    """Raise :class:`RefusedError` unless each of these addresses is in one of the networks."""
    allowed = tuple(networks)
    for text in addresses:
        address = _unmapped(ip_address(text))
        if not any(address in network for network in allowed):
            message = "is no target of the configuration, and in no network of on_request.allow there: add one of both"
            raise RefusedError(403, f"{text} {message}")


def _module(name: str | None, plan: OnRequestPlan) -> Module:
    known = f"there are {', '.join(plan.modules)}"
    if not name:
        raise RefusedError(400, f"the parameter module is missing: {known}")
    if name not in plan.modules:
        raise RefusedError(400, f"there is no module {name!r}: {known}")
    return plan.modules[name]


def _aimed(options: ProbeOptions, target: str) -> tuple[str, ProbeOptions]:
    """Return the host that a target names, and the options with what else it names: a port, a URL."""
    if isinstance(options, HttpOptions):
        url = Url.parse(target if _SCHEME.match(target) else f"http://{target}")
        return url.host, replace(options, url=url)
    if isinstance(options, IcmpOptions):
        return _host(target.removeprefix("[").removesuffix("]")), options
    if _is_address(target) or ":" not in target:
        return _host(target), options
    address = SocketAddress.parse(target)
    if not address.port:
        raise ValueError(f"{target!r} has no port that packets can be sent to")
    return _host(address.host), replace(options, port=address.port)


def _host(text: str) -> str:
    """Return a host as it is; raise :class:`ValueError` where no address or name looks so."""
    if not _is_address(text):
        Url.parse(f"http://{text}/")
        if any(character in "/?#@:[]" for character in text):
            raise ValueError(f"{text!r} is neither an address nor a name of a host")
    return text


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _has(target: Target, host: str) -> bool:
    return host == target.host or host in target.hosts.values()


def _unmapped(address: IPAddress) -> IPAddress:
    """Return the IPv4 address that an IPv6 address only wraps (RFC 4291, section 2.5.5.2)."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
