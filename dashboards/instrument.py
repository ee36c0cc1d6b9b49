"""What is drawn of the agents themselves: a figure of a path is worth as much as the instrument that took it."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models

from dashboards import frame, promql
from dashboards.layout import Section
from dashboards.panels import ALARM, GOOD, WARNING, Chart, Curve, Limits, chart, single_values
from dashboards.promql import STEP
from dashboards.tables import Figure, rows


def trust() -> Section:
    """Return the panels on whether this host spoiled the figures of the paths above."""
    return Section(
        title="Instrument: can the figures above be trusted?",
        height=7,
        widths=(8, 8, 8),
        panels=(
            chart(_LATENESS, [_of_agents("eragent_send_lateness_seconds:p99_5m", 'agent="$agent"', "$agent")]),
            chart(
                _HOLES,
                [
                    _of_agents("eragent_slots_missed:rate_5m", 'agent="$agent"', "slots missed"),
                    _of_agents("eragent_packets_not_sent:rate_5m", 'agent="$agent"', "not sent"),
                    _of_agents("eragent_receive_drops:rate_5m", 'agent="$agent"', "dropped here"),
                ],
            ),
            chart(_KERNEL_STAMPS, [Curve(expr=_kernel_stamped(f"{{{promql.STREAMS}}}"), legend="{{path}}")]),
        ),
    )


def instrument_health() -> models.Dashboard:
    """Return the dashboard of all agents' health."""
    return frame.framed(
        "instrument-health",
        "instrument health",
        "Can the figures of an agent be trusted, and does Prometheus see and reckon all of them?",
        (frame.agent().multi(True).include_all(True),),
        (_state(), _schedule(), _packets(), _host(), _servers()),
    )


_CHOSEN = 'agent=~"$agent"'
_LATENESS = Chart(
    title="Send lateness, p99",
    description="How long after its slot a packet left, of five minutes. A late host is a busy host; pairs stay "
    "comparable while this is small against the interval. Dashed lines: 1 ms and 10 ms.",
    unit="s",
    limits=Limits(warning=0.001, alarm=0.01),
)
_HOLES = Chart(
    title="Holes of this host's making",
    description="Slots missed because this host came too late, packets that it could not send, answers that its own "
    "kernel dropped, per second. Anything but zero means that the host, not the network, left a hole.",
    unit="suffix: /s",
    soft_max=1,
)
_KERNEL_STAMPS = Chart(
    title="Stamped by the kernel",
    description="Share of received packets whose both ends the kernel stamped; the rest was stamped in user space and "
    "has the scheduler's delays in it: tens of microseconds, at times milliseconds.",
    unit="percentunit",
    soft_max=1,
)


def _of_agents(record: str, where: str = _CHOSEN, legend: str = "{{agent}}") -> Curve:
    return Curve(expr=f"max by (agent) (max_over_time(agent:{record}{{{where}}}[{STEP}]))", legend=legend)


def _kernel_stamped(where: str, by: str = "path") -> str:
    return f"min by ({by}) (min_over_time(stream:eragent_timestamps:kernel_ratio_5m{where}[{STEP}]))"


def _state() -> Section:
    good = ((None, ALARM), (1, GOOD))
    bad = ((None, GOOD), (1, ALARM))
    return Section(
        title="Now",
        height=4,
        widths=(4, 4, 4, 4, 4, 4),
        panels=(
            single_values(
                "Agents scraped",
                "Agents whose metrics Prometheus has at present, whatever was chosen above.",
                "short",
                "count(group by (agent) (eragent_build_info)) or vector(0)",
                steps=good,
            ),
            single_values(
                "Agents absent",
                "Agents that were scraped within the last day and are not any more: their paths are unknown.",
                "short",
                promql.ABSENT_AGENTS,
                steps=bad,
            ),
            single_values(
                "Clock error",
                "How far the host's clock is off UTC at most, by its kernel. One-way delays and comparisons of hosts "
                "need a clock that something keeps synchronised; round trips do not.",
                "s",
                f"max by (agent) (eragent_clock_error_seconds{{{_CHOSEN}}})"
                f" or -1 * max by (agent) (eragent_clock_synchronised{{{_CHOSEN}}} == bool 0)",
                name="{{agent}}",
                steps=((None, WARNING), (0, GOOD), (0.1, WARNING)),
                words={"-1": "no sync"},
            ),
            single_values(
                "Reflector",
                "Whether the agent's own reflector answers. While it does not, whoever probes it sees loss that "
                "no network made.",
                "short",
                f"max by (agent) (eragent_reflector_up{{{_CHOSEN}}})",
                name="{{agent}}",
                steps=good,
                words={"0": "down", "1": "up"},
            ),
            single_values(
                "History",
                "Whether samples can be written to the agent's disk. No data where the configuration keeps none.",
                "short",
                f"max by (agent) (eragent_history_up{{{_CHOSEN}}})",
                name="{{agent}}",
                steps=good,
                words={"0": "not written", "1": "written"},
            ),
            single_values(
                "Age of the records",
                "How long ago Prometheus last evaluated the rules that the dashboards read. More than a few evaluation "
                "intervals: the rule files are missing, or rules fail; see the page Rules of Prometheus.",
                "s",
                "time() - max(timestamp(stream:eragent_packets_undelivered:ratio_1m))",
                steps=((None, GOOD), (120, WARNING), (300, ALARM)),
                decimals=0,
            ),
        ),
    )


