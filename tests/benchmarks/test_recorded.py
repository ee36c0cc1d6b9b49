"""A month that was made has what the front page asks of it, or its benchmark would measure nothing."""

from __future__ import annotations

import re

from benchmarks.recorded import AGENTS, PATHS, PROBE, TARGETS, samples
from dashboards.generate import FOLDER

HOUR_S = 3600
BEGIN_S = 1_750_000_000 // HOUR_S * HOUR_S


def names(text: str) -> set[str]:
    return set(re.findall(r"\b(?:\w+:)?eragent_\w+(?::\w+)?", text))


def test_all_that_the_front_page_asks_for_is_made() -> None:
    asked = names((FOLDER / "path-comparison.json").read_text(encoding="utf-8"))
    assert len(asked) > 30
    assert asked <= names("".join(samples(BEGIN_S, BEGIN_S + HOUR_S)))


def test_both_paths_have_a_sample_in_every_interval_of_the_rules() -> None:
    lines = "".join(samples(BEGIN_S, BEGIN_S + HOUR_S)).splitlines()
    asked = (
        f'stream:eragent_rtt_seconds:p99_1m{{agent="{AGENTS[0]}",probe="{PROBE}",kind="{PROBE}",target="{TARGETS[0]}"'
    )
    for path in PATHS:
        times = [int(line.split()[2]) for line in lines if line.startswith(f'{asked},path="{path}"')]
        assert times == list(range(BEGIN_S, BEGIN_S + HOUR_S, 30))
