"""Who is compared: the one place that knows all tools, in the order in which they are shown."""

from __future__ import annotations

from benchmarks.peers.eragent import ICMP, STAMP, STAMP_PLAIN
from benchmarks.peers.fping import FPING
from benchmarks.peers.gufo import GUFO
from benchmarks.peers.irtt import IRTT
from benchmarks.peers.ping import PING
from benchmarks.peers.smokeping import SMOKEPING

TOOLS = (ICMP, STAMP, STAMP_PLAIN, PING, FPING, IRTT, SMOKEPING, GUFO)
