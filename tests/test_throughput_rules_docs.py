"""What docs/throughput.md says of commands, configuration and verdicts is what the program does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from agent.cli import main
from agent.config.document import parse_document
from agent.config.load import plan_of
from agent.throughput.gateways import parse_gateway
from agent.throughput.limited_by import Limit

PAGE = (Path(__file__).parent.parent / "docs" / "throughput.md").read_text()


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("eragent ")]


@pytest.mark.parametrize("line", commands())
def test_every_command_is_understood(line: str) -> None:
    name, *arguments = shlex.split(line.partition("#")[0])[1:]
    with click.Context(main) as context:
        command = main.get_command(context, name)
        assert command is not None
        command.make_context(name, arguments, parent=context)


def test_the_configuration_is_valid() -> None:
    [text, *_] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    plan = plan_of(parse_document(text.encode(), file="throughput.md"), host_name="host").plan
    assert [each.name for each in plan.throughput] == ["throughput"]


def test_every_verdict_has_its_rule_and_every_rule_is_one() -> None:
    rules = PAGE.partition("## Limited by")[2].partition("\n## ")[0]
    named = {
        word for row in re.findall(r"^\| (`.+?) \|", rules, re.MULTILINE) for word in re.findall(r"`([a-z]+)`", row)
    }
    assert named == set(Limit)


def test_the_gateways_that_are_named_are_known() -> None:
    sentence = PAGE.partition("`--gateway` names")[2].partition("The rates are")[0]
    names = re.findall(r"`'?(.*?)'?`", sentence)
    assert len(names) > 5
    assert all(parse_gateway(name) for name in names)
