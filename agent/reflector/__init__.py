"""The reflector as the agent runs it: put together, kept running beside the probes, and its counts shared."""
