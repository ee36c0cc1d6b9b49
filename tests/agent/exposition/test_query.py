"""What a request asks, and why it is refused."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from agent.config.modules import default_modules
from agent.exposition.query import RefusedError, asked, check_allowed, fitted, limit_s
from agent.plan import Module, OnRequestPlan
from collectors.http.options import HttpOptions
from collectors.icmp.sender import IcmpOptions
from collectors.path import NetworkPath, Target
from collectors.tcp.options import TcpOptions

S, MS = 1_000_000_000, 1_000_000
VPN = NetworkPath(name="vpn")
PLAN = OnRequestPlan(modules=default_modules((VPN,)))
HUB = Target(name="hub", host="10.1.0.4")
TWO = Target(name="two", hosts={"vpn": "10.2.0.4", "expressroute": "10.1.0.5"})
TARGETS = {"hub": HUB, "two": TWO}


def wanted(module: str, target: str, **further: str) -> Any:
    return asked({"module": module, "target": target, **further}, PLAN, TARGETS)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"target": "hub"}, "the parameter module is missing: there are icmp, stamp, tcp_connect, http_2xx"),
        ({"target": "hub", "module": "dns"}, "there is no module 'dns': there are icmp, stamp, tcp_connect, http_2xx"),
        ({"module": "icmp"}, "the parameter target is missing: add target=HOST to the query"),
        ({"module": "icmp", "target": " "}, "the parameter target is missing: add target=HOST to the query"),
        ({"module": "tcp_connect", "target": "hub:0"}, "target: 'hub:0' has no port that packets can be sent to"),
        (
            {"module": "tcp_connect", "target": "::1:x"},
            "target: '::1:x' ends with no port: after the last colon comes a number from 0 to 65535",
        ),
        ({"module": "http_2xx", "target": "ftp://hub/"}, "target: 'ftp://hub/' is no URL of a web server"),
        ({"module": "icmp", "target": "hub/24"}, "target: 'hub/24' is neither an address nor a name of a host"),
        ({"module": "icmp", "target": "a b"}, "target: 'http://a b/' has a space"),
    ],
)
def test_what_asks_for_nothing_that_there_is_is_refused_with_a_sentence(query: dict[str, str], sentence: str) -> None:
    with pytest.raises(RefusedError) as refused:
        asked(query, PLAN, TARGETS)
    assert refused.value.status == 400
    assert str(refused.value).startswith(sentence)


def test_a_target_of_the_configuration_is_known_by_its_name_and_by_its_address() -> None:
    for name in ("hub", "10.1.0.4"):
        found = wanted("icmp", name)
        assert (found.trusted, found.target.name, found.target.host_on(VPN)) == (True, name, "10.1.0.4")
    assert wanted("icmp", "two").target.host_on(VPN) == "10.2.0.4"
    stranger = wanted("icmp", "192.0.2.1")
    assert (stranger.trusted, stranger.target.host_on(VPN)) == (False, "192.0.2.1")


@pytest.mark.parametrize(
    ("target", "host", "port"),
    [
        ("hub", "10.1.0.4", 443),
        ("hub:22", "10.1.0.4", 22),
        ("192.0.2.1:8443", "192.0.2.1", 8443),
        ("::1", "::1", 443),
        ("[::1]:8443", "::1", 8443),
    ],
)
def test_a_target_may_bring_its_port(target: str, host: str, port: int) -> None:
    found = wanted("tcp_connect", target)
    assert isinstance(found.options, TcpOptions)
    assert (found.target.host_on(VPN), found.options.port, found.target.name) == (host, port, target)


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("https://portal.example.net/healthz", "https://portal.example.net/healthz"),
        ("portal.example.net:8080/a?b=c", "http://portal.example.net:8080/a?b=c"),
        ("hub", "http://hub/"),
    ],
)
def test_the_target_of_a_web_server_is_its_url(target: str, url: str) -> None:
    found = wanted("http_2xx", target)
    assert isinstance(found.options, HttpOptions)
    assert str(found.options.url) == url
    assert found.options.follow == 0


@pytest.mark.parametrize(("header", "limit"), [(None, 60), ("10", 9.5), ("0.4", 0.2), ("1.0", 0.5), ("1e9", 60)])
def test_the_time_of_a_scrape_is_kept_less_what_sending_the_answer_takes(header: str | None, limit: float) -> None:
    assert limit_s(header) == pytest.approx(limit)


@pytest.mark.parametrize("header", ["", "ten", "0", "-1", "inf", "nan"])
def test_a_time_that_is_none_is_refused(header: str) -> None:
    with pytest.raises(RefusedError, match="is no number of seconds"):
        limit_s(header)


@pytest.mark.parametrize(
    ("limit_ns", "fits"),
    [(60 * S, (10, S)), (1900 * MS, (10, S)), (1899 * MS, (9, S)), (S, (1, S)), (300 * MS, (1, 300 * MS)), (0, (1, 1))],
)
def test_as_many_packets_are_sent_as_fit_into_the_time_and_one_at_least(limit_ns: int, fits: tuple[int, int]) -> None:
    module = Module(name="m", options=IcmpOptions(), count=10, interval_ns=100 * MS, timeout_ns=S, paths=(VPN,))
    assert fitted(module, limit_ns) == fits


def test_addresses_are_allowed_by_network_however_they_are_written() -> None:
    networks = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    check_allowed(["10.1.2.3", "fd00::1", "::ffff:10.1.2.3"], networks)
    for address in ("10.2.0.1", "::ffff:10.2.0.1", "2001:db8::1", "::1"):
        with pytest.raises(RefusedError, match=r"in no network of on_request\.allow") as refused:
            check_allowed(["10.1.2.3", address], networks)
        assert refused.value.status == 403
