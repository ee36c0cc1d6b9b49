from collectors.stamp.dispatch import stretches
from collectors.stamp.reply import Reply
from collectors.stamp.table import Session, TokenBucket


def _reply(session: Session, *, size: int = 44, wants_stamp: bool = False) -> Reply:
    return Reply(size, 0, session, 0, wants_stamp=wants_stamp)


def test_replies_that_go_the_same_way_are_found_among_others() -> None:
    one, other = (Session((b"", b""), TokenBucket(1), 0, needs_care=False) for _ in range(2))
    alike, mixed = [_reply(one)] * 4, [_reply(one), _reply(other)] * 2
    assert list(stretches([])) == []
    assert list(stretches(alike)) == [(0, 4, True)]
    assert list(stretches(alike[:3])) == [(0, 3, False)]
    assert list(stretches(mixed + alike + mixed)) == [(0, 4, False), (4, 9, True), (9, 12, False)]
    assert list(stretches([_reply(one, size=901)] * 9)) == [(0, 9, False)]
    assert list(stretches([_reply(one, wants_stamp=True)] * 9)) == [(0, 9, False)]
    assert list(stretches([*alike, _reply(one, wants_stamp=True)])) == [(0, 4, True), (4, 5, False)]
