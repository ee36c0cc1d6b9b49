"""Names are resolved again, sooner after a failure, and always for the path's own family."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest

from agent.resolve import AGAIN_AFTER_FAILURE_S, AGAIN_S, keep_resolving, literal, resolve
from collectors.errors import CollectorError
from collectors.path import NetworkPath

ANY = NetworkPath(name="any")


def test_an_address_needs_no_resolving() -> None:
    assert literal("10.1.0.4") == "10.1.0.4"
    assert literal("FD00::0:1") == "fd00::1"
    assert literal("azure-hub.example") is None


async def test_the_address_has_the_family_of_the_source() -> None:
    assert await resolve("127.1", NetworkPath(name="p", source=ip_address("127.0.0.1"))) == "127.0.0.1"


async def test_a_bad_name_is_an_error_with_a_reason_and_a_remedy() -> None:
    with pytest.raises(CollectorError, match="check the name and this host's DNS") as caught:
        await resolve("no-such-host.invalid", ANY)
    assert caught.value.reason == "unresolved"


class Names:
    """Answers from a list, and counts the waits; the wait after the last answer never ends."""

    def __init__(self, answers: list[str | CollectorError]) -> None:
        self.answers = answers
        self.waits: list[float] = []
        self.told: list[str] = []

    async def resolve(self, host: str, path: NetworkPath) -> str:
        answer = self.answers.pop(0)
        if isinstance(answer, CollectorError):
            raise answer
        return answer

    async def sleep(self, delay_s: float) -> None:
        self.waits.append(delay_s)
        if not self.answers:
            raise asyncio.CancelledError


async def test_a_name_is_resolved_again_and_a_failure_is_told_and_retried_sooner() -> None:
    names = Names(["10.1.0.4", CollectorError("gone", reason="unresolved"), "10.1.0.5"])
    with pytest.raises(asyncio.CancelledError):
        await keep_resolving(
            "hub",
            ANY,
            names.told.append,
            lambda error: names.told.append(str(error)),
            resolve=names.resolve,
            sleep=names.sleep,
        )
    assert names.told == ["10.1.0.4", "gone", "10.1.0.5"]
    assert names.waits == [AGAIN_S, AGAIN_AFTER_FAILURE_S, AGAIN_S]
