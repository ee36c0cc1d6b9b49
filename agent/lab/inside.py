"""The process inside the lab's namespaces, their first (pid 1): builds the lab, plays its events, ends it.

It is told what to do in JSON lines on standard input, a socket, and answers there. When that ends, or this process
does, the kernel kills everything in the pid namespace; the rest vanishes with the last process.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from agent.lab import ipsec
from agent.lab.build import (
    BuildError,
    Facilities,
    build,
    change_routes,
    find_facilities,
    find_system_programs,
    in_namespace,
    run,
)
from agent.lab.impair import Behaviour, behaviour_of
from agent.lab.netem import NetemLink
from agent.lab.topology import EXPRESSROUTE_VIA, LINKS, NAMESPACES, UNENCRYPTED_TUNNEL, LinkName

_DIRECTORY = Path("/run/lab")


class LabLink(Protocol):
    """A link that can be cut, whoever emulates it."""

    def set_up(self, is_up: bool) -> None:
        """Carry frames, or drop them silently."""

    def report(self) -> dict[str, Any] | None:
        """Return what the link counted and how late it was; None when it does not know."""


class UserSpaceLink:
    """A link emulated by a process of our own (:mod:`agent.lab.link`)."""

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        self._process = subprocess.Popen(
            in_namespace(name, sys.executable, "-m", "agent.lab.link"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._name = name
        self._say({"site": "site", "azure": "azure", **settings})

    def wait(self) -> None:
        """Wait until it carries frames."""
        self._hear()

    def set_up(self, is_up: bool) -> None:
        """Carry frames, or drop them silently."""
        self._say({"up": is_up})
        self._hear()

    def report(self) -> dict[str, Any]:
        """Return the fates of the frames in each direction and how late they left."""
        self._say({})
        return self._hear()

    def _say(self, command: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BuildError(f"the emulated link {self._name} ended by itself")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Inside:
    """The built lab, as it obeys commands and plays its events."""

    def __init__(self, control: socket.socket, links: Mapping[str, LabLink]) -> None:
        self._control = control
        self._links = links
        self._to_come: list[dict[str, Any]] = []
        self._started = 0.0

    def serve(self) -> None:
        """Obey and play until the control socket ends or says so."""
        lines = self._control.makefile("rb", buffering=0)
        while True:
            if not select.select([self._control], (), (), self._wait_s())[0]:
                self._play(self._to_come.pop(0))
                continue
            line = lines.readline()
            if not line or not self._obey(json.loads(line)):
                return

    def _wait_s(self) -> float | None:
        if not self._to_come:
            return None
        return max(0.0, self._started + int(self._to_come[0]["at_ns"]) / 1e9 - time.monotonic())

    def _obey(self, command: dict[str, Any]) -> bool:
        if command["do"] == "end":
            return False
        if command["do"] == "report":
            say(self._control, {"report": {name: link.report() for name, link in self._links.items()}})
        elif command["do"] == "play":
            self._started, self._to_come = time.monotonic(), command["timeline"]
        else:
            self._change(command)
            say(self._control, {"done": True})
        return True

    def _play(self, change: dict[str, Any]) -> None:
        self._change(change)
        say(self._control, {"event": change["text"], "at_ns": change["at_ns"]})

    def _change(self, change: dict[str, Any]) -> None:
        if change["do"] == "link":
            self._links[change["link"]].set_up(change["is_up"])
        else:
            change_routes(EXPRESSROUTE_VIA[change["link"] and LinkName(change["link"])])


def say(control: socket.socket, message: Mapping[str, Any]) -> None:
    """Send one message to the process that started the lab."""
    control.sendall(json.dumps(message).encode() + b"\n")


def _start_links(
    plan: Mapping[str, Any], behaviours: Mapping[LinkName, tuple[Behaviour, Behaviour]], facilities: Facilities
) -> dict[str, LabLink]:
    if facilities.has_netem:
        return {name: NetemLink(name, *both, _DIRECTORY) for name, both in behaviours.items()}
    # Where tbf limits the rates, the links must not do it a second time.
    unlimited = {"bits_per_second": None} if facilities.has_tbf else {}
    links = {}
    for name, directions in plan["links"].items():
        settings = {way: {**directions[way], **unlimited} for way in ("to_azure", "from_azure")}
        seed = plan["seed"] if plan["seed"] is None else f"{plan['seed']} {name}"
        links[name] = UserSpaceLink(name, {"seed": seed, **settings})
    for link in links.values():
        link.wait()
    return dict(links)


def _both_ways(directions: Mapping[str, Any]) -> tuple[Behaviour, Behaviour]:
    return behaviour_of(directions["to_azure"]), behaviour_of(directions["from_azure"])


def _build(plan: Mapping[str, Any]) -> tuple[dict[str, LabLink], dict[str, Any]]:
    find_system_programs()
    run(["mount", "-t", "tmpfs", "tmpfs", "/run"])
    _DIRECTORY.mkdir()
    facilities = find_facilities()
    behaviours = {link.name: _both_ways(plan["links"][link.name]) for link in LINKS}
    build(behaviours, facilities)
    daemons = ipsec.start_daemons(_DIRECTORY, facilities.esp) if facilities.esp != "none" else []
    links = _start_links(plan, behaviours, facilities)
    if daemons:
        ipsec.bring_up(daemons)
    else:
        change_routes(UNENCRYPTED_TUNNEL)
    description = {
        "namespaces": list(NAMESPACES),
        "links": "netem" if facilities.has_netem else "user-space",
        "rates": "tbf" if facilities.has_tbf else "user-space",
        "esp": facilities.esp,
    }
    return links, description


def main() -> None:
    """Build the lab that the first line of standard input describes, and hold it until the input ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the process outside
    control = socket.socket(fileno=os.dup(0))
    plan = json.loads(control.makefile("rb", buffering=0).readline())
    try:
        links, description = _build(plan)
    except BuildError as error:
        say(control, {"error": str(error)})
        sys.exit(1)
    say(control, {"ready": True, **description})
    try:
        Inside(control, links).serve()
    except BuildError as error:
        say(control, {"error": str(error)})
        sys.exit(1)


if __name__ == "__main__":
    main()
