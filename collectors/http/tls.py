"""TLS without a socket: octets of the connection go in and out, so that who reads them can tell when they came."""

from __future__ import annotations

import functools
import ssl
from pathlib import Path

from collectors.errors import CollectorError
from collectors.exchange import Certificate, HttpFailure
from collectors.http.certificate import CertificateError, parse_certificate
from collectors.http.failing import AttemptError

_RECORD = 16_384  # RFC 8446, section 5.1

# X509_V_ERR_* of OpenSSL's x509_vfy.h: what its check of a certificate found.
_FAILURES = {
    2: HttpFailure.TLS_UNTRUSTED,  # UNABLE_TO_GET_ISSUER_CERT
    10: HttpFailure.TLS_EXPIRED,  # CERT_HAS_EXPIRED
    18: HttpFailure.TLS_UNTRUSTED,  # DEPTH_ZERO_SELF_SIGNED_CERT
    19: HttpFailure.TLS_UNTRUSTED,  # SELF_SIGNED_CERT_IN_CHAIN
    20: HttpFailure.TLS_UNTRUSTED,  # UNABLE_TO_GET_ISSUER_CERT_LOCALLY
    21: HttpFailure.TLS_UNTRUSTED,  # UNABLE_TO_VERIFY_LEAF_SIGNATURE
    27: HttpFailure.TLS_UNTRUSTED,  # CERT_UNTRUSTED
    62: HttpFailure.TLS_HOSTNAME,  # HOSTNAME_MISMATCH
    64: HttpFailure.TLS_HOSTNAME,  # IP_ADDRESS_MISMATCH
}


def tls_context(*, verify: bool = True, ca_file: Path | None = None) -> ssl.SSLContext:
    """Return what connections share: TLS 1.2 or newer, certificates checked against ``ca_file`` or the host's own.

    Streams with the same authorities have the same one: reading the host's takes 33 ms. Raise :class:`CollectorError`
    where the file is of no use.
    """
    try:
        return _context(verify, ca_file, None if ca_file is None else ca_file.stat().st_mtime_ns)
    except OSError as error:  # ssl.SSLError is one too
        message = f"cannot use {ca_file} as certificate authorities: {error.strerror}: give a readable PEM file"
        raise CollectorError(message, reason="invalid") from error


@functools.lru_cache(maxsize=16)
def _context(
    verify: bool,
    ca_file: Path | None,
    changed_ns: int | None,  # noqa: ARG001  # a file that was replaced is read anew
) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    # The same on every Python, of which 3.13 changed both: an intermediate authority may be trusted by itself, and, as
    # in browsers, a private authority's certificates may lack fields of RFC 5280 that no check needs.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    return context


class TlsChannel:
    """Our end of one TLS connection.

    ``received`` takes what came, ``outgoing`` gives what is to be sent. All may raise :class:`AttemptError`.
    """

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._verified = context.verify_mode is ssl.CERT_REQUIRED
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    @property
    def version(self) -> str | None:
        """The version that was agreed on, such as ``TLSv1.3``."""
        return self._tls.version()

    @property
    def verified(self) -> bool:
        """Whether the certificate had to be checked for the handshake to succeed."""
        return self._verified

    def certificate(self) -> Certificate | None:
        """Return the server's certificate; ``None`` where it cannot be read."""
        der = self._tls.getpeercert(binary_form=True)
        try:
            return parse_certificate(der) if der else None
        except CertificateError:
            return None

    def received(self, data: bytes) -> None:
        """Take what came over the connection; nothing means that the server closed it."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def outgoing(self) -> bytes:
        """Return what is to be sent."""
        return self._outgoing.read()

    def shake_hands(self) -> bool:
        """Go on with the handshake as far as possible; return whether it is complete."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise _failure_of(error) from error
        return True

    def encrypt(self, data: bytes) -> None:
        """Put data among what is to be sent."""
        self._tls.write(data)

    def decrypt(self) -> bytes | None:
        """Return what the server sent; empty where more has to come first, ``None`` once the server sends no more."""
        plain = bytearray()
        try:
            while data := self._tls.read(_RECORD):
                plain += data
        except ssl.SSLWantReadError:
            return bytes(plain)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):  # many servers close without TLS's own farewell
            pass
        except ssl.SSLError as error:
            raise _failure_of(error) from error
        return bytes(plain) or None


def _failure_of(error: ssl.SSLError) -> AttemptError:
    if isinstance(error, ssl.SSLCertVerificationError):
        failure = _FAILURES.get(error.verify_code, HttpFailure.TLS_OTHER)
        return AttemptError(failure, f"the server's certificate: {error.verify_message}")
    if isinstance(error, ssl.SSLEOFError):
        return AttemptError(HttpFailure.CLOSED, "the server closed the connection during the TLS handshake")
    return AttemptError(HttpFailure.TLS_OTHER, f"TLS: {error.reason or error}")
