"""The lab without namespaces: relays between loopback addresses that delay and lose UDP packets like the lab's links.

For systems that give an ordinary user no network namespace. There is no IPsec here, no ICMP, no hop, and no TCP: the
kernel accepts a connection before a relay knows of it, so that connecting would seem to take no time. The process
obeys the same JSON lines as :mod:`agent.lab.inside`.
"""

from __future__ import annotations

import heapq
import json
import os
import select
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from random import Random
from typing import Any

from agent.lab.impair import Direction, Lateness, behaviour_of
from agent.lab.link import arrival_ns, become_punctual, stamp_arrivals
from agent.lab.topology import HOSTS, LinkName

PORT = 10862
"""Where the agents' reflectors listen: an ordinary user has no port below 1024."""

_IP_AND_UDP_OCTETS = 28
_MOST_OCTETS = 65_535

Directions = Mapping[str, Mapping[str, Direction]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """An address that stands for a host at the other end of a path; ``way`` is the direction of a request."""

    path: str
    way: str
    address: str
    host: str


AZURE, SITE = "127.10.1.4", "127.10.20.10"
RELAYED = (
    Relayed(path="expressroute", way="to_azure", address="127.20.0.4", host=AZURE),
    Relayed(path="vpn", way="to_azure", address="127.20.1.4", host=AZURE),
    Relayed(path="expressroute", way="from_azure", address="127.21.0.10", host=SITE),
    Relayed(path="vpn", way="from_azure", address="127.21.1.10", host=SITE),
)
_WAYS = ("to_azure", "from_azure")


class Relay:
    """All relayed addresses, the links behind them, and what is under way. It blocks and never spins."""

    def __init__(self, control: socket.socket, links: Directions) -> None:
        self._control = control
        self._links = links
        self._expressroute: str | None = LinkName.PRIMARY
        self._readers: dict[socket.socket, Callable[[], object]] = {control: self._obey}
        self._upstream: dict[tuple[socket.socket, Any], socket.socket] = {}
        self._to_do: list[tuple[int, int, Callable[[], object]]] = []
        self._planned = 0
        self._lateness = Lateness()
        self._is_over = False

    def open(self, relayed: Relayed, port: int = PORT) -> None:
        """Relay UDP from an address to the host that it stands for, and the answers back."""
        listener = _udp_socket()
        listener.bind((relayed.address, port))
        self._readers[listener] = partial(self._request, listener, relayed, port)

    def run(self) -> None:
        """Relay until told to end."""
        while not self._is_over:
            while self._to_do and self._to_do[0][0] <= time.time_ns():
                heapq.heappop(self._to_do)[2]()
            for reader in select.select(list(self._readers), (), (), self._wait_s())[0]:
                self._readers[reader]()

    def _wait_s(self) -> float | None:
        return max(0, self._to_do[0][0] - time.time_ns()) / 1e9 if self._to_do else None

    def _at(self, due_ns: int, action: Callable[[], object]) -> None:
        self._planned += 1
        heapq.heappush(self._to_do, (due_ns, self._planned, action))

    def _request(self, listener: socket.socket, relayed: Relayed, port: int) -> None:
        data, arrived_ns, client = _receive(listener)
        upstream = self._upstream.get((listener, client))
        if upstream is None:
            upstream = self._upstream[listener, client] = _udp_socket()
            upstream.connect((relayed.host, port))
            self._readers[upstream] = partial(self._reply, upstream, listener, client, relayed)
        self._carry(relayed.path, relayed.way, arrived_ns, data, partial(upstream.send, data))

    def _reply(self, upstream: socket.socket, listener: socket.socket, client: Any, relayed: Relayed) -> None:
        try:
            data, arrived_ns, _ = _receive(upstream)
        except ConnectionRefusedError:  # nobody listens at the host: as lost as the answer
            return
        back = next(way for way in _WAYS if way != relayed.way)
        self._carry(relayed.path, back, arrived_ns, data, partial(listener.sendto, data, client))

    def _carry(self, path: str, way: str, arrived_ns: int, data: bytes, send: Callable[[], object]) -> None:
        link = LinkName.INTERNET if path == "vpn" else self._expressroute
        due_ns = None
        if link is not None:
            due_ns = self._links[link][way].due_ns(arrived_ns, len(data) + _IP_AND_UDP_OCTETS)
        if due_ns is not None:
            self._at(due_ns, partial(self._depart, due_ns, send))

    def _depart(self, due_ns: int, send: Callable[[], object]) -> None:
        try:
            send()
        except OSError:  # refused by an earlier packet's ICMP error, or a full queue: lost
            return
        self._lateness.add(time.time_ns() - due_ns)

    def _obey(self) -> None:
        lines = self._control.recv(_MOST_OCTETS)
        for command in map(json.loads, lines.splitlines() or [b'{"do": "end"}']):
            match command["do"]:
                case "end":
                    self._is_over = True
                case "report":
                    self._say({"report": self._report()})
                case "play":
                    started_ns = time.time_ns()
                    for change in command["timeline"]:
                        self._at(started_ns + change["at_ns"], partial(self._play, change))
                case _:
                    self._change(command)
                    self._say({"done": True})

    def _play(self, change: Mapping[str, Any]) -> None:
        self._change(change)
        self._say({"event": change["text"], "at_ns": change["at_ns"]})

    def _change(self, change: Mapping[str, Any]) -> None:
        if change["do"] == "routes":
            self._expressroute = change["link"]
            return
        for direction in self._links[change["link"]].values():
            direction.is_up = change["is_up"]

    def _report(self) -> dict[str, Any]:
        """Return what :class:`agent.lab.link.Link` does; one process carries all links, so they share a lateness."""
        late_ns = self._lateness.summary()
        return {
            name: {"late_ns": late_ns, **{way: asdict(direction.fates) for way, direction in directions.items()}}
            for name, directions in self._links.items()
        }

    def _say(self, message: object) -> None:
        self._control.sendall(json.dumps(message).encode() + b"\n")


def _udp_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stamp_arrivals(sock)
    return sock


def _receive(sock: socket.socket) -> tuple[bytes, int, Any]:
    data, ancillary, _, sender = sock.recvmsg(_MOST_OCTETS, 64)
    return data, arrival_ns(ancillary), sender


def directions_of(plan: Mapping[str, Any]) -> Directions:
    """Build the links' directions from the plan that :class:`agent.lab.lab.Lab` sends."""
    return {
        name: {way: Direction(behaviour_of(values[way]), Random(_seed(plan["seed"], name, way))) for way in _WAYS}
        for name, values in plan["links"].items()
    }


def _seed(seed: int | None, name: str, way: str) -> str | None:
    return None if seed is None else f"{seed} {name} {way}"


def main() -> None:
    """Relay as the first line of standard input says, until the input ends."""
    control = socket.socket(fileno=os.dup(0))
    plan = json.loads(control.makefile("rb", buffering=0).readline())
    relay = Relay(control, directions_of(plan))
    try:
        for relayed in RELAYED:
            relay.open(relayed)
    except OSError as error:
        message = f"cannot relay on 127.20.0.0/15, port {PORT}: {error.strerror}"
        control.sendall(json.dumps({"error": message}).encode() + b"\n")
        return
    become_punctual()
    ready = {"ready": True, "namespaces": HOSTS, "links": "relays", "rates": "user-space", "esp": "none"}
    control.sendall(json.dumps(ready).encode() + b"\n")
    relay.run()


if __name__ == "__main__":
    main()
