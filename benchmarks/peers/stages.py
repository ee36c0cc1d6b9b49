"""Runs the tools of a comparison, one at a time: for their accuracy, their lateness, their cost, their own losses."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from shutil import which
from statistics import median_high
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TypeVar

from benchmarks.figure import NotRun
from benchmarks.peers import eragent
from benchmarks.peers.evaluate import Captured, accuracy
from benchmarks.peers.results import Accuracy, AccuracyRun, Cost, CostRun, Lateness, LatenessRun, Loss, LossRun
from benchmarks.peers.tool import Asked, Tool, UnreadableError
from benchmarks.processes import cpu_seconds, hogs, output_of, running
from benchmarks.tap import tapped
from benchmarks.wire import NEAR_INTERFACE, Wire, routed

FIFO = ("chrt", "--fifo", "40")
BARE_LOOP = "clock_nanosleep in C"
_BARE_LOOP_SOURCE = Path(__file__).parents[1] / "nanosleep.c"
_STDERR_TOO = ("sh", "-c", 'exec "$@" 2>&1', "sh")
_FETCH = "import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1]).read())"
_LONGER_S = 60.0  # a tool may need so much more than it was asked for
_START_S = 2.0
_COST_INTERVAL_S = 0.001
_TURNS = 5
_MOST_OF_A_STREAM = 1000  # packets a second
_LONGEST_REASON = 200

_Found = TypeVar("_Found")


def measure_accuracy(tool: Tool, *, busy: bool, interval_s: float, seconds: float) -> AccuracyRun:
    """Run a tool between captures, with or without a busy loop on every core."""

    def measure() -> Accuracy:
        with routed() as wire, tool.server(wire), TemporaryDirectory() as directory:
            asked = Asked(target=wire.target, interval_s=interval_s, seconds=seconds)
            with tapped(wire, Path(directory), udp_port=tool.udp_port) as tap, _load(seconds, busy=busy):
                printed = _printed(tool, wire, asked)
            near, far = tap.passages(tool.dialect)
            captured = Captured(near=near, router=tap.at_router(tool.dialect), far=far)
            return accuracy(tool, tool.parse(printed), captured, asked)

    found, reason = _attempt(measure, tool)
    return AccuracyRun(tool=tool.name, busy=busy, found=found, not_run=reason)


def measure_lateness(*, busy: bool, fifo: bool, interval_s: float, seconds: float) -> list[LatenessRun]:
    """Let a bare loop in C and eragent wait for slots, in turn; no captures disturb them.

    Hosts have their moments, so all take several turns; their medians are what is kept, and of the largest the largest.
    """
    policy, turn_s = FIFO if fifo else (), seconds / _TURNS
    programs: dict[str, Callable[[], Lateness]] = {
        BARE_LOOP: partial(_bare_loop, policy, interval_s, turn_s),
        eragent.ICMP.name: partial(_lateness, eragent.ICMP, policy, interval_s, turn_s),
        eragent.STAMP.name: partial(_lateness, eragent.STAMP, policy, interval_s, turn_s),
    }
    turns: dict[str, list[Lateness]] = {program: [] for program in programs}
    reasons: dict[str, str] = {}
    with _load(2 * len(programs) * seconds, busy=busy):
        for _ in range(_TURNS):
            for program, measure in programs.items():
                found, reason = _attempt(measure)
                if found is None:
                    reasons[program] = reason or "no reason is known"
                else:
                    turns[program].append(found)
    return [
        LatenessRun(
            program=program,
            busy=busy,
            fifo=fifo,
            found=None if program in reasons else merged(turns[program]),
            not_run=reasons.get(program),
        )
        for program in programs
    ]


def merged(turns: Sequence[Lateness]) -> Lateness:
    """Merge turns of one program: medians of the percentiles, the largest of all, the sum of missed slots."""
    return Lateness(
        p50=median_high(turn.p50 for turn in turns),
        p99=median_high(turn.p99 for turn in turns),
        max=max(turn.max for turn in turns),
        slots_missed=sum(turn.slots_missed for turn in turns),
    )


def measure_cost(tools: Sequence[Tool], *, seconds: float, turns: int) -> list[CostRun]:
    """Measure the CPU time of a round trip in each tool's steady state, at a thousand packets a second.

    A host's processors are faster in one minute than in the next, so all tools take several turns, so many ``seconds``
    each; the medians are kept.
    """
    costs: dict[str, list[Cost]] = {tool.name: [] for tool in tools}
    reasons: dict[str, str] = {}
    for _ in range(turns):
        for tool in tools:
            if tool.name not in reasons:
                found, reason = _attempt(partial(_cost, tool, seconds), tool)
                if found is None:
                    reasons[tool.name] = reason or "no reason is known"
                else:
                    costs[tool.name].append(found)
    return [
        CostRun(tool=name, found=None if name in reasons else median_cost(found), not_run=reasons.get(name))
        for name, found in costs.items()
    ]


def median_cost(turns: Sequence[Cost]) -> Cost:
    """Return the median of each figure of one tool's turns, and from which to which its CPU time went."""
    cpus = sorted(turn.cpu for turn in turns)
    return Cost(
        cpu=median_high(cpus),
        cpu_least=cpus[0],
        cpu_most=cpus[-1],
        sent_share=median_high(turn.sent_share for turn in turns),
    )


