"""The reference of metrics says what the program has, no less and no more."""

from __future__ import annotations

from docs.metrics import FILE, families, reference


def test_the_reference_is_what_the_program_has() -> None:
    assert FILE.read_text(encoding="utf-8") == reference(), "run: python -m docs.metrics"


def test_every_metric_is_explained_in_a_sentence() -> None:
    for family in families():
        assert len(family.documentation.split()) > 2, family.name
        assert family.documentation.endswith("."), family.name
