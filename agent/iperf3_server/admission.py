"""Which peers a socket hears, as a program of the kernel's classic BPF (SO_ATTACH_FILTER, socket(7)). No I/O.

Of a listening socket it is asked about every packet, the SYN first: a stranger's is dropped, and answered by nobody.
Connections that the socket accepts inherit it, at the cost of a few instructions for each packet of up to 64 KiB.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from collectors.path import IPNetwork

_INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter: code, jump if true, jump if false, constant
_LOAD_WORD, _LOAD_OCTET = 0x20, 0x30  # BPF_LD | BPF_ABS, with BPF_W or BPF_B
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_JUMP_IF_EQUAL, _JUMP = 0x15, 0x05  # BPF_JMP | BPF_JEQ | BPF_K, BPF_JMP | BPF_JA
_RETURN = 0x06  # BPF_RET | BPF_K
_NETWORK_HEADER = 0xFFF00000  # SKF_NET_OFF: offsets from here on count from the IP header, not from TCP's or UDP's
_WHOLE, _NOTHING = 0xFFFFFFFF, 0
_SOURCE = {4: 12, 6: 8}  # where the source address stands in the header (RFC 791, section 3.1; RFC 8200, section 3)
MAX_INSTRUCTIONS = 4096
"""The kernel takes no longer program (BPF_MAXINSNS)."""


@dataclass(frozen=True, slots=True)
class _Instruction:
    code: int
    value: int
    if_true: int = 0
    if_false: int = 0

    def __bytes__(self) -> bytes:
        return _INSTRUCTION.pack(self.code, self.if_true, self.if_false, self.value)


def admits_everybody(networks: Sequence[IPNetwork]) -> bool:
    """Return whether no address is a stranger's."""
    return {network.version for network in networks if not network.prefixlen} == {4, 6}


def admission_program(networks: Sequence[IPNetwork]) -> bytes:
    """Return the instructions that let packets from these networks pass and drop all others.

    Raise :class:`ValueError` where there are more networks than the kernel takes.
    """
    versions = {version: _matching([one for one in networks if one.version == version]) for version in _SOURCE}
    program = [_Instruction(_LOAD_OCTET, _NETWORK_HEADER), _Instruction(_AND, 0xF0)]
    for version, matching in versions.items():
        # A jump by condition reaches 255 instructions, an unconditional one any.
        program += [_Instruction(_JUMP_IF_EQUAL, version << 4, 1), _Instruction(_JUMP, len(matching)), *matching]
    program.append(_Instruction(_RETURN, _NOTHING))
    if len(program) > MAX_INSTRUCTIONS:
        raise ValueError(f"{len(networks)} networks are more than the kernel can tell apart here: name larger ones")
    return b"".join(map(bytes, program))


def _matching(networks: Sequence[IPNetwork]) -> list[_Instruction]:
    """Return what lets a packet of one version pass, and drops it where no network fits."""
    checks = [instruction for network in networks for instruction in _in_network(network)]
    return [*checks, _Instruction(_RETURN, _NOTHING)]


def _in_network(network: IPNetwork) -> list[_Instruction]:
    """Return what lets a packet from this network pass, and goes on behind itself with one from elsewhere."""
    words = struct.unpack(f"!{network.max_prefixlen // 32}I", network.network_address.packed)
    masks = struct.unpack(f"!{len(words)}I", network.netmask.packed)
    checked = [place for place, mask in enumerate(masks) if mask]
    found: list[_Instruction] = []
    for behind, place in enumerate(checked):
        load = _Instruction(_LOAD_WORD, _NETWORK_HEADER + _SOURCE[network.version] + 4 * place)
        to_the_end = 3 * (len(checked) - behind - 1) + 1
        found += [load, _Instruction(_AND, masks[place])]
        found.append(_Instruction(_JUMP_IF_EQUAL, words[place], 0, to_the_end))
    return [*found, _Instruction(_RETURN, _WHOLE)]
