"""What tables and counts say where nothing is known: a zero and a "none" are said only where they are true."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from dashboards.generate import RULES
from dashboards.promql import ABSENT_AGENTS, alerts, number_of, number_of_alerts
from tests.dashboards.programs import debian_program

_LOSS = 'loss{path="a"}'
_DOWN = number_of("loss == 1", "loss")
_BUILD = 'eragent_build_info{agent="a"}'
_FIRING = 'ALERTS{alertname="EragentPathDown", alertstate="firing", severity="page", agent="a"}'
_QUIET = '{alertname="none", severity="-"}'


@pytest.mark.parametrize(
    ("expression", "series", "expected"),
    [
        pytest.param(_DOWN, {}, None, id="of no path it is known whether it is down"),
        pytest.param(_DOWN, {_LOSS: "0x20"}, 0, id="no path is down"),
        pytest.param(_DOWN, {_LOSS: "1x20"}, 1, id="one path is down"),
        pytest.param(ABSENT_AGENTS, {}, None, id="there never was an agent"),
        pytest.param(ABSENT_AGENTS, {_BUILD: "1x20"}, 0, id="no agent is absent"),
        pytest.param(ABSENT_AGENTS, {_BUILD: "1x5 stale"}, 1, id="the only agent is absent"),
    ],
)
def test_a_number_is_zero_only_where_something_is_known(
    expression: str, series: dict[str, str], expected: float | None, tmp_path: Path
) -> None:
    answer = [] if expected is None else [{"labels": "{}", "value": expected}]
    _assert_answer(expression, series, answer, [], tmp_path)


def test_alerts_are_none_only_where_rules_are_evaluated(tmp_path: Path) -> None:
    where = 'agent="a"'
    rules = [str(RULES / "*.yml")]
    _assert_answer(alerts(where), {}, [], [], tmp_path)
    _assert_answer(number_of_alerts(where), {}, [], [], tmp_path)
    _assert_answer(alerts(where), {}, [{"labels": _QUIET, "value": 0}], rules, tmp_path)
    _assert_answer(number_of_alerts(where), {}, [{"labels": "{}", "value": 0}], rules, tmp_path)
    _assert_answer(alerts(where), {_FIRING: "1x20"}, [{"labels": _FIRING, "value": 1}], rules, tmp_path)


def _assert_answer(
    expression: str, series: dict[str, str], answer: list[dict[str, object]], rules: list[str], tmp_path: Path
) -> None:
    case = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expression, "eval_time": "5m", "exp_samples": answer}],
    }
    file = tmp_path / "case.json"  # JSON is YAML
    file.write_text(json.dumps({"rule_files": rules, "evaluation_interval": "15s", "tests": [case]}), encoding="utf-8")
    said = subprocess.run(
        [debian_program("promtool"), "test", "rules", file], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr
