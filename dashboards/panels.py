"""Panels in the project's manner: a colour for each role, a stroke for each figure, gaps where nothing was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus as prometheus_models
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    SortOrder,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)

from dashboards.promql import ROLES, Role

DATA_SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
NEUTRAL = "#8e8e8e"
NOTHING = "nothing was measured"
WARNING, ALARM = "#E69F00", "#CC3311"
GOOD = "#0072B2"  # Okabe and Ito's blue: unlike green it is told from both warning colours by everybody

_SOFT_MAX = {"s": 0.001}
"""Where axes of a unit end at the least."""

SOLID: tuple[int, ...] = ()
DASHED = (10, 6)
DOTTED = (2, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One query of a chart and how its series are drawn; ``dash`` is in pixels, drawn and left out.

    Without a colour each series takes the next one of Grafana's.
    """

    expr: str
    legend: str
    colour: str | None = None
    dash: tuple[int, ...] = SOLID
    width: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From which values on something deserves a look, or is wrong; drawn as dashed lines."""

    warning: float
    alarm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What stands around curves. ``soft_max`` keeps the noise of an idle counter from filling the height.

    Seconds have one of their own, for curves that are zero throughout would else stand on an axis of minutes.

    ``legend_figures``: what the legend tells of each curve, by Grafana's names.

    ``jumps``: values hold until they change, and small changes matter as much as large ones: drawn as steps, on an axis
    that need not begin at zero.
    """

    title: str
    description: str
    unit: str
    limits: Limits | None = None
    soft_max: float | None = None
    legend_figures: Sequence[str] = ()
    jumps: bool = False


def query(
    expr: str,
    legend: str,
    ref: str,
    *,
    instant: bool = False,
    form: prometheus_models.PromQueryFormat = prometheus_models.PromQueryFormat.TIME_SERIES,
) -> prometheus.Dataquery:
    """Return a query over the shown time, or of its end alone (``instant``)."""
    target = prometheus.Dataquery().datasource(DATA_SOURCE).expr(expr).legend_format(legend).ref_id(ref).format(form)
    return target.instant() if instant else target.range()


def curves(expr: Callable[[Role], str], legend: str = "{{path}}", dash: tuple[int, ...] = SOLID) -> list[Curve]:
    """Return a curve for either path, each in the colour of its role."""
    return [Curve(expr=expr(role), legend=legend, colour=role.colour, dash=dash) for role in ROLES]


def chart(frame: Chart, content: Sequence[Curve]) -> timeseries.Panel:
    """Draw curves over time. Missing stays missing: a gap is never bridged."""
    panel = (
        timeseries.Panel()
        .title(frame.title)
        .description(frame.description)
        .datasource(DATA_SOURCE)
        .unit(frame.unit)
        .span_nulls(False)
        .show_points(VisibilityMode.AUTO)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
        .legend(legend(frame.legend_figures))
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .no_value(NOTHING)
    )
    if frame.jumps:
        panel.line_interpolation(LineInterpolation.STEP_AFTER).decimals(0)
    else:
        panel.axis_soft_min(0)
    soft_max = _SOFT_MAX.get(frame.unit) if frame.soft_max is None else frame.soft_max
    if soft_max is not None:
        panel.axis_soft_max(soft_max)
    if frame.limits is None:
        panel.thresholds(thresholds((None, "transparent")))
    else:
        panel.thresholds(
            thresholds((None, "transparent"), (frame.limits.warning, WARNING), (frame.limits.alarm, ALARM))
        )
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    for ref, curve in zip(ascii_uppercase, content, strict=False):
        panel.with_target(query(curve.expr, curve.legend, ref))
        colour = [] if curve.colour is None else [fixed_colour(curve.colour)]
        panel.override_by_query(ref, [*colour, *_stroke(curve)])
    return panel


def pair_of_values(
    title: str, description: str, unit: str, value: Callable[[Role], str], *, decimals: int | None = None
) -> stat.Panel:
    """Show the present figure of either path, in the colour of its role."""
    panel = (
        _stat(title, description)
        .unit(unit)
        .text_mode(BigValueTextMode.VALUE_AND_NAME)
        .graph_mode(BigValueGraphMode.NONE)
        .orientation(VizOrientation.VERTICAL)
        .min(0)
        .thresholds(thresholds((None, NEUTRAL)))
    )
    if decimals is not None:
        panel.decimals(decimals)
    for ref, role in zip(ascii_uppercase, ROLES, strict=False):
        panel.with_target(query(value(role), "{{path}}", ref, instant=True))
        panel.override_by_query(ref, [fixed_colour(role.colour)])
    return panel


def name_of_winner(
    title: str, description: str, expr: str, label: str, steps: Sequence[tuple[float | None, str]]
) -> stat.Panel:
    """Show the value of a label in large letters, on the colour that the sample's value stands for."""
    return (
        _stat(title, description)
        .text_mode(BigValueTextMode.NAME)
        .color_mode(BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(BigValueGraphMode.NONE)
        .thresholds(thresholds(*steps))
        .with_target(query(expr, f"{{{{{label}}}}}", "A", instant=True))
    )


def single_values(
    title: str,
    description: str,
    unit: str,
    expr: str,
    *,
    name: str = "",
    steps: Sequence[tuple[float | None, str]] = ((None, NEUTRAL),),
    decimals: int | None = None,
    words: dict[str, str] | None = None,
) -> stat.Panel:
    """Show present figures, one for each series, on the colour of their threshold; ``words`` put values into words."""
    panel = (
        _stat(title, description)
        .unit(unit)
        .text_mode(BigValueTextMode.VALUE_AND_NAME if name else BigValueTextMode.VALUE)
        .color_mode(BigValueColorMode.VALUE if len(steps) == 1 else BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(BigValueGraphMode.NONE)
        .thresholds(thresholds(*steps))
        .with_target(query(expr, name or title, "A", instant=True))
    )
    if decimals is not None:
        panel.decimals(decimals)
    return panel.mappings([value_words(words)]) if words else panel


def value_words(words: dict[str, str]) -> models.ValueMap:
    """Return the mapping of values to words."""
    return models.ValueMap(
        options={
            value: models.ValueMappingResult(text=text, index=index)
            for index, (value, text) in enumerate(words.items())
        }
    )


def legend(figures: Sequence[str] = ()) -> common.VizLegendOptions:
    """Return a legend of names below the panel, or of names with these figures to its right, as Grafana calls them."""
    shown = common.VizLegendOptions().show_legend(True)
    if figures:
        return shown.display_mode(LegendDisplayMode.TABLE).placement(LegendPlacement.RIGHT).calcs([*figures])
    return shown.display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)


def thresholds(*steps: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Return colours by value, each from its bound on; the first has none."""
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=colour) for value, colour in steps])
    )


def fixed_colour(colour: str) -> models.DynamicConfigValue:
    """Return the override that gives a field this colour and no other."""
    return models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})


def transformation(name: str, **options: object) -> models.DataTransformerConfig:
    """Return a transformation of query results by its name in Grafana."""
    return models.DataTransformerConfig(id_val=name, options=options)


def _stat(title: str, description: str) -> stat.Panel:
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("no data")
    )


def _stroke(curve: Curve) -> list[models.DynamicConfigValue]:
    style = {"fill": "dash", "dash": list(curve.dash)} if curve.dash else {"fill": "solid"}
    return [
        models.DynamicConfigValue(id_val="custom.lineWidth", value=curve.width),
        models.DynamicConfigValue(id_val="custom.lineStyle", value=style),
    ]
