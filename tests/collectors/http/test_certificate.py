"""The validity of a certificate out of its DER, as OpenSSL reads it too."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.exchange import Certificate
from collectors.http.certificate import CertificateError, parse_certificate
from tests.collectors.http.servers import TLS_DATA

VALID = ssl.PEM_cert_to_DER_cert((TLS_DATA / "valid.pem").read_text())
UTC_TIME = b"\x17\x0d200101000000Z"


@pytest.mark.parametrize(
    ("name", "not_before", "not_after"),
    [
        ("valid", datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)),
        ("expired", datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, 12, tzinfo=UTC)),
        ("not-yet-valid", datetime(2110, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_certificate_says_from_when_until_when(name: str, not_before: datetime, not_after: datetime) -> None:
    der = ssl.PEM_cert_to_DER_cert((TLS_DATA / f"{name}.pem").read_text())
    assert parse_certificate(der) == Certificate(not_before=not_before, not_after=not_after)


def test_years_of_two_digits_are_from_1950_to_2049() -> None:
    assert VALID.count(UTC_TIME) == 1
    year_1950 = parse_certificate(VALID.replace(UTC_TIME, b"\x17\x0d500101000000Z"))
    year_2049 = parse_certificate(VALID.replace(UTC_TIME, b"\x17\x0d490101000000Z"))
    assert (year_1950.not_before.year, year_2049.not_before.year) == (1950, 2049)


def test_days_left_are_negative_once_it_has_ended() -> None:
    certificate = parse_certificate(VALID)
    assert certificate.days_left(certificate.not_after - timedelta(hours=36)) == 1.5
    assert certificate.days_left(certificate.not_after + timedelta(days=2)) == -2


@pytest.mark.parametrize(
    ("der", "message"),
    [
        (b"", "no element of type 0x30"),
        (VALID[:100], "cut off"),
        (b"\x30\x00", "no element of type 0x30"),
        (VALID.replace(UTC_TIME, b"\x17\x0d201301000000Z"), "no such time"),
        (VALID.replace(UTC_TIME, b"\x18\x0d201301000000Z"), "no such time"),
        (VALID.replace(UTC_TIME, b"\x16\x0d200101000000Z"), "no element of type 0x17"),
    ],
)
def test_what_is_no_certificate_is_refused_with_its_reason(der: bytes, message: str) -> None:
    with pytest.raises(CertificateError, match=message):
        parse_certificate(der)


@given(
    st.binary(max_size=60)
    | st.builds(
        lambda at, octet: VALID[:at] + octet + VALID[at + 1 :], st.integers(0, 200), st.binary(min_size=1, max_size=1)
    )
)
def test_any_octets_are_a_certificate_or_a_certificate_error(der: bytes) -> None:
    try:
        parse_certificate(der)
    except CertificateError:
        return
