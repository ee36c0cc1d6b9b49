"""A bound of a clock's error grows as a kept clock drifts where its last update was seen, else as the kernel has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from collectors.claim import PHI_PPM, ClockClaim, KernelClaim, OwnClaim
from collectors.clock import ClockState

US = 1_000
MS = 1_000_000
S = 1_000_000_000


def kernel(bound_ns: int, *, synchronised: bool = True) -> ClockState:
    return ClockState(synchronised=synchronised, error_ns=0, max_error_ns=bound_ns)


def read_each_second(claim: KernelClaim, bounds_ns: Iterator[int] | list[int], *, from_s: int = 0) -> list[int | None]:
    return [claim.take(kernel(bound_ns), (from_s + at) * S).error_ns for at, bound_ns in enumerate(bounds_ns)]


def test_until_an_update_was_seen_the_kernels_own_bound_stands() -> None:
    bounds_ns = [730 * US + second * 500 * US for second in range(5)]
    assert read_each_second(KernelClaim(), bounds_ns) == bounds_ns


def test_from_an_update_on_a_bound_grows_by_15_ppm() -> None:
    claim = KernelClaim()
    read_each_second(claim, [2_230 * US, 2_730 * US, 3_230 * US])
    worth_ns = read_each_second(claim, [51 * US + second * 500 * US for second in range(8)], from_s=3)
    assert worth_ns[0] == 51 * US  # the kernel's own: the update may be a second old by now, but not its growth
    assert worth_ns[1:] == [51 * US + round((second + 1) * S * PHI_PPM * 1e-6) for second in range(1, 8)]
    assert worth_ns[-1] == 171 * US  # where the kernel says 3.551 ms


def test_an_update_that_raises_the_bound_is_one_too() -> None:
    claim = KernelClaim()
    read_each_second(claim, [900 * US, 60 * US, 560 * US])
    assert read_each_second(claim, [1_700 * US], from_s=3) == [1_700 * US]
    assert read_each_second(claim, [2_200 * US], from_s=4) == [1_730 * US]


@pytest.mark.parametrize("second", range(5))
def test_a_second_that_the_kernel_adds_late_is_no_update(second: int) -> None:
    claim = KernelClaim()
    read_each_second(claim, [900 * US, 60 * US])
    bounds_ns = [60 * US + at * 500 * US - (500 * US if at == second else 0) for at in range(1, 6)]
    assert read_each_second(claim, bounds_ns, from_s=2)[-1] == 150 * US


def test_a_bound_that_grew_from_nothing_is_none() -> None:
    bounds_ns = [second * 500 * US for second in range(5)]
    assert read_each_second(KernelClaim(), [*bounds_ns, *bounds_ns]) == [None] * 10


def test_a_clock_that_is_not_kept_any_more_claims_nothing_and_begins_anew() -> None:
    claim = KernelClaim()
    read_each_second(claim, [900 * US, 60 * US, 560 * US])
    assert claim.take(kernel(16 * S, synchronised=False), 3 * S) == ClockClaim()
    assert claim.take(kernel(560 * US), 4 * S) == ClockClaim(synchronised=True, error_ns=560 * US)


class Standing:
    """Clocks that the test sets."""

    now_ns = 0

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        raise AssertionError("a clock that is set tells no ages")


def test_the_kernel_is_asked_ten_times_a_second_at_most() -> None:
    asked = []

    def state() -> ClockState:
        asked.append(clock.now_ns)
        return ClockState(synchronised=True, error_ns=0, max_error_ns=51 * US, tai_offset_s=37)

    clock = Standing()
    own = OwnClaim(clock, clock_state=state)
    first = own()
    assert first == ClockClaim(synchronised=True, error_ns=51 * US)
    assert own.tai_offset_s == 37
    clock.now_ns = 99 * MS
    assert own() is first
    clock.now_ns = 100 * MS
    own()
    assert asked == [0, 100 * MS]


def test_a_host_whose_sandbox_forbids_to_ask_claims_nothing() -> None:
    def forbidden() -> ClockState:
        raise PermissionError("adjtimex")

    assert OwnClaim(Standing(), clock_state=forbidden)() == ClockClaim()
