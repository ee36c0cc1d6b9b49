"""What is served over HTTP: metrics, health, probes on request, reloads."""
