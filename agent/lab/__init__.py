"""A site and an Azure side on one machine, joined by ExpressRoute and VPN: for `eragent demo` and for the tests."""
