"""Which DNS names of a plan do not resolve: asked by ``eragent check``, never on the way to a running agent."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from agent.config.document import Document
from agent.config.hosts import literal_address
from agent.config.problems import Key, Problem
from agent.plan import Plan
from collectors.path import NetworkPath, Target

_LIMIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Question:
    """A name, and the family of addresses that the source address of the path asks for."""

    name: str
    family: socket.AddressFamily

    @property
    def wanted(self) -> str:
        """The kind of address that is asked for, in words."""
        return {socket.AF_INET: "an IPv4 address", socket.AF_INET6: "an IPv6 address"}.get(self.family, "an address")


Resolve = Callable[[Question], object]
"""Asks for the addresses of a name; raises :class:`OSError` where there are none."""


def ask_system(question: Question) -> object:
    """Resolve a name as the probes do: by getaddrinfo(3)."""
    return socket.getaddrinfo(question.name, None, family=question.family, type=socket.SOCK_DGRAM)


def unresolved(
    plan: Plan, document: Document, *, resolve: Resolve = ask_system, limit_s: float = _LIMIT_S
) -> list[Problem]:
    """Return a problem for each probed name that does not resolve within ``limit_s`` seconds; block no longer."""
    asked = dict.fromkeys(_questions(plan))
    failures = _failures([question for _, question in asked], resolve, limit_s)
    return [
        document.problem(key, _message(question, failures[question])) for key, question in asked if question in failures
    ]


def _message(question: Question, failure: str) -> str:
    return f"{question.name!r} does not resolve to {question.wanted} ({failure}): correct the name, or the DNS"


def _questions(plan: Plan) -> Iterator[tuple[Key, Question]]:
    for probe in plan.probes:
        for target in probe.targets:
            for path in probe.paths:
                host = target.host_on(path)
                if literal_address(host) is None:
                    yield _key(target, path), Question(host, _family(path))


def _key(target: Target, path: NetworkPath) -> Key:
    key: Key = ("targets", target.name, "address")
    return (*key, path.name) if path.name in target.hosts else key


def _family(path: NetworkPath) -> socket.AddressFamily:
    if path.source is None:
        return socket.AF_UNSPEC
    return socket.AF_INET if path.source.version == 4 else socket.AF_INET6


def _failures(questions: Iterable[Question], resolve: Resolve, limit_s: float) -> Mapping[Question, str]:
    """Ask all questions at once.

    In daemon threads: getaddrinfo(3) cannot be cancelled and may take 30 s, and an executor would wait for it at exit.
    """
    failures = dict.fromkeys(questions, f"no answer within {limit_s:g}s")

    def ask(question: Question) -> None:
        try:
            resolve(question)
        except OSError as error:
            failures[question] = error.strerror or str(error)
        else:
            del failures[question]

    threads = [threading.Thread(target=ask, args=(question,), daemon=True) for question in failures]
    for thread in threads:
        thread.start()
    ends_at = time.monotonic() + limit_s
    for thread in threads:
        thread.join(max(0.0, ends_at - time.monotonic()))
    return dict(failures)
