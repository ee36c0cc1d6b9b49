"""The sessions of a reflector: who may have one, how many there are, how much each source may send. No I/O, no clock.

A session is a sender's address and port and the address that it asked. Where the reflector serves named sessions only,
the SSID is part of it too; elsewhere it is not, because in the packets of TWAMP-Light the same octets are padding.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from weakref import WeakValueDictionary

from collectors.ancillary import host_and_port
from collectors.path import IPNetwork
from collectors.stamp.refusal import Refusal
from collectors.stamp.replay import ReplayWindow

LOOPBACK: tuple[IPNetwork, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
"""Who is answered where nobody is named."""

IDLE_NS = 900 * 1_000_000_000
"""A session that was silent for so long is over (REFWAIT of RFC 5357, section 3.1)."""
PROTECTED_NS = 60 * 1_000_000_000
"""A session that was heard of within this time is not forgotten for a new one's sake."""
FRESH_NS = 1_000_000_000
"""A session that was heard of within this time is not noted as heard of again, which would cost every packet."""
MAX_SESSIONS = 16_384
PACKETS_PER_SECOND = 10_000
"""How many packets of one source address are answered: ten paths at 1,000 packets a second."""

SessionKey = tuple[bytes, bytes]
"""The sender's socket address as the kernel has it, and the address that it asked."""


@dataclass(slots=True, weakref_slot=True)
class TokenBucket:
    """Lets through a packet each ``interval_ns`` on average, and one second's worth at once.

    A second, because what waited in the socket while this process did not run arrives together. It is kept as the
    time at which the bucket is full again, the generic cell rate algorithm: one number, no rounding.
    """

    interval_ns: int
    full_at_ns: int = 0


@dataclass(slots=True)
class Session:
    """What is kept of a session.

    ``key`` names it in the table; ``bucket`` is its source's; ``heard_ns`` when it was last answered (monotonic, a
    second more or less); ``needs_care`` whether its packets differ from the usual; ``received`` and ``replies`` its
    packets and answers so far; ``previous`` the number of its latest stamped answer, and when that left (wall, ns);
    ``takes_bundles`` whether several of its answers may be sent as one.
    """

    key: SessionKey
    bucket: TokenBucket
    heard_ns: int
    needs_care: bool
    received: int = 0
    replies: int = 0
    previous: tuple[int, int] | None = None
    window: ReplayWindow | None = None
    takes_bundles: bool = True

    def admits(self, now_ns: int) -> bool:
        """Count a packet, and say whether its source may have it answered."""
        self.received += 1
        bucket = self.bucket
        full_at_ns = bucket.full_at_ns
        if full_at_ns < now_ns:
            full_at_ns = now_ns
        full_at_ns += bucket.interval_ns
        if full_at_ns - now_ns > 1_000_000_000:
            return False
        bucket.full_at_ns = full_at_ns
        return True


class SessionTable:
    """A bounded number of sessions, the longest silent first in :attr:`sessions`. ``need_care``: all of them do."""

    def __init__(
        self,
        *,
        networks: Sequence[IPNetwork],
        reflector_ports: frozenset[int],
        packets_per_second: int,
        max_sessions: int,
        need_care: bool = False,
    ) -> None:
        self.sessions: OrderedDict[SessionKey, Session] = OrderedDict()
        self._networks = tuple(
            (network.max_prefixlen // 8, int(network.netmask), int(network.network_address)) for network in networks
        )
        self._reflector_ports = reflector_ports
        self._interval_ns = 1_000_000_000 // packets_per_second
        self._max_sessions = max_sessions
        self._need_care = need_care
        self._buckets: WeakValueDictionary[bytes, TokenBucket] = WeakValueDictionary()  # live as long as their sessions

    def refusal(self, peer: bytes, destination: bytes) -> Refusal | None:
        """Say why a source may have no session; ``None`` where it may.

        ``peer`` is its socket address; ``destination`` what it asked: 16 octets for IPv6; for IPv4 the local address
        and the one in the packet's header, which differ for a broadcast.
        """
        host, port = host_and_port(peer)
        if _is_group(destination) or _is_group(host) or not any(host) or not port:
            return Refusal.NOT_UNICAST
        if not self._is_allowed(host):
            return Refusal.NOT_ALLOWED
        return Refusal.LOOP if port in self._reflector_ports else None

    def begin(self, key: SessionKey, now_ns: int) -> Session | None:
        """Begin a session anew; ``None`` where there is no room for it."""
        self.forget(key)
        if not self._make_room(now_ns):
            return None
        session = self.sessions[key] = self.new_session(key, now_ns)
        return session

    def new_session(self, key: SessionKey, now_ns: int) -> Session:
        """Return a session that is not in the table, though it shares what its source may send."""
        host, _ = host_and_port(key[0])
        bucket = self._buckets.get(host)
        if bucket is None:
            bucket = self._buckets[host] = TokenBucket(self._interval_ns)
        return Session(key, bucket, now_ns, self._need_care)

    def forget(self, key: SessionKey) -> None:
        """Take a session out of the table if it is there."""
        self.sessions.pop(key, None)

    def _is_allowed(self, host: bytes) -> bool:
        number, size = int.from_bytes(host, "big"), len(host)
        return any(size == width and number & mask == network for width, mask, network in self._networks)

    def _make_room(self, now_ns: int) -> bool:
        """Forget the sessions that are over; in a full table, the longest silent one, unless it may still be in use."""
        while self.sessions:
            key, session = next(iter(self.sessions.items()))
            silent_ns = now_ns - session.heard_ns
            if silent_ns <= IDLE_NS and len(self.sessions) < self._max_sessions:
                return True
            if silent_ns <= PROTECTED_NS + FRESH_NS:
                return False
            del self.sessions[key]
        return True


def _is_group(address: bytes) -> bool:
    """Whether packets to this address go to many hosts."""
    if len(address) == 16:
        return address[0] == 0xFF
    return address[:4] != address[-4:] or 224 <= address[0] < 240 or address[:4] == b"\xff\xff\xff\xff"
