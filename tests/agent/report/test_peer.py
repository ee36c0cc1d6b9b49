"""What reports tell of reflectors: in JSON always, in the table only where there is something to tell."""

from __future__ import annotations

import errno
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from typing import Any

from rich.console import Console

from agent.plan import Probe
from agent.report.figures import MOST_TOLD_APART, Figures
from agent.report.summary import summary
from agent.report.text import streams_table
from agent.sink import StreamKey
from collectors.ancillary import IcmpError
from collectors.path import PacketMarks
from collectors.peer import DirectMeasurement, Quirk, ReflectorFacts, RejectedAnswer, Rejection
from collectors.sample import Outcome, Sample, TimestampSource
from collectors.session import SessionEvent
from collectors.stamp.sender import StampOptions

MS = 1_000_000
STAMP = StreamKey(probe="stamp", kind="stamp", target="hub", path="vpn")
ICMP = StreamKey(probe="icmp", kind="icmp", target="hub", path="vpn")
EXPEDITED = Probe(
    name="stamp",
    options=StampOptions(marks=PacketMarks(dscp=46)),
    interval_ns=100 * MS,
    timeout_ns=2000 * MS,
    targets=(),
    paths=(),
)
FACTS = ReflectorFacts(
    stateful=True,
    understands=("class_of_service", "follow_up"),
    seen_from="203.0.113.9:40001",
    clock_source="ntp",
    stamp_method="software",
    synchronised=True,
    error_ns=1_007_080,
)


def answered(number: int, **told: Any) -> Sample:
    plain = Sample(
        slot=number,
        sequence=number,
        sent_at_ns=0,
        outcome=Outcome.ANSWERED,
        rtt_ns=10 * MS,
        timestamps=TimestampSource.KERNEL,
    )
    return plain._replace(**told)


def reported(*events: SessionEvent, key: StreamKey = STAMP, with_samples: bool = False) -> dict[str, Any]:
    figures = Figures(with_samples=with_samples, probes=[EXPEDITED])
    figures.opened(key)(events)
    report = summary(figures, started_at=datetime(2026, 1, 15, 12, tzinfo=UTC))
    loaded: dict[str, Any] = json.loads(json.dumps(report))
    return loaded


def stream(*events: SessionEvent, key: StreamKey = STAMP, with_samples: bool = False) -> dict[str, Any]:
    [found] = reported(*events, key=key, with_samples=with_samples)["streams"]
    return dict(found)


def rows(*events: SessionEvent, key: StreamKey = STAMP) -> dict[str, str]:
    """The table's rows by name; lines of one cell are joined by a bar."""
    console = Console(width=100, file=StringIO(), record=True)
    console.print(streams_table(reported(*events, key=key)))
    found: dict[str, str] = {}
    name = ""
    for line in console.export_text().splitlines()[5:]:
        match = re.fullmatch(r"(\S.*?|) {2,}(\S.*?) *", line)
        if match is None:
            continue
        name, known = match[1] or name, found.get(match[1] or name)
        found[name] = match[2] if known is None else f"{known} | {match[2]}"
    return found


def test_nothing_is_known_of_a_reflector_before_it_tells() -> None:
    found = stream()
    assert found["reflector"] == {
        "stateful": None,
        "understands": [],
        "seen_from": None,
        "clock": {"source": None, "synchronised": None, "error_ns": None},
        "stamp_method": None,
        "restarts": 0,
        "kernel_transmit_stamps": 0,
        "direct_measurement": None,
    }
    assert (found["tolerated"], found["rejected_answers"], found["class_of_service"]) == ({}, [], None)


def test_what_a_reflector_tells_is_reported() -> None:
    counted = DirectMeasurement(sent=10, reflector_received=9, reflector_sent=8)
    stamped = answered(0, reflector_stamped=True)
    assert stream(stamped, replace(FACTS, restarts=1), counted)["reflector"] == {
        "stateful": True,
        "understands": ["class_of_service", "follow_up"],
        "seen_from": "203.0.113.9:40001",
        "clock": {"source": "ntp", "synchronised": True, "error_ns": 1_007_080},
        "stamp_method": "software",
        "restarts": 1,
        "kernel_transmit_stamps": 1,
        "direct_measurement": {"sent": 10, "reflector_received": 9, "reflector_sent": 8},
    }


def test_other_kinds_of_probes_have_no_reflector_yet_their_rejected_answers_are_told() -> None:
    found = stream(RejectedAnswer(reason=Rejection.UNKNOWN_PACKET, source="192.0.2.7"), key=ICMP)
    assert found["reflector"] is None
    assert found["rejected_answers"] == [{"reason": "unknown_packet", "from": "192.0.2.7", "count": 1}]


def test_hosts_that_send_icmp_errors_are_told_apart_up_to_a_number() -> None:
    events = [IcmpError(errno.EHOSTUNREACH, 3, 1, 0, f"192.0.2.{host}") for host in (*range(100), 0)]
    errors = stream(*events)["icmp_errors"]
    assert [(error["from"], error["count"]) for error in errors] == [
        ("192.0.2.0", 2),
        *((f"192.0.2.{host}", 1) for host in range(1, MOST_TOLD_APART)),
        (None, 100 - MOST_TOLD_APART),
    ]


