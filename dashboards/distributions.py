"""Panels that draw distributions out of histogram buckets."""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_uppercase

from grafana_foundation_sdk.builders import barchart, common, heatmap
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heat_models
from grafana_foundation_sdk.models.common import TooltipDisplayMode, VisibilityMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.panels import DATA_SOURCE, NEUTRAL, NOTHING, fixed_colour, legend, query, thresholds, transformation
from dashboards.promql import ROLES, Role


def bars(
    title: str,
    description: str,
    unit: str,
    *,
    category: str,
    share: Callable[[Role], str],
    names: dict[str, str],
) -> barchart.Panel:
    """Draw two bars a category: the queries' values by the numeric label ``le``, which ``names`` puts into words."""
    panel = (
        barchart.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .unit(unit)
        .min(0)
        .max(1)
        .x_field(category)
        .show_value(VisibilityMode.NEVER)
        .group_width(0.85)
        .bar_width(0.95)
        .fill_opacity(90)
        .x_tick_label_spacing(40)
        .thresholds(thresholds((None, NEUTRAL)))
        .legend(legend())
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .no_value(NOTHING)
    )
    for ref, role in zip(ascii_uppercase, ROLES, strict=False):
        panel.with_target(query(share(role), "", ref, instant=True, form=PromQueryFormat.TABLE))
        display_name = models.DynamicConfigValue(id_val="displayName", value=f"${role.variable}")
        panel.override_by_name(f"Value #{ref}", [fixed_colour(role.colour), display_name])
    mapping = models.ValueMap(
        options={
            value: models.ValueMappingResult(text=text, index=index)
            for index, (value, text) in enumerate(names.items())
        }
    )
    return (
        panel.with_transformation(transformation("merge"))
        .with_transformation(transformation("sortBy", sort=[{"field": "le"}]))
        .with_transformation(
            transformation("convertFieldType", conversions=[{"targetField": "le", "destinationType": "string"}])
        )
        .with_transformation(transformation("organize", excludeByName={"Time": True}, renameByName={"le": category}))
        .override_by_name(category, [models.DynamicConfigValue(id_val="mappings", value=[mapping])])
    )


def heat_map(title: str, description: str, unit: str, expr: str, role: Role) -> heatmap.Panel:
    """Draw a histogram over time: the darker or brighter a cell, the more packets."""
    scheme = (
        heatmap.HeatmapColorOptions()
        .mode(heat_models.HeatmapColorMode.SCHEME)
        .scheme(role.heat)
        .scale(heat_models.HeatmapColorScale.EXPONENTIAL)
        .exponent(0.2)
        .steps(64)
    )
    return (
        heatmap.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .color(scheme)
        .cell_gap(0)
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .show_y_histogram()
        .show_color_scale(True)
        .hide_legend()
        .no_value(NOTHING)
        .with_target(query(expr, "{{le}}", "A", form=PromQueryFormat.HEATMAP))
    )
