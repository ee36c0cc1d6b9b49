"""What all dashboards have around their panels: variables, links to each other, times and tags."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

from dashboards import promql
from dashboards.layout import Section, placed
from dashboards.panels import DATA_SOURCE

Variables = Sequence[Builder[models.VariableModel]]

_SENT = "eragent_packets_sent_total"
_ASCENDING, _DESCENDING = models.VariableSort.ALPHABETICAL_ASC, models.VariableSort.ALPHABETICAL_DESC


def framed(
    name: str,
    title: str,
    question: str,
    variables: Variables,
    sections: Sequence[Section],
    annotations: Sequence[dashboard.AnnotationQuery] = (),
) -> models.Dashboard:
    """Return a dashboard; ``name`` is that of its file, ``question`` what it answers."""
    built = (
        dashboard.Dashboard(f"eragent: {title}")
        .uid(f"eragent-{name}")
        .description(question)
        .tags(["eragent"])
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .variables([dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"), *variables])
        .annotations(list(annotations))
        .link(
            dashboard.DashboardLink("Dashboards of eragent")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["eragent"])
            .include_vars(True)
            .keep_time(True)
        )
        .build()
    )
    built.panels = placed(sections)
    return built


def agent() -> dashboard.QueryVariable:
    """Return the choice of one agent."""
    return _choice("agent", "Agent", "label_values(eragent_build_info, agent)", _ASCENDING)


def target() -> dashboard.QueryVariable:
    """Return the choice of one of its targets."""
    return _choice("target", "Target", f'label_values({_SENT}{{agent="$agent"}}, target)', _ASCENDING)


def probe() -> dashboard.QueryVariable:
    """Return the choice of one of the probes of that target; STAMP before ICMP, for it tells more."""
    return _choice("probe", "Probe", f"label_values({_SENT}{{{promql.TARGET}}}, probe)", _DESCENDING)


def path(name: str, label: str, *, last: bool = False) -> dashboard.QueryVariable:
    """Return the choice of a path, which begins with the first or the last by the alphabet.

    Baseline and candidate begin at opposite ends, so that they are not the same where there are two.
    """
    query = f"label_values({_SENT}{{{promql.STREAMS}}}, path)"
    return _choice(name, label, query, _DESCENDING if last else _ASCENDING)


def _choice(name: str, label: str, query: str, sort: models.VariableSort) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(DATA_SOURCE)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(sort)
    )
