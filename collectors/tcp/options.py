"""What a TCP probe may be told. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from collectors.path import PacketMarks


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpOptions:
    """What a TCP probe connects to: ``port``, with packets of these marks.

    ``dont_fragment`` is none of TCP's: it finds the largest packet of a path by itself.
    """

    kind: ClassVar[str] = "tcp"
    port: int = 443
    marks: PacketMarks = PacketMarks()
