"""Names that do not resolve are problems with a line; a resolver that hangs delays nobody for long."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field

from agent.config.document import parse_document
from agent.config.load import Loaded, plan_of
from agent.config.names import Question, ask_system, unresolved

TEXT = """
paths:
  expressroute: {source: 10.20.0.10}
  vpn: {source: "fd00::10"}
targets:
  hub: {address: {expressroute: hub.example.net, vpn: hub6.example.net}}
  spoke: {address: {expressroute: 10.1.0.4, vpn: "fd00::4"}}
  unused: {address: nowhere.example.net}
probes:
  - {name: ping, icmp: {}, targets: [hub, spoke]}
  - {name: stamp, stamp: {}, targets: [hub], paths: [vpn]}
"""


@dataclass
class Resolver:
    """Knows what it is told, and remembers what it was asked."""

    known: set[str]
    asked: list[Question] = field(default_factory=list)

    def __call__(self, question: Question) -> None:
        self.asked.append(question)
        if question.name not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def loaded(text: str) -> Loaded:
    return plan_of(parse_document(text.encode(), file="eragent.yaml"), host_name="host")


def problems(resolver: Resolver) -> list[str]:
    configuration = loaded(TEXT)
    return [str(problem) for problem in unresolved(configuration.plan, configuration.document, resolve=resolver)]


def test_a_name_that_does_not_resolve_is_a_problem_with_its_line() -> None:
    assert problems(Resolver(known={"hub.example.net"})) == [
        "eragent.yaml:6:55: targets.hub.address.vpn: 'hub6.example.net' does not resolve to an IPv6 address "
        "(Name or service not known): correct the name, or the DNS"
    ]


def test_each_name_is_asked_for_once_in_the_family_of_the_source() -> None:
    resolver = Resolver(known={"hub.example.net", "hub6.example.net"})
    assert problems(resolver) == []
    assert sorted(resolver.asked, key=lambda question: question.name) == [
        Question("hub.example.net", socket.AF_INET),
        Question("hub6.example.net", socket.AF_INET6),
    ]


def test_a_resolver_that_hangs_is_given_up() -> None:
    configuration = loaded(
        "targets: {hub: {address: hub.example.net}}\nprobes: [{name: p, icmp: {}, targets: [hub]}]\n"
    )
    released = threading.Event()

    def hang(question: Question) -> None:
        released.wait()

    try:
        (problem,) = unresolved(configuration.plan, configuration.document, resolve=hang, limit_s=0.01)
    finally:
        released.set()
    assert problem.key == "targets.hub.address"
    assert "does not resolve to an address (no answer within 0.01s)" in problem.message


def test_the_system_is_asked_for_what_is_no_literal() -> None:
    assert ask_system(Question("127.1", socket.AF_UNSPEC))
