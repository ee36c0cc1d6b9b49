"""Which test packet an ICMP error quotes is told by its number and proved by its time."""

from __future__ import annotations

import pytest

from collectors.peer import Rejection
from collectors.roundtrip import Quote
from collectors.stamp.options import StampOptions
from tests.collectors.stamp.conversation import KEY, Conversation

FORMS = [StampOptions(), StampOptions(ptp=True), StampOptions(key=KEY), StampOptions(size=200)]


@pytest.mark.parametrize("options", FORMS)
@pytest.mark.parametrize("octets", [4, 7, 12, 15, 19, 28, 64])
def test_however_much_of_a_packet_is_quoted_tells_its_number(options: StampOptions, octets: int) -> None:
    conversation = Conversation(options)
    conversation.ask()
    quoted = conversation.ask()[:octets]
    assert conversation.hearing.quote(quoted, conversation.stream.departure) == Quote(1, 32)


@pytest.mark.parametrize("octets", [0, 3])
def test_eight_octets_of_udp_tell_the_session_alone(octets: int) -> None:
    conversation = Conversation()
    quoted = conversation.ask()[:octets]
    assert conversation.hearing.quote(quoted, conversation.stream.departure) == Quote(0, 0)


@pytest.mark.parametrize("options", FORMS)
def test_the_packet_of_an_earlier_session_on_the_same_port_is_none_of_this_one(options: StampOptions) -> None:
    conversation, earlier = Conversation(options), Conversation(options)
    conversation.ask()
    earlier.ask()
    second = earlier.ask()
    assert conversation.hearing.quote(second, conversation.stream.departure) is Rejection.UNKNOWN_PACKET
    at = 16 if options.key else 4
    forged = second[:3] + b"\0" + second[4:at] + b"\1" * 8 + second[at + 8 :]
    assert conversation.hearing.quote(forged, conversation.stream.departure) is Rejection.WRONG_TIMESTAMP
