"""Puts together what answers in this process: a reflector on its sockets, and TWAMP-Control beside it where wanted."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address

from agent.plan import ReflectorPlan, SocketAddress
from agent.reflector.counts import CountsWriter
from collectors.clock import Clock, SystemClock, kernel_clock_state
from collectors.path import IPNetwork
from collectors.stamp.authentication import Key
from collectors.stamp.control.server import ControlCounts, ControlServer
from collectors.stamp.control.sockets import open_control_listeners
from collectors.stamp.listener import open_listeners
from collectors.stamp.reflector import Reflector
from collectors.stamp.server import Server
from collectors.stamp.table import LOOPBACK


class Control:
    """TWAMP-Control in a reflector's loop, at the addresses ``listen``.

    With a ``writer``, its counts are shown after whatever it did. To collect them takes 13 µs, too much to do it after
    each batch of test packets, as for those of the reflector.
    """

    def __init__(self, server: ControlServer, listen: Sequence[SocketAddress], writer: CountsWriter | None) -> None:
        self.listen = listen
        self._server = server
        self._writer = writer

    @property
    def counts(self) -> ControlCounts:
        """What was counted so far."""
        return self._server.counts

    @property
    def next_deadline_ns(self) -> int | None:
        """When to call :meth:`expire` next, monotonic; ``None`` while there is nothing to wait for."""
        return self._server.next_deadline_ns

    def ready(self, descriptor: int, now_ns: int) -> None:
        """Do what can be done without waiting on a descriptor."""
        self._server.ready(descriptor, now_ns)
        self._show()

    def expire(self, now_ns: int) -> None:
        """Do what is due."""
        self._server.expire(now_ns)
        self._show()

    def close(self, now_ns: int) -> None:
        """End all sessions and close all sockets."""
        self._server.close(now_ns)

    def _show(self) -> None:
        if self._writer is not None:
            self._writer.write_twamp(self.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """What answers, where, and whom; ``control`` is ``None`` where TWAMP-Control is not served."""

    listen: Sequence[SocketAddress]
    networks: Sequence[IPNetwork]
    reflector: Reflector
    server: Server
    control: Control | None


@contextmanager
def answering(
    plan: ReflectorPlan, *, key: Key | None, ready: select.epoll, writer: CountsWriter | None
) -> Iterator[Answering]:
    """Open the sockets that the plan asks for, and close them at the end; the server's ``run`` answers.

    The plan's key is not read here. The server waits on ``ready``, and shows ``writer`` what was counted. Raise
    :class:`collectors.errors.CollectorError` where the kernel refuses a socket.
    """
    clock, networks = SystemClock(), plan.allow or LOOPBACK
    with ExitStack() as opened:
        listeners = open_listeners(ip_address(plan.listen.host), plan.listen.port)
        for listener in listeners:
            opened.enter_context(listener.socket)
        reflector = _reflector(plan, key, port=listeners[0].port)
        control = None
        if plan.twamp is not None:
            control = _control(plan.twamp, networks, reflector, ready, clock, writer)
            opened.callback(lambda served: served.close(clock.monotonic_ns()), control)

        def show_counts() -> None:
            if writer is not None:
                _show(writer, reflector, server)

        server = Server(
            listeners,
            reflector,
            clock=clock,
            clock_state=kernel_clock_state,
            ready=ready,
            companion=control,
            after_work=show_counts,
        )
        show_counts()  # zeros, which say that it answers
        yield Answering(
            listen=_addresses(listener.socket for listener in listeners),
            networks=networks,
            reflector=reflector,
            server=server,
            control=control,
        )


def _reflector(plan: ReflectorPlan, key: Key | None, *, port: int) -> Reflector:
    return Reflector(
        port=port,
        allow=plan.allow,
        packets_per_second=plan.packets_per_second,
        max_sessions=plan.max_sessions,
        key=key,
        ssids=plan.ssids,
        max_provided=plan.twamp_max_sessions,
    )


def _control(
    address: SocketAddress,
    networks: Sequence[IPNetwork],
    reflector: Reflector,
    ready: select.epoll,
    clock: Clock,
    writer: CountsWriter | None,
) -> Control:
    listeners = open_control_listeners(ip_address(address.host), address.port)
    listen = _addresses(listeners)
    return Control(ControlServer(listeners, ready, reflector.provided, allow=networks, clock=clock), listen, writer)


def _addresses(sockets: Iterable[socket.socket]) -> list[SocketAddress]:
    return [SocketAddress(host=sock.getsockname()[0], port=sock.getsockname()[1]) for sock in sockets]


def _show(writer: CountsWriter, reflector: Reflector, server: Server) -> None:
    writer.write(
        replies=reflector.counts.replies,
        sessions=reflector.sessions,
        dropped=server.dropped,
        refused=reflector.counts.refused,
        not_sent=server.not_sent,
    )
