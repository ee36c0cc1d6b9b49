"""The sink that compares two paths as long as the service runs: each comparison of the plan, at each target."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from agent.compare.continuous import ContinuousComparison
from agent.compare.judge import WINDOW
from agent.history.files import FILE
from agent.history.judged import JudgedBlock, judged_blocks
from agent.history.opening import HistoryError
from agent.plan import ComparisonPlan, Probe
from agent.sink import StreamKey
from collectors.sample import Sample
from collectors.session import Deliver, SessionEvent

_log = logging.getLogger(__name__)

Compared = tuple[str, str, str, str]
"""Names: of the probe, the target, the baseline and the candidate."""


class Comparisons:
    """Hands packets of compared paths to their comparisons; everything else is none of its business.

    ``keep`` takes each block of time as it is judged.
    """

    def __init__(
        self,
        plans: Iterable[ComparisonPlan],
        probes: Iterable[Probe],
        *,
        keep: Callable[[JudgedBlock], None] = lambda _: None,
    ) -> None:
        self._keep = keep
        named = {probe.name: probe for probe in probes}
        self.running: dict[Compared, ContinuousComparison] = {
            (plan.probe, target.name, plan.baseline, plan.candidate): ContinuousComparison(
                interval_ns=named[plan.probe].interval_ns,
                timeout_ns=named[plan.probe].timeout_ns,
                margin_ns=plan.margin_ns,
                keep=self._keeper((plan.probe, target.name, plan.baseline, plan.candidate)),
            )
            for plan in plans
            if plan.probe in named  # those of throughput are probes too, but send no packets in slots
            for target in named[plan.probe].targets
        }

    def _keeper(self, compared: Compared) -> Callable[[Mapping[str, float]], None]:
        probe, target, baseline, candidate = compared

        def keep(differences: Mapping[str, float]) -> None:
            block = JudgedBlock(
                probe=probe,
                target=target,
                baseline=baseline,
                candidate=candidate,
                block_ns=self.running[compared].block_ns,
                differences=differences,
            )
            self._keep(block)

        return keep

    async def go_on_from(self, directory: Path) -> None:
        """Go on from the blocks of the last day that the history in ``directory`` kept, if there is one."""
        if not self.running:
            return
        now_ns = time.time_ns()
        longest_ns = max(comparison.block_ns for comparison in self.running.values())
        found = await _read(directory, now_ns - WINDOW * longest_ns, now_ns)
        for compared, comparison in self.running.items():
            blocks = [one.differences for one in found if _is_of(one, compared, comparison)]
            comparison.go_on(blocks)
            if blocks:
                probe, target, baseline, candidate = compared
                words = "%s to %s, %s against %s: the comparison goes on from %d blocks of the history"
                _log.info(words, probe, target, candidate, baseline, len(blocks))

    def opened(self, key: StreamKey) -> Deliver:
        """Return what gives the stream's settled packets to the comparisons that it is a side of."""
        takers = [
            _taker(comparison, (baseline, candidate).index(key.path))
            for (probe, target, baseline, candidate), comparison in self.running.items()
            if (probe, target) == (key.probe, key.target) and key.path in (baseline, candidate)
        ]

        def deliver(events: Sequence[SessionEvent]) -> None:
            for event in events:
                if isinstance(event, Sample) and event.outcome.settles:
                    for take in takers:
                        take(event)

        return deliver if takers else _ignore

    def closed(self, key: StreamKey) -> None:
        """Know nothing of it: without packets on both sides there are no pairs."""

    def slots_missed(self, probe: str, target: str, count: int) -> None:
        """Know nothing of it: a slot without packets is no pair."""

    def lagged(self, lag_ns: int) -> None:
        """Know nothing of it: samples say by themselves that they are noisy."""

    def suspended(self, duration_ns: int) -> None:
        """Know nothing of it, as above."""

    def resolved(self, key: StreamKey, address: str | None) -> None:
        """Know nothing of addresses."""


def _is_of(block: JudgedBlock, compared: Compared, comparison: ContinuousComparison) -> bool:
    names = (block.probe, block.target, block.baseline, block.candidate)
    return names == compared and block.block_ns == comparison.block_ns


async def _read(directory: Path, since_ns: int, until_ns: int) -> Sequence[JudgedBlock]:
    """Read in a thread that nothing waits for at the end: a disk may not answer."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Sequence[JudgedBlock]] = loop.create_future()

    def set_result(blocks: Sequence[JudgedBlock]) -> None:
        if not found.done():
            found.set_result(blocks)

    def read() -> None:
        blocks = _blocks_of(directory, since_ns, until_ns)
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(set_result, blocks)

    threading.Thread(target=read, name="comparisons", daemon=True).start()
    return await found


def _blocks_of(directory: Path, since_ns: int, until_ns: int) -> Sequence[JudgedBlock]:
    if not (directory / FILE).exists():
        return ()
    try:
        return judged_blocks(directory, since_ns=since_ns, until_ns=until_ns)
    except (HistoryError, sqlite3.Error, OSError) as error:
        _log.warning("comparisons begin anew, without the history: %s", error)
        return ()


def _taker(comparison: ContinuousComparison, side: int) -> Callable[[Sample], None]:
    def take(sample: Sample) -> None:
        comparison.take(side, sample)

    return take


def _ignore(events: Sequence[SessionEvent]) -> None:
    """Take what no comparison wants."""
