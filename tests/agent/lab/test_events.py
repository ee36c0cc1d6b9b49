from __future__ import annotations

from agent.lab.events import LinkChange, RouteChange, timeline
from agent.lab.scenario import parse_scenario
from agent.lab.topology import LinkName

S = 1_000_000_000
LINKS = "links: {er-primary: {delay: 1ms}, er-secondary: {delay: 1ms}, internet: {delay: 1ms}}\n"


def changes(events: str) -> list[LinkChange | RouteChange]:
    return list(timeline(parse_scenario(f"{LINKS}events: [{events}]\nfailover: {{detection: 1s, return: 2s}}", "test")))


def routes(events: str) -> list[tuple[float, LinkName | None]]:
    return [(change.at_ns / S, change.link) for change in changes(events) if isinstance(change, RouteChange)]


def test_an_outage_of_the_primary_moves_the_routes_after_detection_and_back_after_the_return() -> None:
    assert changes("{at: 10s, link: er-primary, down: 5s}") == [
        LinkChange(at_ns=10 * S, link=LinkName.PRIMARY, is_up=False),
        RouteChange(at_ns=11 * S, link=LinkName.SECONDARY),
        LinkChange(at_ns=15 * S, link=LinkName.PRIMARY, is_up=True),
        RouteChange(at_ns=17 * S, link=LinkName.PRIMARY),
    ]


def test_an_outage_shorter_than_the_detection_moves_no_route() -> None:
    assert routes("{at: 10s, link: er-primary, down: 800ms}") == []


def test_an_outage_of_the_unused_link_moves_no_route() -> None:
    assert routes("{at: 10s, link: er-secondary, down: 5s}") == []


def test_an_outage_of_the_internet_moves_no_route_since_the_vpn_has_no_other() -> None:
    assert routes("{at: 10s, link: internet, down: 5s}") == []


def test_while_both_links_are_gone_there_is_no_route() -> None:
    assert routes("{at: 10s, link: er-primary, down: 10s}, {at: 12s, link: er-secondary, down: 2s}") == [
        (11, LinkName.SECONDARY),
        (13, None),
        (16, LinkName.SECONDARY),
        (22, LinkName.PRIMARY),
    ]


def test_a_second_outage_before_the_return_keeps_the_routes_away() -> None:
    assert routes("{at: 10s, link: er-primary, down: 2s}, {at: 12500ms, link: er-primary, down: 2s}") == [
        (11, LinkName.SECONDARY),
        (16.5, LinkName.PRIMARY),
    ]


def test_changes_read_as_sentences() -> None:
    assert [str(change) for change in changes("{at: 10s, link: er-primary, down: 5s}")] == [
        "er-primary goes silent",
        "the routers use er-secondary",
        "er-primary carries frames again",
        "the routers use er-primary",
    ]
