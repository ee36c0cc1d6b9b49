"""What Prometheus sees of reflectors: every series from the start, and none that ICMP could not fill."""

from __future__ import annotations

from itertools import product

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from agent.metrics.streams import Metrics
from agent.plan import Plan, SocketAddress
from agent.report.figures import Figures
from agent.sink import StreamKey
from collectors.peer import DirectMeasurement, Quirk, ReflectorFacts, RejectedAnswer, Rejection
from collectors.sample import Outcome, Sample, TimestampSource
from collectors.session import SessionEvent

PLAN = Plan(agent="dc1", listen=SocketAddress(host="127.0.0.1", port=9469))
UNKNOWN = {
    "stateful": "unknown",
    "understands": "",
    "clock_source": "unknown",
    "synchronised": "unknown",
    "stamp_method": "unknown",
}
ANSWERED = Sample(
    slot=0, sequence=0, sent_at_ns=0, outcome=Outcome.ANSWERED, rtt_ns=1, timestamps=TimestampSource.KERNEL
)


class Scraped:
    """Metrics of one stream, a way to tell it what happened, and ways to read them back."""

    def __init__(self, kind: str) -> None:
        self.registry = CollectorRegistry()
        figures = Figures()
        self.tell = figures.opened(StreamKey(probe="p", kind=kind, target="hub", path="vpn"))
        self._labels = {"agent": "dc1", "probe": "p", "kind": kind, "target": "hub", "path": "vpn"}
        Metrics(self.registry, PLAN, figures)

    def __call__(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"eragent_{name}", self._labels | labels)

    def series_of_the_stream(self) -> list[tuple[str, dict[str, str]]]:
        return [
            (sample.name, sample.labels)
            for family in self.registry.collect()
            for sample in family.samples
            if sample.labels.get("target") == "hub"
        ]


@pytest.fixture
def stamp() -> Scraped:
    return Scraped("stamp")


@pytest.fixture
def icmp() -> Scraped:
    return Scraped("icmp")


def test_every_series_whose_labels_are_known_is_there_at_zero_from_the_start(stamp: Scraped) -> None:
    for quirk in Quirk:
        assert stamp("answers_tolerated_total", quirk=quirk) == 0
    for reason in Rejection:
        assert stamp("answers_rejected_total", reason=reason) == 0
    for source in ("kernel", "user"):
        assert stamp("peer_timestamps_total", source=source) == 0
    assert stamp("peer_restarts_total") == 0
    assert stamp("peer_info", **UNKNOWN) == 1


def test_a_stream_of_icmp_has_rejected_answers_and_nothing_else_of_this(icmp: Scraped) -> None:
    names = {name for name, _ in icmp.series_of_the_stream()}
    assert "eragent_answers_rejected_total" in names
    prefixes = ("eragent_peer", "eragent_answers_tolerated", "eragent_packets_marked", "eragent_direct")
    assert not [name for name in names if name.startswith(prefixes)]


def test_each_departure_from_the_standard_counts_under_its_name(stamp: Scraped) -> None:
    odd = frozenset({Quirk.ONE_TIME_FOR_TWO, Quirk.NO_SSID})
    stamp.tell([ANSWERED._replace(quirks=odd), ANSWERED._replace(quirks=frozenset({Quirk.NO_SSID})), ANSWERED])
    assert stamp("answers_tolerated_total", quirk="one_time_for_two") == 1
    assert stamp("answers_tolerated_total", quirk="no_ssid") == 2
    assert stamp("answers_tolerated_total", quirk="short_answer") == 0


def test_a_rejected_answer_counts_by_reason_and_not_by_who_sent_it(stamp: Scraped, icmp: Scraped) -> None:
    for scraped in (stamp, icmp):
        before = len(scraped.series_of_the_stream())
        forged = [RejectedAnswer(reason=Rejection.MALFORMED, source=f"192.0.2.{host}") for host in range(100)]
        scraped.tell(forged)
        assert scraped("answers_rejected_total", reason="malformed") == 100
        assert len(scraped.series_of_the_stream()) == before


def test_who_took_the_reflectors_time_is_told_of_every_received_packet(stamp: Scraped) -> None:
    lost = Sample(slot=2, sequence=2, sent_at_ns=0, outcome=Outcome.LOST)
    stamp.tell([ANSWERED, ANSWERED._replace(reflector_stamped=True), lost])
    assert stamp("peer_timestamps_total", source="kernel") == 1
    assert stamp("peer_timestamps_total", source="user") == 1


def test_marks_count_by_direction_once_they_are_seen(stamp: Scraped) -> None:
    assert not [name for name, _ in stamp.series_of_the_stream() if name == "eragent_packets_marked_total"]
    expedited_congested, best_effort = 46 << 2 | 3, 0
    stamp.tell(2 * [ANSWERED._replace(forward_tos=expedited_congested, backward_tos=best_effort)])
    assert stamp("packets_marked_total", direction="forward", dscp="46", ecn="3") == 2
    assert stamp("packets_marked_total", direction="backward", dscp="0", ecn="0") == 2
    assert stamp("packets_marked_total", direction="forward", dscp="0", ecn="0") is None


def test_not_even_a_network_that_marks_at_random_makes_more_than_512_series(stamp: Scraped) -> None:
    before = len(stamp.series_of_the_stream())
    stamp.tell([ANSWERED._replace(forward_tos=there, backward_tos=back) for there, back in product(range(256), (0, 7))])
    stamp.tell([ANSWERED._replace(forward_tos=0, backward_tos=back) for back in range(256)])
    assert len(stamp.series_of_the_stream()) - before == 512


def test_a_reflector_is_described_by_one_series_that_follows_what_it_tells(stamp: Scraped) -> None:
    facts = ReflectorFacts(
        stateful=True,
        understands=("class_of_service", "follow_up"),
        clock_source="ntp",
        synchronised=True,
        stamp_method="software",
    )
    stamp.tell([ReflectorFacts(stateful=False), facts])
    told = {
        "stateful": "yes",
        "understands": "class_of_service,follow_up",
        "clock_source": "ntp",
        "synchronised": "yes",
        "stamp_method": "software",
    }
    assert stamp("peer_info", **told) == 1
    assert len([name for name, _ in stamp.series_of_the_stream() if name == "eragent_peer_info"]) == 1


def test_no_address_or_port_is_a_label(stamp: Scraped) -> None:
    events: list[SessionEvent] = [
        ReflectorFacts(seen_from="203.0.113.9:40001", error_ns=123_456),
        RejectedAnswer(reason=Rejection.NOT_AUTHENTIC, source="203.0.113.10"),
    ]
    stamp.tell(events)
    page = generate_latest(stamp.registry).decode()
    assert "203.0.113" not in page
    assert "40001" not in page


def test_restarts_count_on_when_a_new_session_counts_anew(stamp: Scraped) -> None:
    stamp.tell([ReflectorFacts(restarts=restarts) for restarts in (0, 1, 2, 2, 0, 1)])
    assert stamp("peer_restarts_total") == 3


def test_counts_of_both_ends_are_those_of_the_latest_answer_and_may_begin_anew(stamp: Scraped) -> None:
    assert stamp("direct_measurement_packets", point="sent") is None
    stamp.tell([DirectMeasurement(sent=900, reflector_received=890, reflector_sent=890)])
    stamp.tell([DirectMeasurement(sent=10, reflector_received=9, reflector_sent=8)])
    points = ("sent", "reflector_received", "reflector_sent")
    assert [stamp("direct_measurement_packets", point=point) for point in points] == [10, 9, 8]
