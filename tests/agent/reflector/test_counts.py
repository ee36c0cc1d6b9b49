"""What the reflector counted crosses from its process to the agent's."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from agent.reflector.counts import CountsWriter, ReflectorCounts, SharedCounts, TwampCounts
from collectors.errors import REASONS
from collectors.stamp.control.admission import ConnectionRefusal
from collectors.stamp.control.connection import CloseReason
from collectors.stamp.control.server import ControlCounts
from collectors.stamp.control.sessions import SessionRefusal
from collectors.stamp.refusal import Refusal

REFUSED = dict.fromkeys(Refusal, 0) | {Refusal.LOOP: 3, Refusal.RATE: 2**40}
NOT_SENT = dict.fromkeys(REASONS, 0) | {"network_unreachable": 4}
STRANGERS = dict.fromkeys(ConnectionRefusal, 0) | {ConnectionRefusal.NOT_ALLOWED: 9}
NO_ROOM = dict.fromkeys(SessionRefusal, 0) | {SessionRefusal.NO_ROOM: 8}


@pytest.fixture
def shared() -> SharedCounts:
    return SharedCounts()


def test_until_the_child_answers_everything_is_there_at_zero(shared: SharedCounts) -> None:
    assert shared.read() == ReflectorCounts()
    assert not shared.answering
    assert set(shared.read().refused) == set(Refusal)
    assert set(shared.read().not_sent) == set(REASONS)


def test_what_is_written_is_read(shared: SharedCounts) -> None:
    writer = CountsWriter(shared.descriptor)
    writer.write(replies=2**53, sessions=7, dropped=1, refused=REFUSED, not_sent={"network_unreachable": 4})
    assert shared.answering
    assert shared.read() == ReflectorCounts(replies=2**53, sessions=7, dropped=1, refused=REFUSED, not_sent=NOT_SENT)


def test_twamp_and_test_packets_are_counted_apart(shared: SharedCounts) -> None:
    control = ControlCounts(
        connections=3,
        accepted=2**53,
        connections_refused=STRANGERS,
        connections_closed=dict.fromkeys(CloseReason, 1),
        sessions=4,
        sessions_accepted=5,
        sessions_refused=NO_ROOM,
    )
    writer = CountsWriter(shared.descriptor)
    writer.write_twamp(control)
    assert not shared.answering
    writer.write(replies=1, sessions=2, dropped=3, refused=REFUSED, not_sent=NOT_SENT)
    twamp = TwampCounts(
        connections_open=3, connections=2**53, sessions=5, connections_refused=STRANGERS, sessions_refused=NO_ROOM
    )
    assert shared.read() == ReflectorCounts(
        replies=1, sessions=2, dropped=3, refused=REFUSED, not_sent=NOT_SENT, twamp=twamp
    )


def test_what_a_process_wrote_is_read_after_its_death(shared: SharedCounts) -> None:
    program = (
        "import sys\n"
        "from agent.reflector.counts import CountsWriter, ReflectorCounts\n"
        "none = ReflectorCounts()\n"
        "writer = CountsWriter(int(sys.argv[1]))\n"
        "writer.write(replies=5, sessions=1, dropped=0, refused=none.refused, not_sent=none.not_sent)\n"
    )
    command = [sys.executable, "-c", program, str(shared.descriptor)]
    subprocess.run(command, pass_fds=(shared.descriptor,), check=True, timeout=30)
    shared.close()
    assert shared.read().replies == 5


def test_a_restart_takes_no_count_away_but_the_sessions() -> None:
    ended = ReflectorCounts(replies=10, sessions=4, dropped=1, refused=REFUSED, not_sent=NOT_SENT)
    begun = ReflectorCounts(replies=2, sessions=1, refused=dict.fromkeys(Refusal, 1))
    both = begun.after(ended)
    assert (both.replies, both.sessions, both.dropped) == (12, 1, 1)
    assert (both.refused[Refusal.LOOP], both.refused[Refusal.MALFORMED]) == (4, 1)
    assert both.not_sent == NOT_SENT


def test_a_restart_closes_connections_and_takes_no_count_of_twamp_away() -> None:
    ended = TwampCounts(connections_open=2, connections=7, sessions=3, connections_refused=STRANGERS)
    begun = TwampCounts(connections_open=1, connections=1, sessions=1, sessions_refused=NO_ROOM)
    both = ReflectorCounts(twamp=begun).after(ReflectorCounts(twamp=ended)).twamp
    assert (both.connections_open, both.connections, both.sessions) == (1, 8, 4)
    assert (both.connections_refused, both.sessions_refused) == (STRANGERS, NO_ROOM)


def test_memory_of_another_version_is_refused_with_a_remedy() -> None:
    other = os.memfd_create("other")
    os.ftruncate(other, 8)
    with pytest.raises(ValueError, match=r"another version: restart the agent$"):
        CountsWriter(other)
    os.close(other)


def test_a_descriptor_that_nobody_passed_is_refused() -> None:
    with pytest.raises(ValueError, match="999 is no open descriptor"):
        CountsWriter(999)
