"""The lab as its users see it: start it, run programs in its namespaces, cut its links, read how exact it was."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.lab.events import LinkChange, RouteChange, timeline
from agent.lab.sandbox import Isolation, Sandbox, find_isolation
from agent.lab.scenario import Scenario, read_scenario
from agent.lab.topology import LinkName

_START_TIMEOUT_S = 30.0
_MODULES = {
    Isolation.ROOT: "agent.lab.inside",
    Isolation.USER_NAMESPACE: "agent.lab.inside",
    Isolation.LOOPBACK: "agent.lab.relay",
}


class LabError(Exception):
    """The lab cannot be had, or has ended by itself; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabDescription:
    """What the lab is made of on this machine.

    ``links`` is "netem", "user-space" or "relays"; ``rates`` "tbf" or "user-space"; ``esp`` "kernel", "user-space" or
    "none". ``lacks`` says in sentences what it therefore cannot show. ``pid`` is its first process, for nsenter.
    """

    pid: int
    isolation: str
    namespaces: tuple[str, ...]
    links: str
    rates: str
    esp: str
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabEvent:
    """Something that the scenario did, with its planned time in nanoseconds from the start of the measurement."""

    at_ns: int
    text: str


class Lab:
    """A running lab; a context manager, and everything ends with it.

    Without an ``isolation`` it takes the best that the system permits.
    """

    def __init__(self, scenario: Scenario | None = None, *, isolation: Isolation | None = None) -> None:
        self._scenario = scenario or read_scenario()
        self._isolation = isolation
        self._events: list[LabEvent] = []
        self._unread = b""

    def __enter__(self) -> Self:
        isolation = self._isolation = self._isolation or find_isolation()
        self._sandbox = Sandbox(isolation, _MODULES[isolation])
        try:
            self._say(_plan(self._scenario))
            ready = self._answer("ready", _START_TIMEOUT_S)
            self.description = self._describe(ready, isolation)
        except BaseException:
            self._sandbox.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._sandbox.close()

    def command(self, namespace: str, arguments: Sequence[str]) -> list[str]:
        """Return the command that runs ``arguments`` in one of the lab's namespaces."""
        if namespace not in self.description.namespaces:
            raise LabError(f"the lab has no namespace {namespace}: {', '.join(self.description.namespaces)}")
        enter = () if self._isolation is Isolation.LOOPBACK else ("ip", "netns", "exec", namespace)
        return self._sandbox.command([*enter, *arguments])

    @property
    def reflector_port(self) -> int:
        """Return where the agents' reflectors listen."""
        return 10862 if self._isolation is Isolation.LOOPBACK else 862

    def pid_inside(self, process: subprocess.Popen[bytes]) -> int:
        """Return the process that a :meth:`command` runs, which is where signals go."""
        return self._sandbox.pid_inside(process)

    def configuration(self, agent: str) -> Path:
        """Return the configuration file of the agent in that namespace."""
        variant = "loopback-" if self._isolation is Isolation.LOOPBACK else ""
        return Path(__file__).with_name(f"{variant}{agent}.yaml")

    def fileno(self) -> int:
        """Return a descriptor that is readable when :meth:`events` has something, or when the lab has ended."""
        return self._sandbox.control.fileno()

    def play(self) -> None:
        """Start the clock of the scenario's events."""
        self._say({"do": "play", "timeline": [_command(change) for change in timeline(self._scenario)]})

    def set_link(self, link: LinkName, is_up: bool) -> None:
        """Cut a link silently or restore it; the routes stay as they are."""
        self._change({"do": "link", "link": link, "is_up": is_up})

    def use_link(self, link: LinkName | None) -> None:
        """Move ExpressRoute's routes, at both ends, to a link; None: to none."""
        self._change({"do": "routes", "link": link})

    def report(self) -> dict[str, dict[str, Any] | None]:
        """Return for each link the fates of its frames and how late they left; None where the kernel carries them."""
        self._say({"do": "report"})
        report: dict[str, dict[str, Any] | None] = self._answer("report")["report"]
        return report

    def events(self, wait_s: float = 0.0) -> list[LabEvent]:
        """Return what the scenario did since the last call, waiting up to ``wait_s`` for the first to come."""
        if not self._events and select.select([self._sandbox.control], (), (), wait_s)[0]:
            self._take(self._next_message(time.monotonic() + 1))
        events, self._events = self._events, []
        return events

    def _change(self, command: Mapping[str, Any]) -> None:
        self._say(command)
        self._answer("done")

    def _say(self, message: Mapping[str, Any]) -> None:
        try:
            self._sandbox.control.sendall(json.dumps(message).encode() + b"\n")
        except BrokenPipeError as error:
            raise LabError("the lab has ended by itself") from error

    def _answer(self, key: str, timeout_s: float = 5.0) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        while True:
            message = self._next_message(deadline)
            if key in message:
                return message
            self._take(message)

    def _take(self, message: Mapping[str, Any]) -> None:
        if "error" in message:
            raise LabError(f"the lab cannot be built: {message['error']}")
        self._events.append(LabEvent(at_ns=message["at_ns"], text=message["event"]))

    def _next_message(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._unread:
            if not select.select([self._sandbox.control], (), (), max(0.0, deadline - time.monotonic()))[0]:
                raise LabError("the lab does not answer")
            data = self._sandbox.receive()
            if not data:
                raise LabError("the lab has ended by itself")
            self._unread += data
        line, self._unread = self._unread.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def _describe(self, ready: Mapping[str, Any], isolation: Isolation) -> LabDescription:
        assert self._sandbox.pid is not None
        return LabDescription(
            pid=self._sandbox.pid,
            isolation=isolation,
            namespaces=tuple(ready["namespaces"]),
            links=ready["links"],
            rates=ready["rates"],
            esp=ready["esp"],
            lacks=tuple(_lacks(ready, isolation)),
        )


def _plan(scenario: Scenario) -> dict[str, Any]:
    links = {}
    for name, link in scenario.links.items():
        to_azure, from_azure = link.directions()
        links[name] = {"to_azure": asdict(to_azure.behaviour()), "from_azure": asdict(from_azure.behaviour())}
    return {"seed": scenario.seed, "links": links}


def _command(change: LinkChange | RouteChange) -> dict[str, Any]:
    command = {"at_ns": change.at_ns, "text": str(change), "link": change.link}
    if isinstance(change, LinkChange):
        return {**command, "do": "link", "is_up": change.is_up}
    return {**command, "do": "routes"}


def _lacks(ready: Mapping[str, Any], isolation: Isolation) -> list[str]:
    if isolation is Isolation.LOOPBACK:
        return [
            "this user may have no network namespaces, so UDP relays on loopback addresses stand for the paths: "
            "no IPsec, no ICMP or TCP over the paths, no hops and no rates below them",
            "for the whole lab run it as root, or allow unprivileged user namespaces "
            "(sysctl kernel.unprivileged_userns_clone=1; Ubuntu: kernel.apparmor_restrict_unprivileged_userns=0)",
        ]
    lacks = []
    if ready["esp"] == "user-space":
        lacks.append("the kernel has no ESP: strongSwan encrypts in user space, up to 400 Mbit/s")
    if ready["esp"] == "none":
        lacks.append(
            "the VPN path is not encrypted: either strongSwan is missing (apt-get install strongswan-charon"
            " strongswan-swanctl libcharon-extra-plugins libstrongswan-standard-plugins), or the kernel has no ESP and"
            f" user {os.getuid()} may not open /dev/net/tun"
        )
    if isolation is Isolation.USER_NAMESPACE and ready["links"] == "user-space":
        lacks.append("without root the emulated links have no real-time priority: a busy machine makes them late")
    return lacks
