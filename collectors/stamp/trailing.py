"""Answers the TLVs behind a request (RFC 8972) with what its reflector knows of its arrival and its session. No I/O."""

from __future__ import annotations

from collectors.ancillary import host_and_port
from collectors.stamp.authentication import Key
from collectors.stamp.chain import is_padding_alone
from collectors.stamp.extensions import Reception, reflect_tlvs
from collectors.stamp.reply import Reply, Request
from collectors.stamp.timestamp import ntp_from_wall, ptp_from_wall
from collectors.stamp.tlv import FollowUp, Method
from collectors.stamp.wire import base_size

_U32 = 0xFFFFFFFF


def answer_tlvs(
    request: Request, reply: Reply, *, key: Key | None, port: int, synchronised: bool, is_ptp: bool
) -> Reply:
    """Answer the TLVs where they lie, behind the base packet, and return the reply with what they ask for of it.

    ``port`` is the reflector's own; ``synchronised``: whether its clock is.
    """
    octets, at, _, peer, (_, _, destination, _, tos), _ = request
    begin, end = at + base_size(key), at + reply.size
    trailing = bytes(octets[begin:end])
    if is_padding_alone(trailing):  # most packets that are larger than they must be: nothing to tell
        octets[begin] = 0
        return reply
    host, sender_port = host_and_port(peer)
    session = reply.session
    reception = Reception(
        source=host,
        source_port=sender_port,
        destination=destination[-len(host) :],
        destination_port=port,
        tos=tos,
        reply_sequence=reply.number,
        received=session.received,
        sent=session.replies,
        previous=_follow_up(session.previous, is_ptp=is_ptp),
        synchronised=synchronised,
    )
    reflected = reflect_tlvs(
        trailing,
        sender_sequence=bytes(octets[at : at + 4]),
        reception=reception,
        key=key,
        authenticated=key is not None,
    )
    octets[begin:end] = reflected.trailing
    dscp = reply.dscp if reflected.dscp is None else reflected.dscp
    return reply._replace(dscp=dscp, wants_stamp=reflected.wants_follow_up)


def _follow_up(previous: tuple[int, int] | None, *, is_ptp: bool) -> FollowUp | None:
    if previous is None:
        return None
    number, stamp_ns = previous
    timestamp = ptp_from_wall(stamp_ns) if is_ptp else ntp_from_wall(stamp_ns)
    return FollowUp(sequence=number & _U32, timestamp=timestamp, mode=Method.SOFTWARE)
