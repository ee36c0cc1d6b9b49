"""The control connection by which a TWAMP client sets up its test sessions (RFC 5357, section 3), on TCP.

Unauthenticated mode only: whoever needs keys has STAMP's own (:mod:`collectors.stamp.authentication`).
"""
