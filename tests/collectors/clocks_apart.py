"""A path between two clocks whose offset is known, for the tests of what is estimated of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

S = 1_000_000_000
MS = 1_000_000
US = 1_000
EPOCH_NS = 1_768_478_400 * S

Queueing = Callable[[random.Random, float], float]
"""Draws how long a queue held a packet up, ns, at a time in seconds."""


def exponential(mean_ns: float) -> Queueing:
    return lambda chance, _: chance.expovariate(1 / mean_ns)


def gamma(shape: float, mean_ns: float) -> Queueing:
    return lambda chance, _: chance.gammavariate(shape, mean_ns / shape)


def bursts(mean_ns: float, every_s: float = 7.0) -> Queueing:
    """Every third stretch of time is twenty times as busy."""
    return lambda chance, at_s: chance.expovariate(1 / (mean_ns * (20 if int(at_s / every_s) % 3 == 0 else 1)))


@dataclass(frozen=True)
class Change:
    """From ``at_s`` on: the route's delays and either clock are this much more, the skew is another."""

    at_s: float
    forward_ns: int = 0
    backward_ns: int = 0
    reflector_ns: int = 0
    sender_ns: int = 0
    skew_ppm: float = 0.0


@dataclass(frozen=True)
class Packet:
    at_ns: int
    forward_ns: int
    backward_ns: int
    offset_ns: float
    """What it really was when the packet was sent."""


@dataclass(frozen=True)
class Apart:
    """A path, its queues, and two clocks; ``wall`` is the sender's clock, which its own steps move."""

    forward_ns: int = 10 * MS
    backward_ns: int = 10 * MS
    queue_forward: Queueing = field(default_factory=lambda: exponential(300 * US))
    queue_backward: Queueing = field(default_factory=lambda: exponential(300 * US))
    offset_ns: float = 0.0
    skew_ppm: float = 0.0
    per_s: float = 10.0
    seconds: float = 60.0
    loss: float = 0.0
    residence_ns: int = 50 * US
    changes: tuple[Change, ...] = ()

    def packets(self, chance: random.Random) -> Iterator[Packet]:
        for number in range(int(self.seconds * self.per_s)):
            at_s = (number + chance.random() / 20) / self.per_s
            if chance.random() >= self.loss:
                yield self._packet(chance, at_s)

    def _packet(self, chance: random.Random, at_s: float) -> Packet:
        forward_ns = self.forward_ns + self._sum(at_s, "forward_ns") + self.queue_forward(chance, at_s)
        backward_ns = self.backward_ns + self._sum(at_s, "backward_ns") + self.queue_backward(chance, at_s)
        arrives_s = at_s + forward_ns / S
        leaves_s = arrives_s + self.residence_ns / S
        back_s = leaves_s + backward_ns / S
        sent, received = self._sum(at_s, "sender_ns"), self._sum(back_s, "sender_ns")
        forward = forward_ns + self._reflector(arrives_s) - sent
        backward = backward_ns + received - self._reflector(leaves_s)
        return Packet(EPOCH_NS + int(at_s * S) + sent, round(forward), round(backward), self._reflector(at_s) - sent)

    def _sum(self, at_s: float, name: str) -> int:
        return sum(getattr(change, name) for change in self.changes if change.at_s <= at_s)

    def _reflector(self, at_s: float) -> float:
        """How far the reflector's clock is ahead of true time, which the sender's keeps but for its steps."""
        ahead = self.offset_ns + self.skew_ppm * at_s * US
        for change in self.changes:
            if change.at_s <= at_s:
                ahead += change.reflector_ns + change.skew_ppm * (at_s - change.at_s) * US
        return ahead
