"""Where panels stand: sections with a heading, one under the other, panels side by side in Grafana's 24 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

_COLUMNS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Panels under a heading, all of one height; ``widths`` repeat, and each round of them fills the 24 columns."""

    title: str
    height: int
    widths: Sequence[int]
    panels: Sequence[Builder[models.Panel]]

    def __post_init__(self) -> None:
        assert sum(self.widths) == _COLUMNS, self.title


def placed(sections: Iterable[Section]) -> list[models.Panel | models.RowPanel]:
    """Give the panels their numbers and places."""
    everything: list[models.Panel | models.RowPanel] = []
    y = 0
    for section in sections:
        heading = models.GridPos(x=0, y=y, w=_COLUMNS, h=1)
        everything.append(models.RowPanel(title=section.title, grid_pos=heading, id_val=len(everything) + 1))
        y += 1
        for index, builder in enumerate(section.panels):
            line, column = divmod(index, len(section.widths))
            panel = builder.build()
            panel.id_val = len(everything) + 1
            panel.grid_pos = models.GridPos(
                x=sum(section.widths[:column]),
                y=y + line * section.height,
                w=section.widths[column],
                h=section.height,
            )
            everything.append(panel)
        y += -(-len(section.panels) // len(section.widths)) * section.height
    return everything
