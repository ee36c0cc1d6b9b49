"""How long a certificate is valid, read from its DER: the ssl module tells it only of certificates that it verified.

No I/O. Nothing is checked here; that is OpenSSL's.
"""

from __future__ import annotations

from datetime import UTC, datetime

from collectors.exchange import Certificate

_SEQUENCE = 0x30
_VERSION = 0xA0
_INTEGER = 0x02
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18


class CertificateError(ValueError):
    """These octets are no certificate."""


def parse_certificate(der: bytes) -> Certificate:
    """Read the validity of a certificate (RFC 5280, section 4.1); raise :class:`CertificateError`, nothing else."""
    certificate, _ = _value(der, _SEQUENCE)
    fields, _ = _value(certificate, _SEQUENCE)  # tbsCertificate
    if fields[:1] == bytes([_VERSION]):  # absent in version 1
        _, fields = _value(fields, _VERSION)
    for tag in (_INTEGER, _SEQUENCE, _SEQUENCE):  # serialNumber, signature, issuer
        _, fields = _value(fields, tag)
    validity, _ = _value(fields, _SEQUENCE)
    not_before, rest = _time(validity)
    not_after, _ = _time(rest)
    return Certificate(not_before=not_before, not_after=not_after)


def _value(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """Take the value with this tag off the front of ``data``: the value, and what follows it (X.690, section 8.1)."""
    if len(data) < 2 or data[0] != tag:
        raise CertificateError(f"no element of type {tag:#04x} where a certificate has one")
    size, start = data[1], 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start], "big")
    end = start + size
    if end > len(data):
        raise CertificateError("the certificate is cut off")
    return data[start:end], data[end:]


def _time(data: bytes) -> tuple[datetime, bytes]:
    """Read a UTCTime or a GeneralizedTime, both of which end in Z (RFC 5280, section 4.1.2.5)."""
    tag = data[0] if data else 0
    value, rest = _value(data, _GENERALIZED_TIME if tag == _GENERALIZED_TIME else _UTC_TIME)
    try:
        text = value.decode("ascii")
        if tag == _UTC_TIME:
            text = ("19" if text[:2] >= "50" else "20") + text
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC), rest
    except ValueError as error:
        raise CertificateError(f"a certificate has no such time: {value!r}") from error