def test_hosts_that_send_what_is_no_answer_are_told_apart_up_to_a_number() -> None:
    events = [RejectedAnswer(reason=Rejection.MALFORMED, source=f"192.0.2.{host}") for host in (*range(100), 0)]
    rejected = stream(*events, RejectedAnswer(reason=Rejection.NOT_AUTHENTIC, source="192.0.2.200"))["rejected_answers"]
    assert len(rejected) == MOST_TOLD_APART + 2
    assert rejected[0] == {"reason": "malformed", "from": "192.0.2.0", "count": 2}
    assert rejected[-2:] == [
        {"reason": "malformed", "from": None, "count": 100 - MOST_TOLD_APART},
        {"reason": "not_authentic", "from": None, "count": 1},
    ]


def test_tolerated_answers_are_counted_and_named_with_their_packets() -> None:
    odd = frozenset({Quirk.ONE_TIME_FOR_TWO, Quirk.NO_SSID})
    found = stream(answered(0, quirks=odd), answered(1), with_samples=True)
    assert found["tolerated"] == {"one_time_for_two": 1, "no_ssid": 1}
    assert found["samples"][0]["quirks"] == ["no_ssid", "one_time_for_two"]
    assert "quirks" not in found["samples"][1]


def test_marks_are_told_by_direction_the_most_frequent_first() -> None:
    expedited, congested = 46 << 2, 46 << 2 | 3
    marked = [answered(number, forward_tos=expedited, backward_tos=0) for number in range(2)]
    found = stream(answered(9, forward_tos=congested), *marked)["class_of_service"]
    assert found == {
        "sent_dscp": 46,
        "forward": [{"dscp": 46, "ecn": 0, "count": 2}, {"dscp": 46, "ecn": 3, "count": 1}],
        "backward": [{"dscp": 0, "ecn": 0, "count": 2}],
    }


def test_the_table_of_plain_answers_has_no_row_of_all_this() -> None:
    names = rows(answered(0), answered(1)).keys()
    assert not names & {"reflector", "answers tolerated", "answers rejected", "DSCP there", "DSCP back"}


def test_the_table_says_when_the_reflectors_kernel_stamped_too() -> None:
    assert "reflector's timestamps" not in rows(answered(0))
    stamped = [answered(number, reflector_stamped=True) for number in range(2)]
    assert rows(*stamped)["reflector's timestamps"] == "kernel"
    assert rows(*stamped, answered(2))["reflector's timestamps"] == "kernel (2 of 3)"
    by_user = answered(2, timestamps=TimestampSource.USER, reflector_stamped=True)
    assert rows(*stamped, by_user)["timestamps"] == "user (1 of 3)"


def test_the_table_says_what_a_reflector_is_and_what_it_cannot_do() -> None:
    assert rows(answered(0), FACTS)["reflector"] == "stateful"
    assert rows(answered(0), replace(FACTS, restarts=2))["reflector"] == "stateful | restarted 2 x"
    plain = ReflectorFacts(stateful=False)
    assert rows(answered(0), plain)["reflector"] == "stateless: losses without direction | no extensions"


def test_the_table_says_which_answers_were_tolerated_and_which_were_not() -> None:
    spoofed = RejectedAnswer(reason=Rejection.WRONG_TIMESTAMP, source="192.0.2.7")
    odd = [answered(number, quirks=frozenset({Quirk.NO_SSID})) for number in range(3)]
    found = rows(*odd, spoofed, spoofed)
    assert found["answers tolerated"] == "3 x no SSID"
    assert found["answers rejected"] == "2 x wrong timestamp from 192.0.2.7"


def test_the_table_shows_marks_that_were_changed_on_the_way() -> None:
    kept, cleared, congested = 46 << 2, 0, 46 << 2 | 3
    remarked = [answered(number, forward_tos=kept, backward_tos=cleared) for number in range(10)]
    found = rows(*remarked)
    assert found["DSCP back"] == "46 -> 0 (10 of 10)"
    assert "DSCP there" not in found
    found = rows(*remarked, answered(10, forward_tos=congested), answered(11, forward_tos=cleared))
    assert found["DSCP there"] == "46 (11 of 12) | 46 -> 0 (1 of 12)"


def test_of_marks_that_nobody_knows_to_have_been_changed_the_table_says_nothing() -> None:
    figures = Figures()
    figures.opened(STAMP)([answered(0, forward_tos=0, backward_tos=0)])
    [found] = summary(figures, started_at=datetime(2026, 1, 15, 12, tzinfo=UTC))["streams"]
    assert found["class_of_service"]["sent_dscp"] is None
    console = Console(width=100, file=StringIO(), record=True)
    console.print(streams_table({"streams": [found]}))
    assert "DSCP" not in console.export_text()
