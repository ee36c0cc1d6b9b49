from __future__ import annotations

from agent.lab.build import creation, set_up, shapers
from agent.lab.impair import Behaviour
from agent.lab.topology import LINKS, NAMESPACES, ROUTES, WIRES, LinkName

GIGABIT = Behaviour(delay_ns=1, bits_per_second=1_000_000_000, queue_ns=50_000_000)
FREE = Behaviour(delay_ns=1)


def test_every_namespace_is_made_once_and_every_wire_joins_two_of_them() -> None:
    lines = creation()
    assert [line for line in lines if line.startswith("netns")] == [f"netns add {name}" for name in NAMESPACES]
    assert len(lines) == len(NAMESPACES) + len(WIRES)


def test_device_names_fit_the_kernel_and_are_unique_in_their_namespace() -> None:
    ends = [(end.namespace, end.device) for wire in WIRES for end in wire.ends]
    assert len(ends) == len(set(ends))
    assert all(len(device) < 16 for _, device in ends)


def test_the_site_chooses_the_vpn_by_source_address_and_by_mark() -> None:
    assert "rule add pref 1000 from 10.20.1.10 lookup 201" in ROUTES["onprem"]
    assert "rule add pref 1001 fwmark 201 lookup 201" in ROUTES["onprem"]


def test_routers_at_a_link_know_each_other_without_asking() -> None:
    assert "neigh add 192.168.11.18 lladdr 02:00:c0:a8:0b:12 dev primary nud permanent" in set_up("ce")
    assert "address 02:00:c0:a8:0b:12" in "\n".join(creation())


def test_rates_are_limited_on_the_routers_at_both_ends_of_a_link() -> None:
    behaviours = {link.name: (FREE, FREE) for link in LINKS} | {LinkName.PRIMARY: (GIGABIT, GIGABIT)}
    line = "qdisc add dev {} root tbf rate 1000000000bit burst 250000 latency 50000us"
    assert shapers(behaviours) == {"ce": [line.format("primary")], "msee1": [line.format("circuit")]}
