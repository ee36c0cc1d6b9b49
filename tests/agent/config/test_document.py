"""Any octets give a document that knows its lines, or a ConfigError, with libyaml and without."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from agent.config.document import FASTEST_LOADER, Document, Loader, parse_document
from agent.config.problems import ConfigError, Problem
from agent.config.syntax import Position

LOADERS = [pytest.param(FASTEST_LOADER, id="fastest"), pytest.param(yaml.SafeLoader, id="without-libyaml")]

# Pieces that YAML gives a meaning to: random text rarely nests, aliases or tags anything.
PIECES = (
    *(
        "a: ",
        "b: ",
        "- ",
        "? ",
        ": ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "\n",
        "  ",
        "\t",
        "#",
        "'",
        '"',
        "|\n",
        ">\n",
        "\\UFFFFFFFF",
    ),
    *("&a ", "*a ", "<<: ", "--- ", "...", "%YAML 1.1\n", "!!int ", "!!float ", "!!bool ", "!!set ", "!!null ", "!x "),
    *(
        "no",
        "~",
        "12:30",
        "1e3",
        "0b_",
        "0777",
        "1_000",
        ".inf",
        ".",
        "=",
        "@",
        "2024-13-99",
        "\ufeff",
        "\x85",
        "\u2028",
    ),
)


def parsed(text: str, loader: Loader = FASTEST_LOADER) -> Document:
    return parse_document(text.encode(), file="eragent.yaml", loader=loader)


def read(octets: bytes, loader: Loader) -> Document | ConfigError:
    try:
        return parse_document(octets, file="eragent.yaml", loader=loader)
    except ConfigError as error:
        return error


@pytest.mark.parametrize("loader", LOADERS)
def test_keys_and_values_know_their_lines(loader: Loader) -> None:
    document = parsed("probes:\n  - name: ping\n    icmp: {size: 56}\n", loader)
    assert document.data == {"probes": [{"name": "ping", "icmp": {"size": 56}}]}
    assert document.keys[("probes", 0, "icmp", "size")] == Position(3, 12)
    assert document.values[("probes", 0, "icmp", "size")] == Position(3, 18)
    assert document.values[("probes", 0)] == Position(2, 5)


def test_a_problem_of_what_is_not_there_stands_at_what_is_around_it() -> None:
    document = parsed("listen: x\nprobes:\n  - icmp: {}\n")
    assert str(document.problem(("probes", 0, "name"), "missing")) == "eragent.yaml:3:5: probes.0.name: missing"
    assert str(document.problem(("agent", "name"), "missing")) == "eragent.yaml:1:1: agent.name: missing"


def test_a_key_that_cannot_be_printed_is_escaped() -> None:
    problem = parsed('"a\\nb": {x: 1}\n').problem(("a\nb", "x"), "wrong")
    assert str(problem) == "eragent.yaml:1:13: 'a\\nb'.x: wrong"


@pytest.mark.parametrize("loader", LOADERS)
def test_what_yaml_and_the_operator_read_alike_is_taken(loader: Loader) -> None:
    text = "[2s, 1Gbit, true, False, 7, -7, +7, 0, 0x10, 1.5, .5, 'no', \"12:30\", 10.1.0.4, fd00::1, n, v1e3, '007']"
    assert parsed(f"a: {text}", loader).data == {
        "a": [
            "2s",
            "1Gbit",
            True,
            False,
            7,
            -7,
            7,
            0,
            16,
            1.5,
            0.5,
            "no",
            "12:30",
            "10.1.0.4",
            "fd00::1",
            "n",
            "v1e3",
            "007",
        ]
    }


@pytest.mark.parametrize(
    "word", ["yes", "Yes", "NO", "on", "OFF", "12:30", "1:30.5", "1e3", "1.5E3", "0777", "08", "0o17"]
)
@pytest.mark.parametrize("loader", LOADERS)
def test_what_yaml_reads_otherwise_is_refused_and_kept_as_text(word: str, loader: Loader) -> None:
    document = parsed(f"a: {word}", loader)
    assert document.data == {"a": word}
    (problem,) = document.problems
    assert (problem.line, problem.column, problem.key) == (1, 4, "a")
    assert f"'{word}' in quotes" in problem.message


def test_an_alias_has_the_value_of_its_anchor() -> None:
    assert parsed("a: &x {b: 1}\nc: *x\n").data == {"a": {"b": 1}, "c": {"b": 1}}


def test_the_first_of_two_equal_keys_is_kept() -> None:
    document = parsed("a: 1\na: 2\na: 3\n")
    assert document.data == {"a": 1}
    assert [str(problem) for problem in document.problems] == [
        "eragent.yaml:2:1: a: given twice (first in line 1): remove one",
        "eragent.yaml:3:1: a: given twice (first in line 1): remove one",
    ]


def test_a_hundred_thousand_brackets_do_not_end_the_process() -> None:
    with pytest.raises(ConfigError, match="nested deeper than 32 levels"):
        parsed("[" * 100_000)


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match="expand without end"):
        parsed("\n".join(lines))


def test_text_that_is_not_utf_8_is_named_with_its_line() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_document("agent:\n  name: caf\u00e9\n".encode("latin-1"), file="eragent.yaml")
    assert caught.value.problems == (
        Problem(file="eragent.yaml", line=2, column=12, message="not UTF-8 (octet 0xe9): save the file as UTF-8"),
    )


def test_problems_are_in_the_order_of_the_file() -> None:
    problems = [Problem(file="f", line=line, column=1, message="wrong") for line in (3, 1, 2)]
    assert [problem.line for problem in ConfigError(problems).problems] == [1, 2, 3]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text())
@example('a: "\\UFFFFFFFF"')
@example("!x : !!int --- !!bool #.inf")
@example("a: !!int ...")
@example("a: !!float .")
def test_any_text_is_a_document_or_a_config_error(text: str) -> None:
    for loader in (FASTEST_LOADER, yaml.SafeLoader):
        document = read(text.encode(), loader)
        assert document.problems if isinstance(document, ConfigError) else document.file


@given(st.binary())
def test_any_octets_are_a_document_or_a_config_error(octets: bytes) -> None:
    document = read(octets, FASTEST_LOADER)
    assert document.problems if isinstance(document, ConfigError) else document.file
