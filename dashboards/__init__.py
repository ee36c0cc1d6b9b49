"""Dashboards for Grafana, and the Python that writes them."""
