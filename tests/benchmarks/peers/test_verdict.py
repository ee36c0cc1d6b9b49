from __future__ import annotations

from benchmarks.figure import Figure
from benchmarks.peers.results import Results
from benchmarks.peers.verdict import figures
from tests.benchmarks.peers.comparing import NAMES, results

ALL = dict.fromkeys(NAMES, 10_000)


def figure(found: Results, name: str) -> Figure:
    [one] = [figure for _, figure in figures(found) if figure.name.startswith(name)]
    return one


def met(found: Results, name: str) -> bool | None:
    one = figure(found, name)
    assert one.value is not None
    return one.met_by(one.value)


def test_errors_are_judged_in_microseconds() -> None:
    one = figure(results(ALL), "eragent ICMP, idle: p99")
    assert (one.value, one.at_most, one.unit) == (10, 15, "µs")


def test_a_peer_has_to_be_five_times_worse() -> None:
    found = {one.name: one for _, one in figures(results(ALL | {"ping": 50_000, "fping": 49_000}))}
    ping, fping = (found[f"{peer} ÷ eragent ICMP, busy: p99"] for peer in ("ping", "fping"))
    assert ping.met_by(ping.value or 0) is True
    assert fping.met_by(fping.value or 0) is False


def test_irtt_has_to_be_fifty_times_worse() -> None:
    assert met(results(ALL | {"irtt": 500_000}), "irtt ÷ eragent STAMP") is True
    assert met(results(ALL | {"irtt": 499_000}), "irtt ÷ eragent STAMP") is False


def test_a_peer_that_did_not_run_gives_no_ratio() -> None:
    one = figure(results({name: p99 for name, p99 in ALL.items() if name != "irtt"}), "irtt ÷ eragent STAMP")
    assert one.value is None
    assert one.name.endswith("not run")


def test_an_error_of_nothing_is_no_divisor() -> None:
    assert figure(results(ALL | {"eragent STAMP": 0}), "irtt ÷ eragent STAMP").value is None


def test_the_cost_is_judged_by_that_of_peers_in_the_same_run() -> None:
    found = results(ALL, cpu={"eragent ICMP": 90_000, "irtt": 100_000, "smokeping_prober": 80_000})
    assert met(found, "eragent ICMP: CPU of a round trip, below irtt's") is True
    assert met(found, "eragent ICMP: CPU of a round trip, below smokeping_prober's") is False


def test_a_cost_without_a_peers_is_not_judged() -> None:
    assert met(results(ALL, cpu={"eragent ICMP": 90_000}), "eragent ICMP: CPU of a round trip, below irtt's") is None


def test_lateness_is_judged_beside_the_bare_loop_and_under_load_by_itself() -> None:
    found = results(ALL, late=251_000)
    assert met(found, "eragent ICMP ÷ clock_nanosleep in C, idle") is True
    assert met(found, "eragent ICMP, busy, SCHED_FIFO: lateness p99") is False


def test_one_lost_packet_is_too_many() -> None:
    assert met(results(ALL), "eragent STAMP, 5,000 packets/s: lost") is True
    assert met(results(ALL, lost=1), "eragent STAMP, 5,000 packets/s: lost") is False
