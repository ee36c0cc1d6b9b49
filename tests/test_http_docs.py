"""The page on HTTP probes names every phase, every way to fail, and nothing that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

from agent.config.sections.probes import HttpSection
from collectors.exchange import HttpFailure, Phase
from docs.metrics import sample_names

PAGE = (Path(__file__).parent.parent / "docs" / "http.md").read_text(encoding="utf-8")


def test_every_phase_is_explained() -> None:
    assert {phase for phase in Phase if f"| `{phase}` |" not in PAGE} == set()


def test_every_failure_is_explained_but_the_timeout_that_is_a_loss() -> None:
    unexplained = {failure for failure in HttpFailure if f"| `{failure}` |" not in PAGE}
    assert unexplained == {HttpFailure.TIMED_OUT}


def test_its_metrics_exist() -> None:
    named = set(re.findall(r"eragent_[a-z_]+", PAGE))
    known = sample_names() | {name.removesuffix("_bucket") for name in sample_names()}
    assert named <= known


def test_its_keys_exist() -> None:
    for key in ("follow", "max_body", "verify", "ca_file", "dscp"):
        assert f"`{key}" in PAGE
        assert key in HttpSection.model_fields
