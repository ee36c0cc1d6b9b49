"""Answers test packets on real sockets: the shell of :mod:`collectors.stamp.reflector`, in a blocking loop of its own.

It is a process apart, because its load is set by others. Residence time is taken off round-trip times, so what counts
is that T2 comes from the kernel: with a T2 of its own, taken when Python gets to run, a busy host's reflector adds
milliseconds to what its peers measure.
"""

from __future__ import annotations

import select
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from collectors.claim import ClockClaim, OwnClaim
from collectors.clock import Clock, ClockState
from collectors.stamp.batch import SLOT_SIZE, Batch
from collectors.stamp.dispatch import Dispatch
from collectors.stamp.listener import Listener
from collectors.stamp.reflector import Reflector
from collectors.stamp.reply import Reply
from collectors.stamp.timestamp import ErrorEstimate


class Companion(Protocol):
    """Something else that lives in a reflector's loop: descriptors in the same epoll that are not a listener's."""

    @property
    def next_deadline_ns(self) -> int | None:
        """When to call :meth:`expire` next, monotonic; ``None`` while there is nothing to wait for."""

    def ready(self, descriptor: int, now_ns: int) -> None:
        """Do what can be done without waiting on this descriptor."""

    def expire(self, now_ns: int) -> None:
        """Do what is due."""


class Server:
    """Answers what arrives at ``listeners`` until told to stop.

    ``ready`` is the epoll that it waits on; ``after_work`` is called whenever something was done.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        reflector: Reflector,
        *,
        clock: Clock,
        clock_state: Callable[[], ClockState],
        ready: select.epoll,
        companion: Companion | None = None,
        after_work: Callable[[], None] | None = None,
    ) -> None:
        self._listeners = {listener.socket.fileno(): listener for listener in listeners}
        self._batches = {version: Batch(version) for version in {listener.host.version for listener in listeners}}
        self._reflector = reflector
        self._dispatch = Dispatch(reflector, clock)
        self._clock = clock
        self._own_claim = OwnClaim(clock, clock_state=clock_state)
        self._claim: ClockClaim | None = None  # as replies tell it
        self._ready = ready
        self._companion = companion
        self._after_work = after_work

    @property
    def not_sent(self) -> Counter[str]:
        """How many replies the kernel refused, by reason."""
        return self._dispatch.not_sent

    @property
    def dropped(self) -> int:
        """How many datagrams found no room in the sockets' queues."""
        return sum(listener.dropped for listener in self._listeners.values())

    def run(self, stop: int) -> None:
        """Answer until the descriptor ``stop`` has something to read."""
        for descriptor in (stop, *self._listeners):
            self._ready.register(descriptor, select.EPOLLIN)
        while True:
            events = self._ready.poll(self._timeout_s())
            descriptors = [descriptor for descriptor, _ in events]
            if stop in descriptors:
                break
            self._check_clock()
            for descriptor, happened in events:
                self._serve(descriptor, happened)
            if self._companion is not None:
                self._keep_deadline(self._companion)
            if self._after_work is not None:
                self._after_work()
        for descriptor in (stop, *self._listeners):
            self._ready.unregister(descriptor)

    def _timeout_s(self) -> float | None:
        deadline_ns = None if self._companion is None else self._companion.next_deadline_ns
        return None if deadline_ns is None else max(deadline_ns - self._clock.monotonic_ns(), 0) / 1e9

    def _keep_deadline(self, companion: Companion) -> None:
        """Let the companion do what is due: not each time, for there is a time for every batch of test packets."""
        deadline_ns, now_ns = companion.next_deadline_ns, self._clock.monotonic_ns()
        if deadline_ns is not None and now_ns >= deadline_ns:
            companion.expire(now_ns)

    def _check_clock(self) -> None:
        """Say in replies what this host's clock is worth, which is asked only when there is somebody to tell."""
        claim = self._own_claim()
        if claim is not self._claim:
            self._claim = claim
            estimate = ErrorEstimate.from_clock(synchronised=claim.synchronised, error_ns=claim.error_ns)
            self._reflector.set_error_estimate(estimate)

    def _serve(self, descriptor: int, happened: int) -> None:
        listener = self._listeners.get(descriptor)
        if listener is None:
            assert self._companion is not None
            self._companion.ready(descriptor, self._clock.monotonic_ns())
            return
        if happened & select.EPOLLERR:
            self._note_departures(listener)
        self._answer_waiting(listener)

    def _answer_waiting(self, listener: Listener) -> None:
        """Answer what waits in a socket, up to a batch of it: about half a millisecond, so that others get a turn."""
        batch = self._batches[listener.host.version]
        try:
            received = batch.receive(listener.socket.fileno())
        except OSError:  # a pending ICMP error, told once: it concerns an answer that is on its way already
            return
        slots, replies = self._answers(listener, batch, received)
        self._dispatch.send(listener, batch, slots, replies)
        if listener.departures.waiting:
            self._note_departures(listener)  # they are mostly there already, and need not wake us up then

    def _answers(self, listener: Listener, batch: Batch, received: int) -> tuple[list[int], list[Reply]]:
        """Turn the requests in a batch into replies; return the slots of these, and them."""
        slots, replies = [], []
        answer, now_ns = self._reflector.answer, self._clock.monotonic_ns()
        layout, usual_control_size = listener.layout
        octets, control_of = batch.octets, listener.control
        for slot, (control_size, size), (peer,), usual_arrival in batch.datagrams(received, layout):
            arrival = usual_arrival
            if control_size != usual_control_size:
                arrival = listener.arrival(batch.control(slot, control_size), self._clock.wall_ns())
            reply = answer(octets, slot * SLOT_SIZE, size, peer, arrival, now_ns)
            if isinstance(reply, Reply):
                slots.append(slot)
                replies.append(reply)
                control = control_of(arrival[2], reply.dscp)
                if reply.wants_stamp:
                    control += listener.departures.ask(reply.session, reply.number)
                batch.set_reply(slot, reply.size, control)
        return slots, replies

    def _note_departures(self, listener: Listener) -> None:
        for session, number, stamp_ns in listener.departures.drain():
            self._reflector.left(session, number, stamp_ns)


@contextmanager
def termination() -> Iterator[int]:
    """Yield a descriptor that has something to read once SIGTERM or SIGINT came; for the main thread alone."""
    read_end, write_end = socket.socketpair()
    with read_end, write_end:
        write_end.setblocking(False)
        # The descriptor is what wakes the loop up; a handler must be there all the same, or the process would die.
        previous = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
        previous_descriptor = signal.set_wakeup_fd(write_end.fileno())
        try:
            yield read_end.fileno()
        finally:
            signal.set_wakeup_fd(previous_descriptor)
            for number, action in previous.items():
                signal.signal(number, action)