def measure_loss(tool: Tool, *, packets_per_second: int, seconds: float) -> LossRun:
    """Let eragent send on a wire that loses nothing, from as many addresses as the rate needs."""

    def measure() -> Loss:
        with routed() as wire, tool.server(wire), TemporaryDirectory() as directory:
            sources = wire.sources[: max(packets_per_second // _MOST_OF_A_STREAM, 1)]
            interval_s = len(sources) / packets_per_second
            asked = Asked(target=wire.target, interval_s=interval_s, seconds=seconds, every_packet=False)
            command = eragent.on_paths(tool, asked, sources, Path(directory) / "eragent.yaml")
            streams = eragent.streams(output_of([*wire.near, *command], seconds=seconds + _LONGER_S).decode())
        sent, received, not_sent, slots_missed = (
            sum(stream[name] for stream in streams) for name in ("sent", "received", "not_sent", "slots_missed")
        )
        # Whatever it is put down to, late or dropped here: on this wire every answer that is missing is of our making.
        return Loss(sent=sent, lost=sent - received, not_sent=not_sent, slots_missed=slots_missed)

    found, reason = _attempt(measure, tool)
    return LossRun(tool=tool.name, packets_per_second=packets_per_second, found=found, not_run=reason)


def missing(tool: Tool) -> str | None:
    """Return why a tool cannot be run here, and what to do; ``None`` where it can."""
    return None if which(tool.program) else f"not installed: {tool.remedy}"


def _attempt(measure: Callable[[], _Found], tool: Tool | None = None) -> tuple[_Found | None, str | None]:
    """Return what was found, or else the reason why there is nothing."""
    if tool is not None and (reason := missing(tool)):
        return None, reason
    try:
        return measure(), None
    except (NotRun, UnreadableError) as error:
        return None, _shortened(" ".join(str(error).split()))


def _shortened(reason: str) -> str:
    """Keep the beginning, which says what failed, and the end, where programs say why."""
    return (
        reason
        if len(reason) <= _LONGEST_REASON
        else f"{reason[: _LONGEST_REASON // 2]} … {reason[-_LONGEST_REASON // 2 :]}"
    )


def _load(seconds: float, *, busy: bool) -> AbstractContextManager[None]:
    return hogs(seconds=seconds + _LONGER_S) if busy else nullcontext()


def _printed(tool: Tool, wire: Wire, asked: Asked) -> str:
    """Run a tool to its end and return what it printed, or what it serves when the time is over."""
    command = [*wire.near, *(_STDERR_TOO if tool.on_stderr else ()), *tool.command(asked)]
    if tool.page is None:
        return output_of(command, seconds=asked.seconds + _LONGER_S).decode()
    with running(command):
        time.sleep(asked.seconds)
        return output_of([*wire.near, sys.executable, "-S", "-c", _FETCH, tool.page], seconds=_LONGER_S).decode()


def _bare_loop(policy: tuple[str, ...], interval_s: float, seconds: float) -> Lateness:
    if which("gcc") is None:
        raise NotRun("needs a C compiler: apt install gcc libc6-dev")
    with TemporaryDirectory() as directory:
        program = str(Path(directory) / "nanosleep")
        subprocess.run(["gcc", "-O2", "-o", program, str(_BARE_LOOP_SOURCE)], check=True)
        schedule = [str(round(interval_s * 1e9)), str(round(seconds / interval_s))]
        return Lateness(**json.loads(output_of([*policy, program, *schedule], seconds=seconds + _LONGER_S)))


def _cost(tool: Tool, seconds: float) -> Cost:
    with routed() as wire, tool.server(wire), TemporaryFile() as stdout:
        asked_s = seconds + 2 * _START_S
        asked = Asked(target=wire.target, interval_s=_COST_INTERVAL_S, seconds=asked_s, every_packet=False)
        with running([*wire.near, *tool.command(asked)], stdout=stdout) as process:
            time.sleep(_START_S)
            sent, received, cpu_s = *_counters(process), cpu_seconds(process.pid)
            time.sleep(seconds)
            sent_then, received_then, cpu_then_s = *_counters(process), cpu_seconds(process.pid)
    if received_then == received:
        raise NotRun("it had no answer")
    cpu = round((cpu_then_s - cpu_s) * 1e9 / (received_then - received))
    sent_share = round((sent_then - sent) * _COST_INTERVAL_S / seconds, 4)
    return Cost(cpu=cpu, cpu_least=cpu, cpu_most=cpu, sent_share=sent_share)


def _lateness(tool: Tool, policy: tuple[str, ...], interval_s: float, seconds: float) -> Lateness:
    with routed() as wire, tool.server(wire):
        asked = Asked(target=wire.target, interval_s=interval_s, seconds=seconds, every_packet=False)
        command = [*wire.near, *policy, *tool.command(asked)]
        (stream,) = eragent.streams(output_of(command, seconds=seconds + _LONGER_S).decode())
    late = stream["send_lateness_ns"]
    if late is None:
        raise NotRun("it sent nothing")
    return Lateness(p50=late["p50"], p99=late["p99"], max=late["max"], slots_missed=stream["slots_missed"])


def _counters(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Return what the sender's interface has sent and received so far, read in the namespace of a process."""
    if process.poll() is not None:
        raise NotRun(f"it ended with code {process.returncode} before it could be measured")
    for line in Path(f"/proc/{process.pid}/net/dev").read_text(encoding="ascii").splitlines():
        name, _, values = line.partition(":")
        if name.strip() == NEAR_INTERFACE:
            numbers = values.split()
            return int(numbers[9]), int(numbers[1])
    raise NotRun(f"it is not in the namespace of {NEAR_INTERFACE}")
