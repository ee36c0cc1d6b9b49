"""Measures how many packets ``eragent reflect`` answers on one core, beside irtt's server, and what a session takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.figure import Figure, NotRun
from benchmarks.load import Answered, highest_kept_up
from benchmarks.processes import resident_octets
from benchmarks.servers import OURS, Contender, ask, echoes, eragent, irtt, reflector

ROUNDS = 3
SECONDS = 2
STEP_SECONDS = 1
SESSIONS = 1_000
PEERS = 10_000
_REPLIES_PER_SECOND = 100_000
_TABLE_MIB = 20
_MIB = 1 << 20
_STEPS = (0.5, 0.6, 0.7, 0.8, 0.85, *(0.9 + 0.05 * number for number in range(12)))  # of what saturation gave


def run() -> Iterator[Figure]:
    """Compare all contenders saturated, in turn; then look for the highest load that a server takes without a loss."""
    ours, peers = eragent(), list(irtt())
    with TemporaryDirectory() as directory:
        contenders = [ours, *peers, *echoes(Path(directory))]
        rounds = _rounds(contenders)
    for contender in contenders:
        yield from _saturated(contender, rounds[contender.name])
    for peer in peers:
        yield from _ratios(rounds[ours.name], rounds[peer.name], peer.name)
    if not peers:
        yield Figure(name="beside irtt server: not run: needs irtt: apt install irtt", value=None)
    for contender in (ours, *peers):
        yield from _kept_up(contender, rounds[contender.name])
    yield from _many_sessions(ours)
    yield from _table()


def _rounds(contenders: Iterable[Contender]) -> dict[str, list[Answered]]:
    """Ask each as fast as the generator can, one after the other and so again, so that the host's moods hit all."""
    rounds: dict[str, list[Answered]] = {contender.name: [] for contender in contenders}
    for _ in range(ROUNDS):
        for contender in contenders:
            with contender.start() as server:
                rounds[contender.name].append(ask(server, contender.protocol, seconds=SECONDS))
    return rounds


def _saturated(contender: Contender, rounds: Sequence[Answered]) -> Iterator[Figure]:
    is_ours = contender.name == OURS
    name = f"{contender.name}, saturated"
    least = _REPLIES_PER_SECOND if is_ours else None
    yield Figure(name=f"{name}: replies", value=_replies(rounds), unit="/s", at_least=least)
    lost = sum(answered.own_loss for answered in rounds)
    yield Figure(name=f"{name}: own loss", value=lost, at_most=0 if is_ours else None)
    yield Figure(name=f"{name}: CPU of a reply", value=median(answered.cpu_us for answered in rounds), unit="µs")
    offered = median(answered.load.offered_per_second for answered in rounds)
    yield Figure(name=f"{name}: requests offered", value=offered, unit="/s")


def _replies(rounds: Iterable[Answered]) -> float:
    return median(answered.load.replies_per_second for answered in rounds)


def _ratios(ours: Sequence[Answered], theirs: Sequence[Answered], peer: str) -> Iterator[Figure]:
    """Compare round by round; CPU times tell the same where others take a part of the core."""
    pairs = list(zip(ours, theirs, strict=True))
    replies = median(_replies([one]) / _replies([other]) for one, other in pairs)
    cpu = median(one.cpu_us / other.cpu_us for one, other in pairs)
    yield Figure(name=f"{OURS}, saturated: replies, times those of {peer}", value=replies, at_least=1)
    yield Figure(name=f"{OURS}, saturated: CPU of a reply, times that of {peer}", value=cpu)


def _kept_up(contender: Contender, rounds: Sequence[Answered]) -> Iterator[Figure]:
    saturated = _replies(rounds)
    with contender.start() as server:
        highest = highest_kept_up(
            lambda rate: ask(server, contender.protocol, seconds=STEP_SECONDS, rate=rate),
            (saturated * step for step in _STEPS),
        )
    yield Figure(
        name=f"{contender.name}: highest load answered without any loss",
        value=None if highest is None else highest.load.replies_per_second,
        unit="/s",
    )


def _many_sessions(ours: Contender) -> Iterator[Figure]:
    """Each session from its own address, in turn: nothing of the last packet's session is at hand for the next."""
    with ours.start() as server:
        answered = ask(server, ours.protocol, seconds=SECONDS, options=["--sessions", str(SESSIONS)])
    name = f"{ours.name}, saturated by {SESSIONS} sessions"
    yield Figure(name=f"{name}: replies", value=answered.load.replies_per_second, unit="/s")
    yield Figure(name=f"{name}: own loss", value=answered.own_loss, at_most=0)


def _table() -> Iterator[Figure]:
    """Each peer has its own address, and so its own limit too: the most that a session can take."""
    with reflector() as server:
        ask(server, "stamp", seconds=1, rate=2 * PEERS)  # what the first packets of all take
        before = resident_octets(server.pid)
        answered = ask(server, "stamp", seconds=1, rate=2 * PEERS, options=["--sessions", str(PEERS)])
        after = resident_octets(server.pid)
    if answered.load.replies < PEERS:
        raise NotRun(f"only {answered.load.replies} of {answered.load.sent} packets of {PEERS} peers were answered")
    value = (after - before) / _MIB
    yield Figure(name=f"session table of {PEERS} peers", value=value, unit="MiB", at_most=_TABLE_MIB)
    yield Figure(name="resident size of the reflector before", value=before / _MIB, unit="MiB")
