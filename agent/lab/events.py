"""What happens when: the scenario's outages, and the routes that BGP and BFD would move. Plays nothing itself."""

from __future__ import annotations

from dataclasses import dataclass

from agent.lab.scenario import Scenario
from agent.lab.topology import LinkName

EXPRESSROUTE_LINKS = (LinkName.PRIMARY, LinkName.SECONDARY)
"""In the order in which the routers prefer them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkChange:
    """A link stops carrying frames, or carries them again."""

    at_ns: int
    link: LinkName
    is_up: bool

    def __str__(self) -> str:
        return f"{self.link} {'carries frames again' if self.is_up else 'goes silent'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteChange:
    """The routers at both ends of ExpressRoute turn to another link; None: to none, both are gone."""

    at_ns: int
    link: LinkName | None

    def __str__(self) -> str:
        return f"the routers use {self.link}" if self.link else "the routers have no ExpressRoute link left"


Change = LinkChange | RouteChange


def timeline(scenario: Scenario) -> tuple[Change, ...]:
    """Return all changes of a scenario in order; times count from the start of the measurement.

    An outage shorter than the detection time moves no route: BFD never missed enough packets.
    """
    links = [
        change
        for outage in scenario.events
        for change in (
            LinkChange(at_ns=outage.at, link=outage.link, is_up=False),
            LinkChange(at_ns=outage.until, link=outage.link, is_up=True),
        )
    ]
    return tuple(sorted([*links, *_route_changes(scenario)], key=lambda change: change.at_ns))


def _route_changes(scenario: Scenario) -> list[RouteChange]:
    """Follow what the routers believe of each link: down after the detection time, up after the return time."""
    beliefs: list[tuple[int, LinkName, int]] = []
    for outage in scenario.events:
        if outage.link in EXPRESSROUTE_LINKS and outage.down > scenario.failover.detection:
            beliefs.append((outage.at + scenario.failover.detection, outage.link, 1))
            beliefs.append((outage.until + scenario.failover.return_, outage.link, -1))
    believed_down = dict.fromkeys(EXPRESSROUTE_LINKS, 0)
    used: LinkName | None = LinkName.PRIMARY
    changes = []
    for at_ns, link, difference in sorted(beliefs, key=lambda belief: belief[0]):
        believed_down[link] += difference
        best = next((name for name in EXPRESSROUTE_LINKS if not believed_down[name]), None)
        if best != used:
            used = best
            changes.append(RouteChange(at_ns=at_ns, link=best))
    return changes
