from __future__ import annotations

from agent.history.hops import IN_A_ROW, AnswerHops


def taken(hops: AnswerHops, ttls: list[int]) -> list[tuple[int, int]]:
    """Take answers to packets sent at 0, 1, 2 ... and return each TTL that became the stream's, and since when."""
    found = []
    for at_ns, ttl in enumerate(ttls):
        if ttl == hops.ttl:
            hops.same()
            continue
        since_ns = hops.changed_at_ns(ttl, at_ns)
        if since_ns is not None:
            found.append((ttl, since_ns))
    return found


def test_a_ttl_is_known_since_the_first_of_ten_answers_that_have_it() -> None:
    assert taken(AnswerHops(), [64] * (IN_A_ROW - 1)) == []
    assert taken(AnswerHops(), [64] * IN_A_ROW + [62] * IN_A_ROW) == [(64, 0), (62, IN_A_ROW)]


def test_a_few_answers_by_another_way_are_no_change() -> None:
    assert taken(AnswerHops(), ([64] * IN_A_ROW + [62] * (IN_A_ROW - 1)) * 5) == [(64, 0)]


def test_ways_that_take_turns_are_no_change() -> None:
    assert taken(AnswerHops(), [64, 63] * 50) == []
    assert taken(AnswerHops(), [64] * IN_A_ROW + [62, 61] * 50) == [(64, 0)]
