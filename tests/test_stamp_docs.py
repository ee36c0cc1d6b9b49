"""The page on STAMP names everything that an operator can meet in figures and metrics."""

from enum import StrEnum
from pathlib import Path

import pytest

from collectors.oneway import Doubt
from collectors.peer import Quirk, Rejection
from collectors.stamp.refusal import Refusal
from collectors.stamp.tlv import TLV_NAMES, TlvType

PAGE = (Path(__file__).parent.parent / "docs" / "stamp.md").read_text(encoding="utf-8")


def rows(heading: str) -> set[str]:
    """Return the first cells of the table under a heading, as far as they are names."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return {line.split("`")[1] for line in section.splitlines() if line.startswith("| `")}


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("One-way delays", Doubt),
        ("What is tolerated", Quirk),
        ("What is rejected", Rejection),
        ("Whom the reflector answers", Refusal),
    ],
)
def test_every_reason_has_its_row_and_no_row_is_of_something_else(heading: str, names: type[StrEnum]) -> None:
    assert rows(heading) == {str(name) for name in names}


def test_every_tlv_that_is_understood_has_its_row() -> None:
    assert rows("TLVs") == {name for kind, name in TLV_NAMES.items() if kind is not TlvType.ACCESS_REPORT}
