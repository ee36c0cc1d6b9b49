"""A running stream: puts packets on the path's socket and hands on what becomes of them; kinds of probes plug in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Protocol

from collectors.ancillary import Datagram, IcmpError, TransmitStamp
from collectors.arrivals import Arrivals
from collectors.clock import Clock
from collectors.errors import CollectorError, refusal
from collectors.failure import failure_of, is_discarded
from collectors.intake import READ_AT_MOST
from collectors.path import Address, NetworkPath
from collectors.peer import DirectMeasurement, ReflectorFacts, RejectedAnswer, Rejection
from collectors.roundtrip import Answer, Departure, DepartureOf, Quote
from collectors.sample import ReceiveDrops
from collectors.sockets import StampedSocket, Watch
from collectors.stream import Stream, StreamEvent

SessionEvent = StreamEvent | IcmpError | RejectedAnswer | ReflectorFacts | DirectMeasurement | ReceiveDrops
Deliver = Callable[[Sequence[SessionEvent]], None]

LONGEST_WAIT_NS = 40_000_000
"""How long answers may wait for a slot: less than the least step of a clock that is told from a stall (50 ms)."""

# The socket is of no use any more after these: the interface or address may come back under the same name.
_REOPEN = ("interface_unavailable", "source_unavailable", "invalid")
_DRAINS_AT_MOST = 64  # all that a full receive buffer holds; a flood fills it again and again
_LOW_32_BITS = 0xFFFFFFFF
_TIMER_SLACK_S = 0.001  # uvloop's timers may fire up to a millisecond early
_LARGEST_THAT_WAITS = 2048  # octets, so that twenty answers take a part of the least receive buffer there is


class Sender(Protocol):
    """Asks with one kind of packet, and understands the answers; one for each session."""

    port: int
    """The far end's port; 0 where the protocol has none."""

    @property
    def facts(self) -> ReflectorFacts | None:
        """What is known of the far end: another object once anything of it changed, ``None`` while nothing is."""

    def open(self, path: NetworkPath, to: Address) -> StampedSocket:
        """Open the socket to ask ``to`` from; raise :class:`CollectorError` where that is refused."""

    def close(self) -> None:
        """Let go of whatever was opened beside that socket."""

    def request(self, sequence: int, wall_ns: int, monotonic_ns: int) -> bytes:
        """Build the packet with this number, which leaves when both clocks show this."""

    def answer(
        self, datagram: Datagram, *, wall_ns: int, monotonic_ns: int, departure_of: DepartureOf
    ) -> Answer | Rejection | None:
        """Understand a datagram that was read at these times, or say why not; ``None`` for what concerns others."""

    def quote(self, quoted: bytes, departure_of: DepartureOf) -> Quote | Rejection | None:
        """Tell which packet an ICMP error quotes, or say why it is none; ``None`` for what concerns others."""


