"""Lines that a terminal has no room for."""

from __future__ import annotations

from agent.report.folding import folded


def test_a_line_breaks_between_words_and_goes_on_deeper() -> None:
    assert folded("  median difference +0.000 ms; 80 % are near", 30) == [
        "  median difference +0.000 ms;",
        "      80 % are near",
    ]


def test_what_has_room_stays_as_it_is() -> None:
    assert folded("  faster in 46.2% of pairs", 80) == ["  faster in 46.2% of pairs"]
    assert folded("", 80) == [""]


def test_a_name_does_not_break_at_its_hyphens() -> None:
    assert folded("  of the internet-backup-line", 24) == ["  of the", "      internet-backup-line"]
