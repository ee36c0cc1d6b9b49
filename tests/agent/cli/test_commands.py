"""The commands that there are, and what is said of one that there is not."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from agent.cli import main


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("prob", "No such command 'prob'. Did you mean 'probe'?"),
        ("chekc", "No such command 'chekc'. Did you mean 'check'?"),
        ("ping", "No such command 'ping'."),
        ("--verison", "No such option '--verison'. Did you mean '--version'?"),
    ],
)
def test_a_typo_is_told_with_what_was_meant_where_that_is_near(written: str, said: str) -> None:
    result = CliRunner().invoke(main, [written])
    assert result.exit_code == 2
    assert result.stderr.strip().endswith(said)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (["probe", "10.1.0.4"], "(10.1.0.4): write --target 10.1.0.4"),
        (["probe", "--count", "3", "10.1.0.4", "10.1.0.5"], "(10.1.0.4): write --target 10.1.0.4"),
        (["check", "my.yaml"], "(my.yaml): write --config my.yaml"),
        (["run", "my.yaml"], "(my.yaml): write --config my.yaml"),
        (["reflect", "my.yaml"], "(my.yaml): write --config my.yaml"),
    ],
)
def test_a_word_without_an_option_is_told_with_the_option_that_was_meant(written: list[str], said: str) -> None:
    result = CliRunner().invoke(main, written)
    assert result.exit_code == 2
    assert result.stderr.strip().endswith(said)
