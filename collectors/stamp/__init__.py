"""STAMP (RFC 8762), and TWAMP-Light with it: ``wire`` is the packet, ``sender`` asks, ``reflector`` answers."""