def _schedule() -> Section:
    lag = Chart(
        title="Loop lag, p99",
        description="How long after a slot was due the agent's own loop came to it, of five minutes: the part of the "
        "lateness that is not the sending. Dashed lines: 1 ms and 10 ms.",
        unit="s",
        limits=Limits(warning=0.001, alarm=0.01),
    )
    missed = Chart(
        title="Slots missed",
        description="Slots in which no path got a packet, because this host came too late: a hole in all of them.",
        unit="suffix: slots/s",
        soft_max=1,
    )
    return Section(
        title="Schedule: do packets leave when they should?",
        height=7,
        widths=(8, 8, 8),
        panels=(
            chart(_LATENESS, [_of_agents("eragent_send_lateness_seconds:p99_5m")]),
            chart(lag, [_of_agents("eragent_loop_lag_seconds:p99_5m")]),
            chart(missed, [_of_agents("eragent_slots_missed:rate_5m")]),
        ),
    )


def _packets() -> Section:
    lost_here = Chart(
        title="Not sent, dropped here, overlooked",
        description="Packets that the kernel refused to send, datagrams that it dropped for want of room, and packets "
        "whose answer may be among those. None of these is a loss of the path.",
        unit="suffix: /s",
        soft_max=1,
    )
    noisy = Chart(
        title="Noisy samples",
        description="Packets during which this host stalled for more than a millisecond; comparisons leave them out. "
        "They count as any other in the panels of paths.",
        unit="suffix: packets/s",
        soft_max=1,
    )
    return Section(
        title="Packets: what did the host do to them?",
        height=7,
        widths=(8, 8, 8),
        panels=(
            chart(
                lost_here,
                [
                    _of_agents("eragent_packets_not_sent:rate_5m", legend="{{agent}} not sent"),
                    _of_agents("eragent_receive_drops:rate_5m", legend="{{agent}} dropped here"),
                    _of_agents("eragent_packets_overlooked:rate_5m", legend="{{agent}} overlooked"),
                ],
            ),
            chart(noisy, [_of_agents("eragent_samples_noisy:rate_5m")]),
            chart(
                _KERNEL_STAMPS,
                [Curve(expr=_kernel_stamped(f"{{{_CHOSEN}}}", "agent, probe"), legend="{{agent}} {{probe}}")],
            ),
        ),
    )


def _host() -> Section:
    processor = Chart(
        title="Agent: share of a core",
        description="Processor time of the agent's process; the reflector, a process of its own, is not in it. Dashed "
        "lines: 50 % and 80 %.",
        unit="percentunit",
        limits=Limits(warning=0.5, alarm=0.8),
        soft_max=0.1,
    )
    memory = Chart(
        title="Agent: memory",
        description="Resident memory of the agent's process. It grows with streams, and with what waits for the disk; "
        "it should not grow with time.",
        unit="bytes",
    )
    suspended = Chart(
        title="Suspended",
        description="Share of the time in which the host was suspended, as a virtual machine is that somebody moves or "
        "pauses: nothing was measured meanwhile, and no slot counts as missed.",
        unit="percentunit",
        soft_max=0.1,
    )
    process = f"process_resident_memory_bytes * on (job, instance) group_left (agent) eragent_build_info{{{_CHOSEN}}}"
    return Section(
        title="Host: processor, memory, pauses",
        height=7,
        widths=(8, 8, 8),
        panels=(
            chart(processor, [_of_agents("process_cpu_seconds:rate_5m")]),
            chart(memory, [Curve(expr=f"max by (agent) ({process})", legend="{{agent}}")]),
            chart(
                suspended,
                [
                    Curve(
                        expr=f"max by (agent) (rate(eragent_host_suspended_seconds_total{{{_CHOSEN}}}[{STEP}]))",
                        legend="{{agent}}",
                    )
                ],
            ),
        ),
    )


def _servers() -> Section:
    scrape = Chart(
        title="Duration of scrapes",
        description="How long Prometheus waited for the agent's metrics. Scrapes never delay probes; a scrape that "
        "takes longer than the scrape's timeout leaves a gap in all panels.",
        unit="s",
    )
    waiting = Chart(
        title="Samples that wait for the disk",
        description="Samples in memory that are not in the history yet. It grows while the disk is slow or full; past "
        "its bound samples are dropped and counted. No data where the configuration keeps no history.",
        unit="short",
        soft_max=100,
    )
    queue = f"max by (agent) (eragent_history_queue_samples{{{_CHOSEN}}})"
    joined = f"on (job, instance) group_left (agent) eragent_build_info{{{_CHOSEN}}}"
    return Section(
        title="Scrapes, history, versions",
        height=7,
        widths=(8, 8, 8),
        panels=(
            chart(scrape, [Curve(expr=f"max by (agent) (scrape_duration_seconds * {joined})", legend="{{agent}}")]),
            chart(waiting, [Curve(expr=queue, legend="{{agent}}")]),
            rows(
                "Versions",
                "What runs where: one row an agent. Two rows of one agent mean that two processes have the same name, "
                "and that their counters are added up.",
                {"agent": "Agent", "version": "Version", "python": "Python", "instance": "Instance"},
                [Figure(expr=f"eragent_build_info{{{_CHOSEN}}}", heading="Scraped", hidden=True)],
                widths={"Version": 75, "Python": 75},
            ),
        ),
    )
