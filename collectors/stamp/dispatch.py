"""Sends a reflector's replies with as few system calls as their times of sending allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from collectors.clock import Clock
from collectors.errors import reason_of
from collectors.stamp.batch import SLOT_SIZE, Batch, runs
from collectors.stamp.listener import Listener
from collectors.stamp.reflector import Reflector
from collectors.stamp.reply import SENT_TIME_AT, Reply, write_sent_time
from collectors.stamp.timestamp import ntp_bits

_SENT_AT_ONCE = 8
_LEAST_BUNDLE = 4
_LONGEST_IN_BUNDLE = 900  # octets: a full batch of them is one datagram, and each passes any network in one piece


class Dispatch:
    """Writes T3 into replies and sends them. ``not_sent`` counts those that the kernel refused, by reason."""

    def __init__(self, reflector: Reflector, clock: Clock) -> None:
        self.not_sent: Counter[str] = Counter()
        self._reflector = reflector
        self._clock = clock

    def send(self, listener: Listener, batch: Batch, slots: Sequence[int], replies: Sequence[Reply]) -> None:
        """Send the replies that lie in these slots of a batch, in bundles where many go the same way."""
        at = 0
        for first, number in runs(slots):
            self._send_run(listener, batch, first, replies[at : at + number])
            at += number

    def _send_run(self, listener: Listener, batch: Batch, first: int, replies: Sequence[Reply]) -> None:
        for begin, end, alike in stretches(replies):
            stretch, slot = replies[begin:end], first + begin
            if not (alike and self._send_bundle(listener, batch, slot, stretch)):
                self._send_each(listener, batch, slot, stretch)

    def _send_bundle(self, listener: Listener, batch: Batch, first: int, replies: Sequence[Reply]) -> bool:
        """Send a session's replies as one; return whether the kernel does that, which it is not asked again if not."""
        session = replies[0].session
        if not (listener.bundles and session.takes_bundles):
            return False
        self._write_sent_time(batch, first, replies)
        try:
            batch.send_bundle(listener.socket.fileno(), first, len(replies))
        except OSError:  # its way leads through IPsec, or there is none: one by one they will tell
            session.takes_bundles = False
        return session.takes_bundles

    def _send_each(self, listener: Listener, batch: Batch, first: int, replies: Sequence[Reply]) -> None:
        """Send replies one after the other, a few with one system call.

        They share a T3, which must not be ahead of the departure: a round trip would seem shorter than it was. How long
        the kernel takes for each is not known beforehand, 3 µs or 50, so of 64 the last would be 200 µs late. With 8 at
        a time that is 25 µs, for 5 % more work.
        """
        while replies:
            some = replies[:_SENT_AT_ONCE]
            self._write_sent_time(batch, first, some)
            try:
                sent = batch.send(listener.socket.fileno(), first, len(some))
            except OSError as error:
                self.not_sent[reason_of(error)] += 1
                self._reflector.unsent(replies[0])
                listener.departures.doubt()
                sent = 1
            first, replies = first + sent, replies[sent:]

    def _write_sent_time(self, batch: Batch, first: int, replies: Sequence[Reply]) -> None:
        """Write T3 with nothing left to do but the system call: ten calls of Python in between were 11 µs."""
        octets, at = batch.octets, first * SLOT_SIZE
        sent_ns = self._clock.wall_ns()
        bits = ntp_bits(sent_ns)
        for reply in replies:
            finish = reply.finish
            if finish is None:
                write_sent_time(octets, at + SENT_TIME_AT, bits)
            else:
                finish(octets, at, sent_ns)
            at += SLOT_SIZE


def stretches(replies: Sequence[Reply]) -> Iterator[tuple[int, int, bool]]:
    """Yield where each stretch begins and ends, and whether all its replies are alike: as long, and to one sender.

    Those that are to be stamped are apart, each with an id of its own.
    """
    loose = begin = 0
    for end in range(1, len(replies) + 1):
        size, dscp, session, _, _, wants_stamp = replies[begin]
        if end < len(replies):
            other = replies[end]
            if other.session is session and (other.size, other.dscp, other.wants_stamp) == (size, dscp, wants_stamp):
                continue
        if end - begin >= _LEAST_BUNDLE and size <= _LONGEST_IN_BUNDLE and not wants_stamp:
            if loose < begin:
                yield loose, begin, False
            yield begin, end, True
            loose = end
        begin = end
    if loose < len(replies):
        yield loose, len(replies), False
