"""``python -m agent`` is ``eragent``."""

from agent.cli import main

main()