class Session:
    """One probe on one path to one target, running.

    What becomes of the packets is handed to ``deliver``, some of it while :meth:`send` runs, the rest from the loop.
    A packet that cannot be sent settles as such with its reason; :attr:`trouble` says more.

    ``interval_ns`` is from one slot to the next. Up to :data:`LONGEST_WAIT_NS`, and where the kernel stamps what comes,
    answers wait in the socket for :meth:`collect`, which is called at slots. Else they are read as they come.
    """

    def __init__(
        self,
        sender: Sender,
        path: NetworkPath,
        *,
        timeout_ns: int,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        deliver: Deliver,
        interval_ns: int | None = None,
    ) -> None:
        self.path = path
        self.trouble: CollectorError | None = CollectorError("the target has no address yet", reason="unresolved")
        """Why packets are not sent at present."""
        self._sender = sender
        self._stream = Stream(timeout_ns=timeout_ns)
        self._clock = clock
        self._loop = loop
        self._deliver = deliver
        self._address: Address | None = None
        self._socket: StampedSocket | None = None
        self._dropped = 0  # as this socket told last
        self._watch: Watch | None = None  # none while answers wait for slots
        self._wants_slots = interval_ns is not None and interval_ns <= LONGEST_WAIT_NS
        self._arrivals = Arrivals()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self._facts: ReflectorFacts | None = None  # as they were told last
        self._restarts = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def aim(self, host: str) -> None:
        """Send to this address (a literal) from now on."""
        version = ip_address(host).version
        address: Address = (host, self._sender.port) if version == 4 else (host, self._sender.port, 0, 0)
        self.trouble = None
        if address != self._address:
            self._address = address
            self._close_socket()  # to another far end this is another session

    def aim_failed(self, error: CollectorError) -> None:
        """Go on without a new address: the last one stays in use, since outages are when names do not resolve."""
        if self._address is None:
            self.trouble = error

    def prepare(self) -> None:
        """Open the socket ahead of the first packet, so that this does not make the packet late."""
        try:
            self._open_socket()
        except CollectorError as error:
            self.trouble = error

    def send(self, slot: int, due_ns: int) -> None:
        """Send the packet of this slot, which was due at this monotonic time."""
        try:
            sock = self._socket or self._open_socket()
        except CollectorError as error:
            self._refuse(self._departure(slot, due_ns), error)
            return
        if self._watch is not None:  # else with the answers
            self._note_drops(sock)  # before it leaves: the answer may come while the kernel still sends
        stream, clock = self._stream, self._clock
        sequence = stream.next_sequence
        monotonic_ns, wall_ns = clock.monotonic_ns(), clock.wall_ns()
        request = self._sender.request(sequence, wall_ns, monotonic_ns)
        lateness_ns = monotonic_ns - due_ns if monotonic_ns > due_ns else 0
        departure = Departure(slot, wall_ns, monotonic_ns, lateness_ns, len(request))
        assert self._address is not None
        try:
            sock.send(request, self._address, sequence)
        except OSError as error:
            self._refuse(departure, self._refusal(sock, error))
            return
        self.trouble = None
        if sock.set_aside:  # an ICMP error may concern the only packet on its way, which this one is not yet
            self._take_all(sock.drain_error_queue())
        stream.sent(departure)
        self._idle.clear()
        if self._timer is None:  # else it is for an earlier deadline than this packet's
            self._arm()

    def disturbed(self, since_ns: int) -> None:
        """Note that this host was stalled from this monotonic time until now."""
        self._stream.disturbed(since_ns, self._clock.monotonic_ns())

    def collect(self) -> None:
        """Read the transmit stamps of what was just sent, and the answers that wait for this."""
        if self._socket is None:
            return
        if self._watch is not None:
            self._take_all(self._socket.drain_error_queue())
            return
        self._note_drops(self._socket)
        for _ in range(_DRAINS_AT_MOST):
            if self._drain() < READ_AT_MOST:
                break
        self._after_events()

    async def idle(self) -> None:
        """Wait until every packet is settled; while somebody waits, no further one is expected to be sent."""
        if self._watch is None:
            self.collect()  # what waits was not read late
        self._read_at_once()
        events = self._stream.ended()
        if events:
            self._deliver(events)
        self._after_events()
        await self._idle.wait()

    def close(self) -> None:
        """Stop listening; what is on its way stays unsettled."""
        self._let_go_of_socket()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _departure(self, slot: int, due_ns: int) -> Departure:
        monotonic_ns = self._clock.monotonic_ns()
        return Departure(
            slot=slot,
            wall_ns=self._clock.wall_ns(),
            monotonic_ns=monotonic_ns,
            lateness_ns=max(monotonic_ns - due_ns, 0),
        )

    def _refusal(self, sock: StampedSocket, error: OSError) -> CollectorError:
        """Say why a packet was refused: if what pins the socket is gone, opening another one tells more than that."""
        assert self._address is not None
        if not sock.is_on(self.path):
            self._close_socket()
            try:
                self._open_socket()
            except CollectorError as gone:
                return gone
        return refusal(f"path {self.path.name}: the kernel refused a packet to {self._address[0]}", error)

    def _refuse(self, departure: Departure, error: CollectorError) -> None:
        self.trouble = error
        if error.reason in _REOPEN:
            self._close_socket()
        self._deliver([self._stream.not_sent(departure, error.reason)])

    def _open_socket(self) -> StampedSocket:
        if self._address is None:
            raise self.trouble or CollectorError("the target has no address", reason="unresolved")
        if self._socket is None:
            sock = self._sender.open(self.path, self._address)
            try:
                self._watch = Watch(self._loop, sock, self._on_ready)  # until it is seen that answers are stamped
            except CollectorError:
                sock.close()
                self._sender.close()
                raise
            self._socket = sock
            events = self._stream.reopened()
            if events:
                self._deliver(events)
        return self._socket

    def _close_socket(self) -> None:
        if self._watch is None:
            self._drain()  # what waits for a slot came in time
        self._let_go_of_socket()

    def _let_go_of_socket(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        if self._socket is not None:
            self._note_drops(self._socket)
            self._socket.close()
            self._socket = None
            self._dropped = 0
            self._stream.unheard()
            self._sender.close()

    def _note_drops(self, sock: StampedSocket) -> None:
        dropped = sock.dropped
        if dropped == self._dropped:
            return
        count = (dropped - self._dropped) & _LOW_32_BITS
        self._dropped = dropped
        self._stream.dropped(count)
        self._deliver([ReceiveDrops(count=count)])

    def _on_ready(self) -> None:
        self._drain()
        self._after_events()

    def _read_at_slots(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _read_at_once(self) -> None:
        self._wants_slots = False
        if self._watch is None and self._socket is not None:
            with contextlib.suppress(CollectorError):  # no descriptor is left: slots and timeouts go on reading
                self._watch = Watch(self._loop, self._socket, self._on_ready)

    def _drain(self) -> int:
        """Take what waits in the socket, up to a bound, and return how many items that were."""
        if self._socket is None:
            return 0
        self._arrivals.reading(wall_ns=self._clock.wall_ns(), monotonic_ns=self._clock.monotonic_ns())
        return self._take_all(self._socket.drain())

    def _take_all(self, items: Iterable[TransmitStamp | IcmpError | Datagram]) -> int:
        taken = 0
        events: list[SessionEvent] = []
        for item in items:
            taken += 1
            if isinstance(item, Datagram):
                events += self._take_datagram(item)
            elif isinstance(item, TransmitStamp):
                events += self._stream.transmitted(*item)
            else:
                events += self._take_error(item)
        events += self._news()
        if events:
            self._deliver(events)
        return taken

    def _take_datagram(self, datagram: Datagram) -> Sequence[SessionEvent]:
        stamp_ns = datagram.stamp_ns
        if self._watch is None and stamp_ns is not None:
            wall_ns, monotonic_ns = self._arrivals.arrived(stamp_ns)
        else:
            wall_ns, monotonic_ns = self._times_of_reading(datagram)
        answer = self._sender.answer(
            datagram, wall_ns=wall_ns, monotonic_ns=monotonic_ns, departure_of=self._stream.departure
        )
        if not isinstance(answer, Answer):
            return [] if answer is None else [RejectedAnswer(reason=answer, source=datagram.source[0])]
        settled = self._stream.answered(answer)
        if not isinstance(settled, list):
            return [RejectedAnswer(reason=settled, source=datagram.source[0])]
        return settled if answer.direct_measurement is None else [*settled, answer.direct_measurement]

    def _take_error(self, error: IcmpError) -> Sequence[SessionEvent]:
        quote = self._sender.quote(error.quoted, self._stream.departure)
        if quote is None or not is_discarded(error):
            return []
        if isinstance(quote, Rejection):  # the packet of a port that was given anew, or one that did not leave at all
            return [error]
        reason = failure_of(error.errno, error, version=error.version)
        return [error, *self._stream.failed(quote, reason, error.offender)]

    def _times_of_reading(self, datagram: Datagram) -> tuple[int, int]:
        """Return what both clocks show, and decide by this datagram whether further ones can wait for slots."""
        stamp_ns = datagram.stamp_ns
        wall_ns, monotonic_ns = self._clock.wall_ns(), self._clock.monotonic_ns()
        if stamp_ns is None and self._watch is None:  # how long it waited, nobody can tell
            self._stream.disturbed(0, monotonic_ns)
            self._read_at_once()
        elif stamp_ns is not None and self._wants_slots and len(datagram.data) <= _LARGEST_THAT_WAITS:
            self._read_at_slots()
        return wall_ns, monotonic_ns

    def _news(self) -> Sequence[ReflectorFacts]:
        """Return what is known of the far end, where that is not what was told last."""
        facts, restarts = self._sender.facts, self._stream.restarts
        if facts is None or (facts is self._facts and restarts == self._restarts):
            return ()
        self._facts, self._restarts = facts, restarts
        return (replace(facts, restarts=restarts),)

    def _arm(self) -> None:
        """Have one timer for the earliest deadline.

        Mostly that is the oldest packet's timeout, and those behind it have later ones; an answer that waits for its
        transmit stamp is due sooner.
        """
        deadline_ns = self._stream.next_deadline_ns
        if deadline_ns is None or (self._timer is not None and self._timer_ns <= deadline_ns):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ns = deadline_ns
        delay_s = (deadline_ns - self._clock.monotonic_ns()) / 1e9
        self._timer = self._loop.call_later(max(delay_s, 0) + _TIMER_SLACK_S, self._on_deadline)

    def _on_deadline(self) -> None:
        self._timer = None
        for _ in range(_DRAINS_AT_MOST):  # an answer that waits in the socket may have come in time
            if not self._drain():
                break
        if self._socket is not None:
            self._note_drops(self._socket)
        now_ns = self._clock.monotonic_ns()
        if self._socket is not None and self._stream.is_overdue(now_ns) and not self._socket.is_on(self.path):
            self._close_socket()
        events = [*self._stream.expire(now_ns), *self._news()]
        if events:
            self._deliver(events)
        self._after_events()

    def _after_events(self) -> None:
        if self._stream.outstanding:
            self._arm()
        else:
            self._idle.set()
