"""From packets on loopback to the report: a real session and a real reflector, each with a clock that the test sets.

Their sockets give no kernel stamps, so that these clocks are all they have.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from agent.plan import Probe
from agent.report.figures import Figures
from agent.report.summary import summary
from agent.sink import StreamKey
from collectors.ancillary import OPT_ID, SO_TIMESTAMPING, SOL_SOCKET
from collectors.claim import OwnClaim
from collectors.clock import ClockState
from collectors.path import Address, NetworkPath, Target
from collectors.session import Session
from collectors.sockets import StampedSocket
from collectors.stamp.options import StampOptions
from collectors.stamp.sender import StampSender
from tests.agent.following import KEPT, LEFT_ALONE
from tests.agent.set_clock import SetClock, reflecting
from tests.collectors.clocks_apart import MS, S

INTERVAL_NS = 5 * MS
HOUR_NS = 3600 * S
PATH, TARGET = NetworkPath(name="vpn"), Target(name="hub", host="127.0.0.1")
KEY = StreamKey(probe="p", kind="stamp", target="hub", path="vpn")


class UnstampedSender(StampSender):
    """Sends through a socket without stamps of the kernel, whose clock no test can set."""

    def open(self, path: NetworkPath, to: Address) -> StampedSocket:
        sock = super().open(path, to)
        with socket.socket(fileno=os.dup(sock.fileno())) as same:
            same.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, OPT_ID)  # nothing is stamped
        return sock


def reported(figures: Figures) -> dict[str, Any]:
    [stream] = summary(figures, started_at=datetime(2026, 1, 15, 12, tzinfo=UTC))["streams"]
    json.dumps(stream)
    found: dict[str, Any] = stream
    return found


async def followed(
    *,
    here: SetClock | None = None,
    there: SetClock | None = None,
    ours: ClockState = KEPT,
    theirs: ClockState = KEPT,
    packets: int = 60,
    before: Callable[[int], None] = lambda number: None,
) -> Figures:
    """Send packets, and call ``before`` each with its number; return what is known of the stream."""
    clock, loop = here or SetClock(), asyncio.get_running_loop()
    with reflecting(there or SetClock(), theirs) as port:
        options = StampOptions(port=port)
        probe = Probe(
            name="p", options=options, interval_ns=INTERVAL_NS, timeout_ns=5 * S, targets=(TARGET,), paths=(PATH,)
        )
        figures = Figures(probes=(probe,), own=OwnClaim(clock, clock_state=lambda: ours))
        deliver = figures.opened(KEY)
        sender = UnstampedSender(options, clock, clock_state=lambda: ours)
        session = Session(sender, PATH, timeout_ns=5 * S, clock=clock, loop=loop, deliver=deliver)
        session.aim("127.0.0.1")
        first_ns = clock.monotonic_ns()
        for number in range(packets):
            due_ns = first_ns + number * INTERVAL_NS
            await asyncio.sleep(max(due_ns - clock.monotonic_ns(), 0) / S)
            before(number)
            session.send(number, due_ns)
        await session.idle()
        session.close()
    return figures


def assert_undisturbed(stream: dict[str, Any]) -> None:
    """No packet is missing, and no figure has an hour in it, nor a share of one."""
    assert (stream["sent"], stream["received"], stream["lost"]) == (60, 60, 0)
    assert 0 <= stream["rtt_ns"]["min"] <= stream["rtt_ns"]["max"] < S
    jitter = stream["jitter_ns"]
    for part in (jitter, jitter["forward"], jitter["backward"]):
        assert part["rfc3550"] < S
        assert part["ipdv_p50"] < S


async def test_kept_clocks_give_delays_that_add_up_to_the_round_trip() -> None:
    figures = await followed()
    one_way = reported(figures)["one_way"]
    assert (one_way["valid"], one_way["reason"], one_way["steps"]) == (True, None, 0)
    delays_ns = figures.streams[KEY].counts.one_way.delays_ns
    ways_ns = [sum(both) for both in zip(delays_ns["forward"], delays_ns["backward"], strict=True)]
    assert len(ways_ns) > 30
    assert Counter(ways_ns) <= Counter(figures.streams[KEY].packets().rtts_ns)
    assert min(one_way["forward_ns"]["min"], one_way["backward_ns"]["min"]) >= 0
    assert 0 < one_way["uncertainty_ns"] <= one_way["error_ns"]
    assert one_way["error_ns"] >= 202_000  # both claims, the reflector's rounded up to one of its 8-bit steps
    assert one_way["error_ns"] < 204_000


@pytest.mark.parametrize("by_ns", [HOUR_NS, -HOUR_NS])
@pytest.mark.parametrize("whose", ["here", "there"])
async def test_a_step_of_an_hour_changes_no_round_trip_no_loss_and_no_jitter_and_is_shown(
    by_ns: int, whose: str
) -> None:
    clocks = {"here": SetClock(), "there": SetClock()}

    def step(number: int) -> None:
        if number == 40:
            clocks[whose].ahead_ns = by_ns

    stream = reported(await followed(here=clocks["here"], there=clocks["there"], before=step))
    assert_undisturbed(stream)
    one_way = stream["one_way"]
    assert (one_way["valid"], one_way["reason"], one_way["steps"]) == (False, "clock_stepped", 1)
    assert one_way["forward_ns"] is one_way["backward_ns"] is None
    offset_ns = by_ns if whose == "there" else -by_ns
    assert one_way["offset_ns"]["low"] - MS <= offset_ns <= one_way["offset_ns"]["high"] + MS


async def test_a_reflector_that_counts_tai_is_recognised() -> None:
    stream = reported(await followed(there=SetClock(37 * S)))
    assert_undisturbed(stream)
    one_way = stream["one_way"]
    assert (one_way["valid"], one_way["reason"], one_way["timescale"]) == (False, "tai_utc", "reflector_tai")
    assert one_way["forward_ns"] is None


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        (LEFT_ALONE, KEPT, "not_synchronised"),
        (KEPT, LEFT_ALONE, "not_synchronised"),
        (KEPT, ClockState(synchronised=True, error_ns=0, max_error_ns=1_500_000), "error_unknown"),
        (KEPT, ClockState(synchronised=True, error_ns=0, max_error_ns=1_400_001), "error_too_large"),
    ],
)
async def test_clocks_that_do_not_support_delays_give_a_reason_and_null(
    ours: ClockState, theirs: ClockState, reason: str
) -> None:
    one_way = reported(await followed(ours=ours, theirs=theirs, packets=20))["one_way"]
    assert (one_way["valid"], one_way["reason"]) == (False, reason)
    assert [one_way[key] for key in ("forward_ns", "backward_ns", "uncertainty_ns")] == [None] * 3
    assert one_way["offset_ns"] is not None
