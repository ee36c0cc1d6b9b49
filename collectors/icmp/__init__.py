"""ICMP echo: ``wire`` is the packet, ``sender`` asks with it."""
