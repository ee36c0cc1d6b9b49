"""Who tests throughput, to a server that asks: what iperf3's RSA authentication can tell, and files that serve it."""

from __future__ import annotations

from pathlib import Path

from agent.keys import KeyFileError, read_secret

_ENOUGH = 4096  # more than any public key in PEM format has ahead of its end
_PUBLIC_KEY = b"-----BEGIN PUBLIC KEY-----"


def parse_user(text: str) -> str:
    """Check the name of a user; raise :class:`ValueError` where iperf3 could not tell it.

    Its server reads name and password up to the first white space each, and lines of users up to a comma.
    """
    if not text.isprintable() or not text or " " in text or "," in text:
        raise ValueError(f"{text!r} is no user of iperf3: write a name without spaces and commas")
    return text


def check_password(path: Path) -> None:
    """Raise :class:`KeyFileError` where a file does not hold a password of iperf3 alone."""
    content = read_secret(path, "password").removesuffix(b"\n")
    try:
        serves = bool(content) and content.decode().isprintable() and b" " not in content
    except UnicodeDecodeError:
        serves = False
    if not serves:
        remedy = "write it there as one line, without spaces and without anything else"
        raise KeyFileError(f"{path} holds no password that iperf3 can tell: {remedy}")


def check_public_key(path: Path) -> None:
    """Raise :class:`KeyFileError` where a file does not hold a public key as iperf3 reads it."""
    if not path.is_file():
        raise KeyFileError(f"{path} is not there: correct the name, or put the server's public key into it")
    try:
        with path.open("rb") as file:
            content = file.read(_ENOUGH)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}: it is no secret, chmod 0644 {path}") from error
    if _PUBLIC_KEY not in content:
        remedy = "`openssl rsa -in PRIVATE -pubout` makes it of the server's private one"
        raise KeyFileError(f"{path} holds no public key in PEM format: {remedy}")
