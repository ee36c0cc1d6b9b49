"""Writes docs/accuracy.md from the results of a comparison. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.figure import row_of_runs
from benchmarks.peers.results import Accuracy, AccuracyRun, Errors, Machine, Results
from benchmarks.peers.verdict import figures, load

Cells = Sequence[str]
_NOTHING = "-"

_HEAD = """\
# Accuracy, beside other tools

Generated from [accuracy.json](accuracy.json), which `sudo make bench-accuracy` writes; a test fails when they differ.

How far are the round-trip times that a tool reports from those that were on the wire? Every tool below was asked for
the same packets on the same wire, one after the other, while captures saw what really happened.
"""

_PICTURE = """\
![Distribution of the error of each tool, idle and busy](accuracy.svg)

Further left is better; each line upwards is one more nine of the packets. Curves of smokeping_prober are the least that
its error can be (see [below](#how-it-is-measured)).
"""

_METHOD = """\
## How it is measured

Three private network namespaces: the sender, a router, the reflector, joined by veth pairs. tcpdump captures with
nanoseconds at the sender's interface, at the router's and at the reflector's. For each packet the **truth** is the time
from request to reply at the sender's interface, less that at the reflector's (its dwell). The **error** is the distance
of the tool's round-trip time from it. *Busy* is a loop pinned to every core, at normal priority, as all tools are.

- **What the truth can show.** The captures at the sender's interface and `eragent` partly read the same stamps: for a
  packet that arrives they share the kernel's, and a packet that leaves passes the capture some µs before its transmit
  stamp is taken. Agreement there shows that packets are matched and subtracted rightly, and what other tools add by
  reading clocks in user space; it does not show that the kernel's stamps are right. The router's capture shares no
  stamp with any tool: against it errors contain the way to the router, so only their spread is shown. All namespaces
  share one kernel and one clock; what hardware, drivers and a network add is not here. The captures cost time too.
- **Transmit stamp behind the capture**: how long after the capture at the sender's interface a packet got its stamp.
  Between two `eragent`s the answer's stamp lies behind the reflector's capture likewise. Both make the time on the
  network shorter than by the captures, by as much: the mean error of STAMP is negative.
- **ICMP.** Nothing in an ICMP echo tells how long the far end kept it, so no tool can take the dwell off. It is part of
  every ICMP tool's error here; *dwell included* compares with the whole of the wire's round trip instead.
- **STAMP** is asked once between two `eragent`s, where the reflector tells with each answer when the kernel sent the
  one before (Follow-Up Telemetry), and once without TLVs, as with any other reflector: what passes between T3 and the
  wire then stays in the round trip.
- **smokeping_prober** has no figures of single packets, only a histogram (here with bounds 10 % apart). Whatever value
  belongs to whichever packet, only so many can be within some distance of the captured times; "≥" marks errors bounded
  so from below. Its mean error is exact, from the histogram's sum.
- **Lost although answered**: the reply was captured, and the tool has no time for it.
- **Lateness** is measured without captures: a loop in C that sleeps with `clock_nanosleep` (timer slack 1 ns) and each
  `eragent` wait for the same slots in turn, five times; shown are the medians of the turns and the largest of all.
- **Drift** is how much later, by the captures, the most punctual packet of the last tenth was than that of the first.
  A schedule should not drift at all; what is below 100 µs is the lateness of single packets. Other tools tell no slots:
  each packet counts as one.
- **CPU of a round trip**: user and system time in the steady state at 1,000 packets a second asked, divided by the
  answers that reached the interface: the median of nine turns, in which all tools follow each other, since the host's
  processors are faster in one minute than in the next. On veth, the kernel's work for the whole way is done in the
  sender's time. The *bare loop in Python* is what STAMP costs with eragent's timer, event loop and system calls alone.
- **Own loss**: the wire loses nothing, so what is lost is of the sender's or the reflector's making. 5,000 packets a
  second are five paths at 1,000 each. Slots missed are no losses: no packet was sent, and they are counted.
"""


def page(results: Results) -> str:
    """Return the page: verdict, picture, all tables, how it is measured, machine, versions and command lines."""
    return "\n".join([_HEAD, _circumstances(results), tables(results, picture=_PICTURE), _METHOD, _programs(results)])


def tables(results: Results, *, picture: str = "") -> str:
    """Return all tables, in Markdown that reads well in a terminal too."""
    chapters = (
        ("Asked and measured", _verdict(results)),
        ("Error of the round-trip time", _errors(results)),
        ("Error with the dwell included, and against the router's capture", _other_truths(results)),
        ("When packets left", _sending(results)),
        ("Lateness", _lateness(results)),
        ("CPU of a round trip at 1,000 packets a second", _cost(results)),
        ("Own loss", _loss(results)),
    )
    texts = [f"## {title}\n\n{_table(rows)}\n" for title, rows in chapters]
    return "\n".join([texts[0], picture, *texts[1:]] if picture else texts)


def _circumstances(results: Results) -> str:
    machine = results.machine
    return (
        f"{results.date}, {results.packets_per_second} packets a second, {results.seconds:g} s for each tool and load,"
        f" on {_host(machine)}. Load average {machine.load:.1f} at the start;"
        f" {machine.stolen_percent:.1f} % of the CPU time was taken by the hypervisor for others.\n"
    )


def _host(machine: Machine) -> str:
    kind = "a virtual machine" if machine.virtual else "a machine"
    return (
        f"{kind} with {machine.cores} cores ({machine.processor}), {machine.memory_mib} MiB, {machine.distribution},"
        f" {machine.kernel}, clock source {machine.clock_source}, Python {machine.python}"
    )


def _verdict(results: Results) -> Iterator[Cells]:
    yield "of", "figure", "asked", "measured", "met"
    for chapter, figure in figures(results):
        row = row_of_runs(chapter, [figure])
        yield chapter, row.name, row.asked, row.measured, {True: "yes", False: "**NO**", None: ""}[row.met]


def _errors(results: Results) -> Iterator[Cells]:
    yield "tool", "load", "median", "p99", "largest", "mean, signed", "packets", "lost although answered"
    for run in results.accuracy:
        if run.found is None:
            yield _not_run(run, columns=8)
            continue
        errors, overlooked = run.found.network, run.found.overlooked
        yield (
            run.tool,
            load(busy=run.busy),
            *(_bounded(value, errors) for value in (errors.median, errors.p99, errors.max)),
            f"{errors.mean / 1e3:+.1f} µs",
            str(errors.packets),
            "?" if overlooked is None else str(overlooked),
        )


def _other_truths(results: Results) -> Iterator[Cells]:
    yield (
        "tool",
        "load",
        "dwell included: median",
        "p99",
        "by the router: p99 about the median",
        "transmit stamp behind the capture, median",
        "captured RTT, median",
        "captured dwell, median",
    )
    for run in results.accuracy:
        if run.found is not None:
            yield run.tool, load(busy=run.busy), *_with_dwell(run.found)


def _with_dwell(found: Accuracy) -> Cells:
    errors = found.with_dwell
    # Tools over UDP take the dwell off by themselves: for them this truth would be the wrong one.
    bounded = [_bounded(value, errors) for value in (errors.median, errors.p99)]
    return (
        *(bounded if found.is_icmp else (_NOTHING, _NOTHING)),
        _NOTHING if found.by_router is None else _us(found.by_router),
        _NOTHING if found.stamped_behind is None else _us(found.stamped_behind),
        _us(found.rtt_median),
        _us(found.dwell_median),
    )


def _sending(results: Results) -> Iterator[Cells]:
    yield "tool", "load", "sent", "packets a second", "gap, mean", "gap, p1", "gap, p99", "drift over the run"
    for run in results.accuracy:
        if run.found is not None:
            sending = run.found.sending
            gaps = (_ms(gap) for gap in (sending.gap_mean, sending.gap_p1, sending.gap_p99))
            rate = f"{1e9 / sending.gap_mean:.1f}"
            yield run.tool, load(busy=run.busy), str(sending.sent), rate, *gaps, f"{sending.drift / 1e6:+.2f} ms"


def _lateness(results: Results) -> Iterator[Cells]:
    yield "program", "load", "policy", "median", "p99", "largest", "slots missed"
    for run in results.lateness:
        where = run.program, load(busy=run.busy), "SCHED_FIFO" if run.fifo else "normal"
        if run.found is None:
            yield *where, f"not run: {run.not_run}", *[_NOTHING] * 3
        else:
            found = run.found
            yield *where, _us(found.p50), _us(found.p99), _us(found.max), str(found.slots_missed)


def _cost(results: Results) -> Iterator[Cells]:
    yield "tool", "CPU of a round trip", "in single turns", "sent, of what was due"
    for run in results.cost:
        if run.found is None:
            yield run.tool, f"not run: {run.not_run}", *[_NOTHING] * 2
        else:
            found = run.found
            turns = (found.cpu_least, found.cpu_most)
            between = " to ".join(_us(cpu) for cpu in turns if cpu is not None) or _NOTHING
            yield run.tool, _us(found.cpu), between, f"{found.sent_share:.1%}"


def _loss(results: Results) -> Iterator[Cells]:
    yield "tool", "packets a second", "sent", "lost", "not sent", "slots missed"
    for run in results.loss:
        if run.found is None:
            yield run.tool, str(run.packets_per_second), f"not run: {run.not_run}", *[_NOTHING] * 3
        else:
            found = run.found
            counts = (found.sent, found.lost, found.not_sent, found.slots_missed)
            yield run.tool, str(run.packets_per_second), *(str(count) for count in counts)


def _programs(results: Results) -> str:
    rows: list[Cells] = [("tool", "version", "command line")]
    rows += [(p.name, p.version or "not installed", f"`{p.command}`") for p in results.programs]
    return f"## Versions and command lines\n\n{_table(rows)}\n"


def _not_run(run: AccuracyRun, *, columns: int) -> Cells:
    return run.tool, load(busy=run.busy), f"not run: {run.not_run}", *[_NOTHING] * (columns - 3)


def _bounded(ns: int, errors: Errors) -> str:
    return f"≥ {_us(ns)}" if errors.at_least else _us(ns)


def _us(ns: int) -> str:
    return f"{ns / 1e3:.1f} µs" if ns < 100_000 else f"{ns / 1e3:,.0f} µs"


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.2f} ms"


def _table(rows: Iterable[Cells]) -> str:
    """Lay rows out as a Markdown table, the first as its head."""
    cells = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [cells[0], tuple("-" * width for width in widths), *cells[1:]]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )
