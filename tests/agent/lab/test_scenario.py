from __future__ import annotations

from pathlib import Path

import pytest

from agent.lab.impair import Behaviour
from agent.lab.scenario import DEFAULT_SCENARIO, ScenarioError, parse_scenario, read_scenario
from agent.lab.topology import LinkName

LINKS = """
links:
  er-primary: {delay: 6ms}
  er-secondary: {delay: 7ms, rate: 1Gbit}
  internet: {delay: 9ms, loss: 0.3%}
"""


def complaint(text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "my.yaml")
    return str(caught.value)


def test_the_scenario_of_the_demo_is_valid_and_cuts_the_primary_link() -> None:
    scenario = read_scenario(DEFAULT_SCENARIO)
    assert [outage.link for outage in scenario.events] == [LinkName.PRIMARY]
    assert scenario.failover.detection == 900_000_000


def test_units_become_nanoseconds_bits_and_shares() -> None:
    links = parse_scenario(LINKS, "my.yaml").links
    assert links[LinkName.SECONDARY].directions()[0].behaviour() == Behaviour(
        delay_ns=7_000_000, bits_per_second=1_000_000_000
    )
    assert links[LinkName.INTERNET].loss == pytest.approx(0.003)


def test_the_way_back_differs_only_where_it_says_so() -> None:
    text = LINKS.replace("loss: 0.3%", "loss: 0.3%, from_azure: {delay: 20ms}")
    there, back = parse_scenario(text, "my.yaml").links[LinkName.INTERNET].directions()
    assert (there.delay, there.loss) == (9_000_000, 0.003)
    assert (back.delay, back.loss) == (20_000_000, 0.003)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            LINKS.replace("6ms", "6"),
            "my.yaml: links.er-primary.delay: a duration needs a unit: write 6ms, not 6",
        ),
        (LINKS.replace("0.3%", "101%"), "my.yaml: links.internet.loss: '101%' is not a percentage from 0 to 100"),
        (LINKS.replace("loss", "lost"), "my.yaml: links.internet.lost: is not a key of the scenario"),
        (LINKS.replace("internet", "mpls"), "links.mpls"),
        ("links: {er-primary: {delay: 1ms}}", "my.yaml: links: not given: er-secondary, internet"),
        (LINKS + "events: [{at: 1s, link: internet}]", "my.yaml: events.0.down: is missing"),
        (
            LINKS.replace("loss: 0.3%", "from_azure: {delay: soon}"),
            "my.yaml: links.internet: from_azure.delay: 'soon' is not a duration",
        ),
        (
            LINKS + "events: [{at: 1s, link: internet, down: 5s}, {at: 2s, link: internet, down: 1s}]",
            "my.yaml: events: internet goes down at 2s while it is still down",
        ),
        ("links: [", "my.yaml: is not YAML"),
    ],
)
def test_a_mistake_names_the_file_the_key_and_what_would_be_right(text: str, message: str) -> None:
    assert message in complaint(text)


def test_every_mistake_is_told_at_once() -> None:
    assert len(complaint("links: {internet: {delay: 5, lossy: 1}}").splitlines()) == 2


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"none\.yaml: cannot be read: No such file"):
        read_scenario(tmp_path / "none.yaml")
