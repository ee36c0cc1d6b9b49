"""The agent as a service, from ready to the end: its parts, reloads, log, watchdog, and what systemd is told."""
