from ipaddress import ip_network

import pytest

from collectors.path import IPNetwork


@pytest.fixture
def loopback() -> IPNetwork:
    return ip_network("127.0.0.0/8")
