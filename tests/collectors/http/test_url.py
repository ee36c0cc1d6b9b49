"""URLs and statuses as operators write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.http.url import SUCCESS, Url, is_expected, parse_status_ranges


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://outlook.office365.com", "https://outlook.office365.com/"),
        ("HTTPS://Portal.Example:443/Health?x=1#part", "https://portal.example/Health?x=1"),
        ("http://10.1.0.4:8080/a/b", "http://10.1.0.4:8080/a/b"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443/"),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("http://a.example/%41?b=%20", "http://a.example/%41?b=%20"),
        ("http://a.example?b", "http://a.example/?b"),
    ],
)
def test_a_url_is_taken_apart_and_written_in_one_way(text: str, url: str) -> None:
    parsed = Url.parse(text)
    assert str(parsed) == url
    assert Url.parse(url) == parsed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no URL of a web server"),
        ("outlook.office365.com", "write for example https://"),
        ("ftp://a.example/", "no URL of a web server"),
        ("https:///path", "no URL of a web server"),
        ("https://a.example:0/", "no URL of a web server"),
        ("https://a.example:65536/", "Port out of range"),
        ("https://a.example:port/", "is no URL"),
        ("https://[::1/", "is no URL"),
        ("https://user:secret@a.example/", "carries a user or password"),
        ("https://a.example/a b", "space or a control character"),
        ("https://a.example/\r\nHost: b", "space or a control character"),
        ("https://a..example/", "is no name of a host"),
        ("https://-a.example/", "is no name of a host"),
        ("https://a_b!.example/", "is no name of a host"),
    ],
)
def test_what_is_no_url_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Url.parse(text)


@given(st.text(max_size=40) | st.text(max_size=40).map("https://".__add__))
def test_any_text_is_a_url_or_a_value_error(text: str) -> None:
    try:
        url = Url.parse(text)
    except ValueError:
        return
    assert str(url).isascii()
    assert not any(character.isspace() for character in str(url))


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/there", "http://a.example:8080/there"),
        ("there?x", "http://a.example:8080/dir/there?x"),
        ("//b.example/", "http://b.example/"),
        ("https://b.example", "https://b.example/"),
        ("", "http://a.example:8080/dir/page"),
    ],
)
def test_a_location_is_relative_to_where_it_was_found(location: str, url: str) -> None:
    assert str(Url.parse("http://a.example:8080/dir/page").joined(location)) == url


@pytest.mark.parametrize(
    ("text", "ranges"),
    [("200", ((200, 200),)), ("2xx, 3XX", ((200, 299), (300, 399))), ("200-204,401", ((200, 204), (401, 401)))],
)
def test_statuses_are_numbers_classes_and_ranges(text: str, ranges: tuple[tuple[int, int], ...]) -> None:
    assert parse_status_ranges(text) == ranges


@pytest.mark.parametrize("text", ["", "ok", "99", "600", "6xx", "2x", "200,", "200-", "204-200", "2\uff10\uff10"])
def test_what_is_no_status_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"write for example 200|before its beginning"):
        parse_status_ranges(text)


@pytest.mark.parametrize(("status", "expected"), [(199, False), (200, True), (399, True), (400, False)])
def test_success_and_redirects_are_expected_by_default(status: int, expected: bool) -> None:
    assert is_expected(status, SUCCESS) is expected
