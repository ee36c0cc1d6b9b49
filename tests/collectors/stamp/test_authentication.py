import hmac
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.stamp.authentication import Key, parse_key

SECRET = bytes(range(32))


def test_a_mac_is_the_first_half_of_hmac_sha_256() -> None:
    request = bytes.fromhex("0000002a" + "00" * 12 + "ed1355401f9add378f84beef" + "00" * 68)
    assert Key(SECRET).mac(request) == bytes.fromhex("2c7ccd158ab0fc069cb6f2842e4a8457")


@given(st.binary(min_size=16, max_size=200), st.binary(max_size=300))
def test_a_mac_is_hmac_whatever_the_sizes(secret: bytes, data: bytes) -> None:
    assert Key(secret).mac(data) == hmac.digest(secret, data, "sha256")[:16]


def test_a_mac_verifies_with_its_own_key_and_data_only() -> None:
    key = Key(SECRET)
    mac = key.mac(b"data")
    assert key.verifies(b"data", mac)
    assert not key.verifies(b"date", mac)
    assert not key.verifies(b"data", mac[:-1])
    assert not Key(SECRET[::-1]).verifies(b"data", mac)


@pytest.mark.parametrize(
    "content",
    [b"hex:" + SECRET.hex().encode(), b"hex:" + SECRET.hex().encode() + b"\n", b"hex: " + SECRET.hex(" ").encode()],
)
def test_a_key_file_may_hold_hexadecimal_digits(content: bytes) -> None:
    assert parse_key(content) == Key(SECRET)


def test_a_key_file_may_hold_text() -> None:
    assert parse_key(b"correct horse battery\r\n") == Key(b"correct horse battery")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a key has at least 16 octets, not 0"),
        (b"hex:0011", "a key has at least 16 octets, not 2"),
        (b"hex:001", "what follows hex: are not pairs of hexadecimal digits"),
        (b"hex:\xff\xff", "what follows hex: are not pairs of hexadecimal digits"),
    ],
)
def test_a_bad_key_is_refused_without_repeating_it(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        parse_key(content)


def test_a_key_does_not_show_its_secret() -> None:
    assert repr(Key(b"correct horse battery")) == "Key(...)"


def test_a_key_goes_from_one_process_to_another_as_it_is() -> None:
    assert pickle.loads(pickle.dumps(Key(SECRET))).mac(b"data") == Key(SECRET).mac(b"data")
