"""Which path the dashboard calls the more predictable one, by made-up series that promtool evaluates."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from dashboards.generate import RULES
from dashboards.promql import more_predictable
from tests.dashboards.programs import debian_program

_LABELS = 'agent="a", kind="stamp", target="t", probe="p"'


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """What a path does in each quarter of a minute, of 1000 packets."""

    variation_ms: float
    lost: int = 0
    failed: int = 0
    slower_than_20_ms: int = 0


def _series(path: str, course: _Course) -> dict[str, float]:
    """Return counters and their growth; round trips take 10 to 20 ms, or 20 to 100."""
    received = 1000 - course.lost - course.failed
    labels = f'{_LABELS}, path="{path}"'
    return {
        f"eragent_packets_sent_total{{{labels}}}": 1000,
        f"eragent_packets_lost_total{{{labels}}}": course.lost,
        f'eragent_packets_failed_total{{{labels}, reason="host_unreachable"}}': course.failed,
        f"eragent_ipdv_seconds_sum{{{labels}}}": received * course.variation_ms / 1000,
        f"eragent_ipdv_seconds_count{{{labels}}}": received,
        f"eragent_rtt_seconds_sum{{{labels}}}": received * 0.012,
        f"eragent_rtt_seconds_count{{{labels}}}": received,
        f'eragent_rtt_seconds_bucket{{{labels}, le="0.01"}}': 0,
        f'eragent_rtt_seconds_bucket{{{labels}, le="0.02"}}': received - course.slower_than_20_ms,
        f'eragent_rtt_seconds_bucket{{{labels}, le="0.1"}}': received,
        f'eragent_rtt_seconds_bucket{{{labels}, le="+Inf"}}': received,
    }


def _expression(baseline: str = "vpn", candidate: str = "er") -> str:
    expression = more_predictable()
    for name, value in {
        "agent": "a",
        "target": "t",
        "probe": "p",
        "baseline": baseline,
        "candidate": candidate,
    }.items():
        expression = expression.replace(f"${name}", value)
    return f"count by (winner) ({expression})"


@pytest.mark.parametrize(
    ("baseline", "candidate", "winner"),
    [
        pytest.param(_Course(variation_ms=2), _Course(variation_ms=0.1), "er", id="it varies less"),
        pytest.param(_Course(variation_ms=0.1), _Course(variation_ms=2), "vpn", id="the other varies less"),
        pytest.param(_Course(variation_ms=1), _Course(variation_ms=0.95), "neither: alike", id="a hair's breadth"),
        pytest.param(_Course(variation_ms=0), _Course(variation_ms=1), "undecided", id="one never varies"),
        pytest.param(_Course(variation_ms=2), _Course(variation_ms=1, lost=30), "neither: mixed", id="it loses more"),
        pytest.param(_Course(variation_ms=2, lost=30), _Course(variation_ms=1), "er", id="the other loses more"),
        pytest.param(_Course(variation_ms=2), _Course(variation_ms=1, failed=30), "neither: mixed", id="more fail"),
        pytest.param(
            _Course(variation_ms=2),
            _Course(variation_ms=1, slower_than_20_ms=100),
            "neither: mixed",
            id="it has a tail",
        ),
        pytest.param(_Course(variation_ms=1), _Course(variation_ms=9, lost=1000), "vpn", id="it is silent"),
        pytest.param(_Course(variation_ms=9, lost=1000), _Course(variation_ms=1), "er", id="the other is silent"),
        pytest.param(
            _Course(variation_ms=9, lost=1000), _Course(variation_ms=9, lost=1000), "undecided", id="both are"
        ),
    ],
)
def test_the_more_predictable_path_is(baseline: _Course, candidate: _Course, winner: str, tmp_path: Path) -> None:
    series = {**_series("vpn", baseline), **_series("er", candidate)}
    _assert_winner(winner, _expression(), series, tmp_path)


@pytest.mark.parametrize(("candidate", "winner"), [("er.1", "one path only"), ("er-1", "neither: alike")])
def test_a_path_is_not_compared_with_itself_but_with_one_of_a_similar_name(
    candidate: str, winner: str, tmp_path: Path
) -> None:
    course = _Course(variation_ms=1)
    series = {**_series("er.1", course), **_series("er-1", course)}
    _assert_winner(winner, _expression("er.1", candidate), series, tmp_path)


def _assert_winner(winner: str, expression: str, series: dict[str, float], tmp_path: Path) -> None:
    expected = [{"labels": f'{{winner="{winner}"}}', "value": 1}]
    case = {
        "interval": "15s",
        "input_series": [{"series": name, "values": f"0+{growth}x40"} for name, growth in series.items()],
        "promql_expr_test": [{"expr": expression, "eval_time": "10m", "exp_samples": expected}],
    }
    file = tmp_path / "case.json"  # JSON is YAML
    file.write_text(
        json.dumps({"rule_files": [str(RULES / "*.yml")], "evaluation_interval": "15s", "tests": [case]}),
        encoding="utf-8",
    )
    said = subprocess.run(
        [debian_program("promtool"), "test", "rules", file], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr
