"""The service and the command line of eragent: what is probed when, and where the results go."""

__version__ = "0.1.0"
