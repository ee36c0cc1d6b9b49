"""The section on the agent itself: a figure of a path is worth as much as the instrument that took it."""

from __future__ import annotations

from dashboards import promql
from dashboards.layout import Section
from dashboards.panels import NEUTRAL, Chart, Curve, Limits, chart, curves, rows
from dashboards.promql import STEP


def instrument() -> Section:
    """Return the panels on what this host, not the network, did to the measurement."""
    return Section(
        title="Instrument: can the figures above be trusted?",
        height=8,
        widths=(8, 8, 8),
        panels=(
            chart(_NOT_SENT, curves(promql.not_sent, "{{path}}: {{reason}}")),
            chart(_LATENESS, curves(lambda role: promql.quantile(0.99, "send_lateness", role, STEP))),
            chart(_SLOTS_MISSED, [Curve(expr=_slots_missed(), legend="missed", colour=NEUTRAL)]),
            chart(_KERNEL_STAMPS, curves(promql.kernel_stamped)),
            chart(_PROCESSOR, [Curve(expr=_processor_time(), legend="$agent", colour=NEUTRAL)]),
            rows(
                "What is compared",
                "The paths as the agent's configuration has them: their kind, and what pins packets to them.",
                'eragent_path_info{agent="$agent", path=~"$baseline|$candidate"}',
                {"path": "Path", "kind": "Kind", "source": "Source", "interface": "Interface"},
            ),
        ),
    )


_NOT_SENT = Chart(
    title="Not sent, by reason",
    description='Packets that this host could not send: they say nothing of the path. "none" while all are sent.',
    unit="suffix: packets/s",
    soft_max=1,
)
_LATENESS = Chart(
    title="Send lateness, p99",
    description="How long after its slot a packet left. A host that is late is a busy host; pairs stay comparable "
    "while this is small against the interval. Dashed lines: 1 ms and 10 ms.",
    unit="s",
    limits=Limits(warning=0.001, alarm=0.01),
)
_SLOTS_MISSED = Chart(
    title="Slots missed",
    description="Slots in which no path got a packet, because this host came too late. Anything but zero means that "
    "the host, not the network, left a hole.",
    unit="suffix: slots/s",
    soft_max=1,
)
_KERNEL_STAMPS = Chart(
    title="Stamped by the kernel",
    description="Share of received packets whose both ends the kernel stamped; the rest was stamped in user space and "
    "has the scheduler's delays in it: tens of microseconds, at times milliseconds.",
    unit="percentunit",
    soft_max=1,
)
_PROCESSOR = Chart(
    title="Agent: share of a core",
    description="Processor time of the agent's process; the reflector, a process of its own, is not in it. Dashed "
    "lines: 50 % and 80 %.",
    unit="percentunit",
    limits=Limits(warning=0.5, alarm=0.8),
    soft_max=0.1,
)


def _slots_missed() -> str:
    return f"sum(rate(eragent_slots_missed_total{{{promql.STREAMS}}}[{STEP}]))"


def _processor_time() -> str:
    """Join the process with the agent's name, which only the agent's own metrics carry."""
    build = 'eragent_build_info{agent="$agent"}'
    return f"rate(process_cpu_seconds_total[{STEP}]) * on (job, instance) group_left () {build}"
