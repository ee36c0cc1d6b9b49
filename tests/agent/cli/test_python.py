"""On which Python the program runs."""

from __future__ import annotations

import pytest

from agent.cli import UnsupportedPythonError, check_python


def test_a_python_that_is_too_old_is_told_with_exit_code_4() -> None:
    with pytest.raises(UnsupportedPythonError, match=r"Python 3\.10 does not serve: install eragent with Python 3\.11"):
        check_python((3, 10))
    assert UnsupportedPythonError.exit_code == 4


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 14), (4, 0)])
def test_newer_ones_serve(version: tuple[int, int]) -> None:
    check_python(version)
