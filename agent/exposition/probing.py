"""Answers ``/probe?target=...&module=...``: one bounded run of the engine, shown as metrics, or told as text."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client.core import GaugeMetricFamily, Metric

from agent.engine import Bound, Engine
from agent.exposition.query import TIMEOUT_HEADER, Asked, RefusedError, asked, check_allowed, fitted, limit_s
from agent.exposition.scrape import Form, form_of, render, send
from agent.metrics.streams import stream_metrics
from agent.plan import Plan, Probe
from agent.report.figures import Figures
from agent.report.told import told
from agent.resolve import literal, resolve
from collectors.claim import OwnClaim
from collectors.errors import CollectorError
from collectors.path import NetworkPath, Target

Resolve = Callable[[str, NetworkPath], Awaitable[str]]

_WRITE_S = 10.0
_S = 1_000_000_000


@dataclass(slots=True, kw_only=True)
class Probed:
    """What became of a probe on request; without ``probe`` nothing was sent. ``troubles`` say what was in the way."""

    figures: Figures
    addresses: Mapping[str, str] = field(default_factory=dict)
    lookup_s: float = 0.0
    duration_s: float = 0.0
    probe: Probe | None = None
    troubles: list[str] = field(default_factory=list)

    @property
    def success(self) -> bool:
        """Whether every path had an answer."""
        streams = self.figures.streams.values()
        return bool(streams) and all(stream.counts.received for stream in streams)


class Probing:
    """Probes on request, as the plan says: which modules, whom, how many at once.

    ``own`` tells what this host's clock is worth: more, the longer it has been asked. ``resolve`` looks names up.
    """

    def __init__(self, plan: Plan, own: OwnClaim, *, resolve: Resolve = resolve) -> None:
        self._plan = plan
        self._own = own
        self._resolve = resolve
        self._running = 0
        self._looking: set[asyncio.Task[Mapping[str, str]]] = set()  # for requests whose time was over

    def planned(self, plan: Plan) -> None:
        """Answer by another plan from now on; what runs goes on as it began."""
        self._plan = plan

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        on_request = self._plan.on_request
        try:
            wanted = asked(request.query, on_request, self._plan.targets)
            within_s = limit_s(request.headers.get(TIMEOUT_HEADER))
            running = self._running + len(self._looking)
            if running >= on_request.at_once:
                message = f"{running} probes are running: ask again in a moment, or raise on_request.at_once"
                raise RefusedError(503, message)
            self._running += 1
            try:
                probed = await self._probed(wanted, within_s)
            finally:
                self._running -= 1
        except RefusedError as refused:
            return web.Response(status=refused.status, text=f"{refused}\n")
        if not wanted.debug:
            form = form_of(request.headers.get("Accept", ""), request.headers.get("Accept-Encoding", ""))
            return await send(request, await render(self._metrics(probed), form), form.headers, within_s=_WRITE_S)
        metrics = b"".join(await render(self._metrics(probed), Form())).decode()
        return web.Response(text=f"{_story(wanted, probed, within_s)}\nMetrics that would be returned:\n{metrics}")

    async def _probed(self, wanted: Asked, within_s: float) -> Probed:
        """Look up, check, probe; raise :class:`RefusedError` where an address is not allowed."""
        began = time.monotonic()
        probed = Probed(figures=Figures())
        try:
            async with asyncio.timeout(within_s):
                probed.addresses = await self._addresses(wanted)
                probed.lookup_s = time.monotonic() - began
                if not wanted.trusted:
                    check_allowed(probed.addresses.values(), self._plan.on_request.allow)
                await _probe(wanted, probed, within_s - probed.lookup_s, self._own)
        except CollectorError as error:
            probed.troubles.append(str(error))
        except TimeoutError:
            probed.troubles.append(f"the time of {within_s:g} s was over before all packets were settled")
        probed.duration_s = time.monotonic() - began
        return probed

    async def _addresses(self, wanted: Asked) -> Mapping[str, str]:
        """Look up. Its thread cannot be stopped, so it counts as a probe until it ends: or there would be ever more."""
        looking = asyncio.create_task(_look_up(wanted, self._resolve))
        try:
            return await asyncio.shield(looking)
        except asyncio.CancelledError:
            self._looking.add(looking)
            looking.add_done_callback(self._looking.discard)
            raise

    def _metrics(self, probed: Probed) -> Iterator[Metric]:
        yield _gauge("probe_success", "Whether every path had an answer (1) or not (0).", probed.success)
        yield _gauge("probe_duration_seconds", "How long the probe took, all in all.", probed.duration_s)
        yield _gauge("probe_dns_lookup_time_seconds", "How long looking up the target's name took.", probed.lookup_s)
        versions = [ipaddress.ip_address(address).version for address in probed.addresses.values()]
        yield _gauge(
            "probe_ip_protocol", "4 or 6, the IP version; 0 where there is no address.", max(versions, default=0)
        )
        yield from stream_metrics(self._plan.agent, probed.figures)


async def _look_up(wanted: Asked, resolve: Resolve) -> Mapping[str, str]:
    """Return the target's address on each path; raise :class:`CollectorError` where there is none.

    A name is looked up here, once, so that the address which was allowed is the one which is probed.
    """
    addresses = {}
    for path in wanted.module.paths:
        try:
            host = wanted.target.host_on(path)
        except KeyError:
            message = f"{wanted.target.name} has no address on path {path.name}: add one, or name the module's paths"
            raise CollectorError(message, reason="unresolved") from None
        addresses[path.name] = literal(host) or await resolve(host, path)
    return addresses


async def _probe(wanted: Asked, probed: Probed, within_s: float, own: OwnClaim) -> None:
    """Run the module's probe once, with as many packets as there is time for."""
    count, timeout_ns = fitted(wanted.module, int(within_s * _S))
    probed.probe = Probe(
        name=wanted.module.name,
        options=wanted.options,
        interval_ns=wanted.module.interval_ns,
        timeout_ns=timeout_ns,
        targets=(Target(name=wanted.target.name, hosts=probed.addresses),),
        paths=wanted.module.paths,
    )
    probed.figures = Figures(with_samples=wanted.debug, probes=(probed.probe,), own=own)
    engine = Engine((probed.probe,), probed.figures)
    await engine.run(Bound(packets=count), beside_another=True)
    probed.troubles += dict.fromkeys(str(trouble) for trouble in engine.troubles.values())


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _story(wanted: Asked, probed: Probed, within_s: float) -> str:
    module = wanted.module
    timing = (
        f"{module.count} packets every {module.interval_ns / 1e6:g} ms, each lost after {module.timeout_ns / 1e6:g} ms"
    )
    lines = [
        f"module {module.name} ({module.options.kind}) to {wanted.target.name}: {timing}; {within_s:g} s for all",
        f"looked up in {probed.lookup_s * 1e3:.3f} ms",
        *(f"path {path}: {address}" for path, address in probed.addresses.items()),
        *told(probed.figures),
        *(f"trouble: {trouble}" for trouble in probed.troubles),
        f"{'success' if probed.success else 'failure'} after {probed.duration_s:.3f} s",
        "",
    ]
    return "\n".join(lines)
