"""Who turned a packet or a connection down, and why: what ICMP and the kernel say becomes one stable word."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.ancillary import IcmpError
from collectors.failure import Failure, failure_of, is_discarded


def icmp(kind: int, code: int, version: int = 4) -> IcmpError:
    return IcmpError(errno.EHOSTUNREACH, kind, code, 0, "192.0.2.1", version)


@pytest.mark.parametrize(
    ("version", "kind", "code", "failure"),
    [
        (4, 3, 0, Failure.NETWORK_UNREACHABLE),
        (4, 3, 1, Failure.HOST_UNREACHABLE),
        (4, 3, 3, Failure.PORT_UNREACHABLE),
        (4, 3, 4, Failure.MESSAGE_TOO_LONG),
        (4, 3, 13, Failure.PROHIBITED),
        (4, 11, 0, Failure.TTL_EXCEEDED),
        (4, 3, 2, Failure.OTHER),
        (4, 12, 0, Failure.OTHER),
        (6, 1, 0, Failure.NETWORK_UNREACHABLE),
        (6, 1, 1, Failure.PROHIBITED),
        (6, 1, 3, Failure.HOST_UNREACHABLE),
        (6, 1, 4, Failure.PORT_UNREACHABLE),
        (6, 2, 0, Failure.MESSAGE_TOO_LONG),
        (6, 3, 0, Failure.TTL_EXCEEDED),
        (6, 4, 1, Failure.OTHER),
    ],
)
def test_icmp_says_why_in_the_words_of_its_version(version: int, kind: int, code: int, failure: Failure) -> None:
    assert failure_of(errno.EHOSTUNREACH, icmp(kind, code), version=version) is failure


def test_a_reset_is_told_from_a_packet_filters_port_unreachable() -> None:
    assert failure_of(errno.ECONNREFUSED, None, version=4) is Failure.REFUSED
    assert failure_of(errno.ECONNREFUSED, icmp(3, 3), version=4) is Failure.PORT_UNREACHABLE


@pytest.mark.parametrize(
    ("version", "kind", "discarded"),
    [
        (4, 3, True),
        (4, 11, True),
        (4, 12, True),
        (4, 4, False),
        (4, 5, False),
        (6, 1, True),
        (6, 4, True),
        (6, 137, False),
    ],
)
def test_a_packet_that_was_redirected_or_quenched_was_not_discarded(version: int, kind: int, discarded: bool) -> None:
    assert is_discarded(icmp(kind, 0, version)) is discarded


@given(st.integers(0, 255), st.integers(0, 255), st.sampled_from([4, 6]))
def test_whatever_icmp_says_has_a_word(kind: int, code: int, version: int) -> None:
    assert failure_of(errno.EPROTO, icmp(kind, code), version=version) in Failure
