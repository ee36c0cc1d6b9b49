"""Tables: rows of labels and figures, and matrices that colour a figure by two labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from grafana_foundation_sdk.builders import dashboard, table
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus as prometheus_models
from grafana_foundation_sdk.models.common import TableCellBackgroundDisplayMode, TableColoredBackgroundCellOptions

from dashboards.panels import DATA_SOURCE, NEUTRAL, NOTHING, query, thresholds, transformation, value_words

# Behind nothing at all, which counts as 0, there is no colour.
_SHARES_OF_THE_HIGHEST = (
    dashboard.ThresholdsConfig()
    .mode(models.ThresholdsMode.PERCENTAGE)
    .steps(
        [
            models.Threshold(value=percent, color=colour)
            for percent, colour in (
                (None, "transparent"),
                (0.001, "#D0E1F2"),
                (25, "#94C4DF"),
                (50, "#4A98C9"),
                (75, "#1764AB"),
                (90, "#08306B"),
            )
        ]
    )
)

_TABLE = prometheus_models.PromQueryFormat.TABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A column of numbers: rows of all figures with the same labels become one row.

    ``steps`` colour the cell by its value, where there are any.
    """

    expr: str
    heading: str
    unit: str = "short"
    decimals: int | None = None
    steps: Sequence[tuple[float | None, str]] = ()
    words: dict[str, str] | None = None
    hidden: bool = False


def rows(
    title: str,
    description: str,
    labels: dict[str, str],
    figures: Sequence[Figure],
    *,
    worst_first: str | None = None,
    by_words: str | None = None,
    empty: str = NOTHING,
    link: tuple[str, str] | None = None,
    widths: dict[str, int] | None = None,
) -> table.Panel:
    """Show ``labels`` (their headings by name) and figures.

    Sort by the heading ``worst_first``, highest on top, or by the words under the heading ``by_words``. ``empty`` is
    said where there is no row.
    ``link`` is a heading and the address that its cells lead to; ``widths`` are of columns by heading, in pixels.
    """
    panel = _table(title, description).no_value(empty)
    for ref, figure in zip(ascii_uppercase, figures, strict=False):
        panel.with_target(query(figure.expr, "", ref, instant=True, form=_TABLE))
    # Of a single query Grafana calls the column Value, of several Value #A and so on.
    value = ["Value"] if len(figures) == 1 else [f"Value #{ref}" for ref in ascii_uppercase[: len(figures)]]
    headings = {**labels, **{name: figure.heading for name, figure in zip(value, figures, strict=True)}}
    if len(figures) > 1:
        panel.with_transformation(transformation("merge"))
    panel.with_transformation(transformation("filterFieldsByName", include={"names": list(headings)}))
    panel.with_transformation(
        transformation(
            "organize",
            indexByName={name: index for index, name in enumerate(headings)},
            renameByName=headings,
        )
    )
    if worst_first is not None:
        panel.with_transformation(transformation("sortBy", sort=[{"field": worst_first, "desc": True}]))
    if by_words is not None:
        panel.with_transformation(transformation("sortBy", sort=[{"field": by_words}]))
    for figure in figures:
        panel.override_by_name(figure.heading, _column(figure))
    for heading, width in (widths or {}).items():
        panel.override_by_name(heading, [models.DynamicConfigValue(id_val="custom.width", value=width)])
    if link is not None:
        heading, url = link
        shown = [{"title": "Details of this path", "url": url}]
        panel.override_by_name(heading, [models.DynamicConfigValue(id_val="links", value=shown)])
    return panel


def matrix(
    title: str,
    description: str,
    unit: str,
    expr: str,
    *,
    row: str,
    column: str,
    steps: Sequence[tuple[float | None, str]] = (),
    decimals: int | None = 1,
    columns: Sequence[str] = (),
    row_words: dict[str, str] | None = None,
    heading: str = "",
) -> table.Panel:
    """Show the figure of each pair of labels in a cell whose background says how high it is.

    By ``steps`` where there are any, else the darker a blue, the nearer to the highest of all that is shown.

    ``columns`` is the order of columns where it is known; ``row_words`` put values of the row's label into words;
    ``heading`` stands above the rows' labels.
    """
    corner = f"{row}\\{column}"
    panel = (
        _table(title, description)
        .unit(unit)
        .min(0)
        .thresholds(thresholds(*steps) if steps else _SHARES_OF_THE_HIGHEST)
        .with_target(query(expr, "", "A", instant=True, form=_TABLE))
        .with_transformation(transformation("sortBy", sort=[{"field": column}]))
        .with_transformation(transformation("sortBy", sort=[{"field": row}]))
        .with_transformation(
            transformation("groupingToMatrix", columnField=column, rowField=row, valueField="Value", emptyValue="null")
        )
        .cell_options(TableColoredBackgroundCellOptions(mode=TableCellBackgroundDisplayMode.BASIC))
    )
    if decimals is not None:
        panel.decimals(decimals)
    places = {name: index for index, name in enumerate((corner, *columns))} if columns else {}
    heading = heading or corner
    panel.with_transformation(transformation("organize", indexByName=places, renameByName={corner: heading}))
    words = [models.DynamicConfigValue(id_val="mappings", value=[value_words(row_words)])] if row_words else []
    plain = models.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "auto"})
    return panel.override_by_name(heading, [plain, *words])


def _table(title: str, description: str) -> table.Panel:
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .min_width(50)
        .thresholds(thresholds((None, NEUTRAL)))
        .no_value(NOTHING)
        .override_by_field_type("number", [models.DynamicConfigValue(id_val="noValue", value="-")])
    )


def _column(figure: Figure) -> list[models.DynamicConfigValue]:
    options: dict[str, Any] = {"unit": figure.unit}
    if figure.decimals is not None:
        options["decimals"] = figure.decimals
    if figure.hidden:
        options["custom.hidden"] = True
    if figure.words:
        options["mappings"] = [value_words(figure.words)]
    if figure.steps:
        steps = [{"value": value, "color": colour} for value, colour in figure.steps]
        options["thresholds"] = {"mode": "absolute", "steps": steps}
    column = [models.DynamicConfigValue(id_val=name, value=value) for name, value in options.items()]
    return [*column, _coloured()] if figure.steps else column


def _coloured() -> models.DynamicConfigValue:
    return models.DynamicConfigValue(
        id_val="custom.cellOptions", value={"type": "color-background", "mode": "basic", "applyToRow": False}
    )
