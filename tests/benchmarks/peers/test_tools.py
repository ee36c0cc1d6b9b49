"""Each tool's output is read as it was recorded: of a wire that was cut for 0.1 s, where the tool tells losses."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.peers import eragent, fping, gufo, irtt, ping, smokeping
from benchmarks.peers.tool import Asked, PerPacket, Tool, UnreadableError
from benchmarks.peers.tools import TOOLS

RECORDED = Path(__file__).parents[2] / "data" / "peers"
ASKED = Asked(target="192.0.2.1", interval_s=0.01, seconds=60)


def recorded(name: str) -> str:
    return (RECORDED / name).read_text(encoding="utf-8")


def test_ping_numbers_its_answers_and_a_lost_one_is_missing() -> None:
    assert ping.parse(recorded("ping.txt")).rtts_ns == {1: 86_000, 2: 48_000, 3: 69_000}


def test_of_pings_duplicates_the_first_counts() -> None:
    line = "64 bytes from 192.0.2.1: icmp_seq=1 ttl=63 time={} ms\n"
    printed = line.format("0.050") + line.format("0.070") + "1 packets transmitted"
    assert ping.parse(printed).rtts_ns == {1: 50_000}


def test_fping_tells_round_trips_by_their_place() -> None:
    found = fping.parse(recorded("fping.txt")).rtts_ns
    assert found == {0: 80_000, 1: 75_000, 2: 45_000, 5: 71_000, 6: 63_000, 7: 44_000}


def test_irtt_tells_the_direction_of_losses_and_all_of_them_are_missing() -> None:
    found = irtt.parse(recorded("irtt.json")).rtts_ns
    assert found.keys() == {0, 1, 2, 5, 6, 7}
    assert found[0] == 201_349


def test_gufo_ping_tells_seconds_by_line() -> None:
    found = gufo.parse(recorded("gufo.txt")).rtts_ns
    assert found.keys() == {0, 1, 2, 4, 5, 6, 7}
    assert found[0] == 160_199


def test_eragent_tells_slots_too() -> None:
    found = eragent.parse(recorded("eragent.json"))
    assert found.rtts_ns == {0: 31_677, 1: 28_383, 2: 23_225, 3: 23_926, 4: 19_990}
    assert found.slots == {number: number for number in range(5)}
    assert found.sent_ns[0] == 1_795_427_760_111_783_728
    by_itself = recorded("eragent.json").replace('"user_timestamps": 0', '"user_timestamps": 5')
    assert eragent.parse(by_itself).sent_ns == {}


def test_smokeping_prober_tells_how_many_round_trips_were_between_bounds() -> None:
    found = smokeping.parse(recorded("smokeping.txt"))
    assert found.packets == 206
    assert found.sum_ns == pytest.approx(12_030_766)
    assert found.upper_ns[-1] == float("inf")
    assert all(upper > lower for lower, upper in pairwise(found.upper_ns))


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
@pytest.mark.parametrize("printed", ["", "command not found", "[]", "{}"])
def test_what_a_tool_does_not_print_is_refused_and_no_figure(tool: Tool, printed: str) -> None:
    with pytest.raises(UnreadableError):
        tool.parse(printed)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_tool_is_asked_for_the_same_target(tool: Tool) -> None:
    assert any(ASKED.target in word for word in tool.command(ASKED))


def test_fping_is_told_to_leave_less_than_its_ten_milliseconds_only_where_it_has_to() -> None:
    fast = Asked(target=ASKED.target, interval_s=0.001, seconds=1)
    assert "-i" not in fping.FPING.command(ASKED)
    assert fping.FPING.command(fast)[-3:-1] == ["-i", "1"]


def test_eragent_sends_from_several_addresses_by_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "eragent.yaml"
    command = eragent.on_paths(eragent.ICMP, ASKED, ("192.0.2.7", "192.0.2.8"), file)
    assert command[-4:] == ["--path", "path-0", "--path", "path-1"]
    assert "192.0.2.8" in file.read_text(encoding="utf-8")


def test_names_of_tools_are_their_own() -> None:
    assert len({tool.name for tool in TOOLS}) == len(TOOLS)
    assert isinstance(ping.parse(recorded("ping.txt")), PerPacket)
