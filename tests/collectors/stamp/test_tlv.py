from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.stamp.tlv import (
    METHOD_NAMES,
    SYNC_SOURCE_NAMES,
    UNRECOGNISED,
    ClassOfService,
    DirectMeasurement,
    FollowUp,
    Location,
    Method,
    SubTlvType,
    TimestampInformation,
    Tlv,
    TlvError,
)

Value = ClassOfService | DirectMeasurement | FollowUp | Location | TimestampInformation

u2, u6, u8, u16, u32 = (st.integers(0, (1 << bits) - 1) for bits in (2, 6, 8, 16, 32))
eight_octets = st.binary(min_size=8, max_size=8)
sub_tlvs = st.builds(Tlv, u8, u8, st.binary(max_size=20))
values = st.one_of(
    st.builds(ClassOfService, dscp1=u6, dscp2=u6, ecn=u2, rp=u2),
    st.builds(DirectMeasurement, sent=u32, reflector_received=u32, reflector_sent=u32),
    st.builds(FollowUp, sequence=u32, timestamp=eight_octets, mode=u8),
    st.builds(TimestampInformation, sync_source_in=u8, method_in=u8, sync_source_out=u8, method_out=u8),
    st.builds(Location, destination_port=u16, source_port=u16, sub_tlvs=st.lists(sub_tlvs, max_size=4).map(tuple)),
)
PARSERS: list[Callable[[bytes], Value]] = [
    ClassOfService.parse,
    DirectMeasurement.parse,
    FollowUp.parse,
    Location.parse,
    TimestampInformation.parse,
]


@given(values)
def test_a_value_is_read_as_it_was_written(value: Value) -> None:
    assert type(value).parse(bytes(value)) == value


@given(st.sampled_from(PARSERS), st.binary(max_size=60))
def test_any_octets_are_a_value_or_a_tlv_error(parse: Callable[[bytes], Value], octets: bytes) -> None:
    try:
        value = parse(octets)
    except TlvError:
        return
    assert len(bytes(value)) <= len(octets)


def test_v11_v12_the_marks_there_and_back_are_packed_in_one_word() -> None:
    assert bytes(ClassOfService(dscp1=46)).hex() == "b8000000"
    assert bytes(ClassOfService(dscp1=46, dscp2=40, ecn=1)).hex() == "ba840000"
    assert ClassOfService.parse(bytes.fromhex("ba840000")) == ClassOfService(dscp1=46, dscp2=40, ecn=1, rp=0)


def test_reserved_bits_are_ignored_in_what_is_read() -> None:
    assert ClassOfService.parse(bytes.fromhex("b800ffff")) == ClassOfService(dscp1=46)
    follow_up = FollowUp.parse(bytes.fromhex("00000007 ed1355401f9add37 02 ffffff"))
    assert follow_up == FollowUp(sequence=7, timestamp=bytes.fromhex("ed1355401f9add37"), mode=Method.SOFTWARE)
    assert bytes(follow_up).hex() == "00000007ed1355401f9add3702000000"


@pytest.mark.parametrize(
    "value",
    [
        ClassOfService(dscp1=64),
        ClassOfService(dscp1=0, dscp2=64),
        ClassOfService(dscp1=0, ecn=4),
        ClassOfService(dscp1=-1),
        DirectMeasurement(sent=1 << 32),
        FollowUp(sequence=-1, timestamp=bytes(8)),
        FollowUp(sequence=0, timestamp=bytes(7)),
        TimestampInformation(method_in=256),
        Location(source_port=65_536),
        Location(sub_tlvs=(Tlv(0, 300, b""),)),
        Tlv(0, 1, bytes(65_536)),
    ],
)
def test_numbers_that_do_not_fit_are_refused(value: Value | Tlv) -> None:
    with pytest.raises(TlvError):
        bytes(value)


def test_an_error_says_what_did_not_fit() -> None:
    with pytest.raises(TlvError, match=r"a DSCP is 0 to 63, ECN and RP are 0 to 3; not so in .*dscp1=64"):
        bytes(ClassOfService(dscp1=64))
    with pytest.raises(TlvError, match="16 octets are needed, not 4"):
        FollowUp.parse(bytes(4))


def located(kind: SubTlvType, address: str, flags: int = 0) -> Location:
    sub = Tlv(flags, kind, bytes.fromhex(address).ljust(16, b"\0"))
    return Location(destination_port=862, source_port=4000, sub_tlvs=(sub,))


def test_a_location_tells_addresses_with_their_ports() -> None:
    assert located(SubTlvType.SOURCE_IPV4, "0a000001").source == "10.0.0.1:4000"
    assert located(SubTlvType.SOURCE_IPV6, "20010db8" + "00" * 11 + "01").source == "[2001:db8::1]:4000"
    assert located(SubTlvType.DESTINATION_IPV4, "0a000002").destination == "10.0.0.2:862"
    assert located(SubTlvType.DESTINATION_IPV6, "00" * 15 + "01").destination == "[::1]:862"


def test_an_address_that_was_not_reported_is_missing() -> None:
    assert Location(source_port=4000).source is None
    assert located(SubTlvType.SOURCE_IPV4, "").source is None
    assert located(SubTlvType.SOURCE_IPV4, "0a000001", flags=UNRECOGNISED).source is None
    assert located(SubTlvType.SOURCE_ADDRESS, "0a000001").source is None
    assert located(SubTlvType.SOURCE_IPV4, "0a000001").destination is None
    assert Location(sub_tlvs=(Tlv(0, SubTlvType.SOURCE_IPV4, bytes([10, 0, 0, 1])),)).source is None


def test_sub_tlvs_end_where_their_location_ends() -> None:
    with pytest.raises(TlvError, match="do not end where it ends"):
        Location.parse(bytes(4) + bytes.fromhex("80040010"))


def test_sub_tlvs_may_follow_the_timestamp_information() -> None:
    assert TimestampInformation.parse(bytes([1, 2, 1, 2]) + bytes(8)) == TimestampInformation(
        sync_source_in=1, method_in=2, sync_source_out=1, method_out=2
    )


def test_codes_have_names_for_users() -> None:
    assert list(SYNC_SOURCE_NAMES.items()) == [
        (1, "ntp"),
        (2, "ptp"),
        (3, "ssu_bits"),
        (4, "gnss"),
        (5, "free_running"),
    ]
    assert list(METHOD_NAMES.items()) == [(1, "hardware"), (2, "software"), (3, "control_plane")]
