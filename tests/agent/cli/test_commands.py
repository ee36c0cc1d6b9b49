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
