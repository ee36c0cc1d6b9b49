"""What is told of streams as they come into trouble and out of it."""

from __future__ import annotations

from agent.counts import StreamCounts
from agent.service.changes import UNANSWERED, Change, Watching, duration
from agent.sink import StreamKey
from collectors.errors import CollectorError

S = 1_000_000_000
KEY = StreamKey(probe="stamp", kind="stamp", target="hub", path="vpn")
GONE = CollectorError("path vpn: cannot send from 127.0.0.9: it is not an address of this host", reason="invalid")


class Stream:
    """A stream that is looked at every second."""

    def __init__(self) -> None:
        self.watching = Watching()
        self.counts = StreamCounts()
        self.trouble: CollectorError | None = None
        self.address: str | None = "10.1.0.4"
        self.resolved = True
        self._now_s = 0

    def seconds(self, count: int, *, received: int = 0, lost: int = 0, failed: int = 0) -> list[Change]:
        """Let time pass, so many packets settling in each second."""
        found = []
        for _ in range(count):
            self._now_s += 1
            self.counts.sent += received + lost + failed
            self.counts.received += received
            self.counts.lost += lost
            self.counts.failed["port_unreachable"] += failed
            found += self.watching.look(
                self._now_s * S,
                KEY,
                self.counts,
                trouble=self.trouble,
                address=self.address,
                resolved=self.resolved,
            )
        return found


def test_a_stream_that_is_answered_is_no_news() -> None:
    stream = Stream()
    assert stream.seconds(100, received=9, lost=1) == []
    assert stream.watching.troubled == []


def test_silence_is_told_once_when_it_begins_and_once_when_it_ends() -> None:
    stream = Stream()
    stream.seconds(10, received=10)
    [began] = stream.seconds(60, lost=10)
    assert (began.bad, began.reason, began.key) == (True, UNANSWERED, KEY)
    assert began.text == "stamp to hub on vpn: no answer to 50 packets (unanswered)"
    assert stream.watching.troubled == [KEY]
    [ended] = stream.seconds(60, received=10)
    assert (ended.bad, ended.text) == (False, "stamp to hub on vpn: answers again, after 61 s")
    assert stream.watching.troubled == []


def test_a_short_outage_is_for_the_metrics() -> None:
    stream = Stream()
    assert [*stream.seconds(10, received=10), *stream.seconds(4, lost=10), *stream.seconds(10, received=10)] == []


def test_few_packets_are_no_silence() -> None:
    stream = Stream()
    stream.seconds(10, received=1)
    assert stream.seconds(60) == []
    assert stream.seconds(4, lost=1) == []
    assert len(stream.seconds(1, lost=1)) == 1


def test_silence_that_is_all_refusals_has_their_reason() -> None:
    stream = Stream()
    [began] = stream.seconds(20, failed=10)
    assert began.reason == "port_unreachable"


def test_a_stream_that_cannot_send_is_told_with_the_remedy() -> None:
    stream = Stream()
    stream.seconds(10, received=10)
    stream.trouble = GONE
    [began] = stream.seconds(60)
    assert (began.bad, began.reason) == (True, "invalid")
    assert began.text == f"stamp to hub on vpn: cannot send: {GONE}"
    stream.trouble = None
    [ended] = stream.seconds(5, received=10)
    assert ended.text == "stamp to hub on vpn: answers again, after 60 s"


def test_one_packet_that_is_refused_is_no_news() -> None:
    stream = Stream()
    stream.trouble = GONE
    assert stream.seconds(1) == []
    stream.trouble = None
    assert stream.seconds(10, received=10) == []


def test_another_trouble_after_the_first_is_told_and_the_end_counts_from_the_first() -> None:
    stream = Stream()
    stream.seconds(10, received=10)
    stream.trouble = GONE
    stream.seconds(10)
    stream.trouble = None
    [second] = stream.seconds(10, lost=10)
    assert second.reason == UNANSWERED
    [ended] = stream.seconds(10, received=10)
    assert ended.text == "stamp to hub on vpn: answers again, after 20 s"


def test_a_target_that_moves_or_has_no_name_any_more_is_told() -> None:
    stream = Stream()
    stream.seconds(1, received=10)
    stream.address = "10.1.0.5"
    [moved] = stream.seconds(5, received=10)
    assert moved.text == "stamp to hub on vpn: is sent to 10.1.0.5 from now on, and was sent to 10.1.0.4"
    stream.resolved = False
    [lost] = stream.seconds(5, received=10)
    assert (lost.bad, lost.reason) == (True, "unresolved")
    assert lost.text == "stamp to hub on vpn: the name does not resolve any more; 10.1.0.5 stays in use"
    stream.resolved = True
    [found] = stream.seconds(5, received=10)
    assert found.text == "stamp to hub on vpn: resolves again"


def test_what_is_forgotten_begins_anew() -> None:
    stream = Stream()
    stream.seconds(20, lost=10)
    stream.watching.forget([KEY])
    assert stream.watching.troubled == []


def test_durations_are_told_coarsely() -> None:
    assert [duration(s * S) for s in (5, 119, 120, 3600, 7200, 90_000)] == [
        "5 s",
        "119 s",
        "2 min",
        "60 min",
        "2 h 0 min",
        "25 h 0 min",
    ]
