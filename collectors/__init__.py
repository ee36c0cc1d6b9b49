"""What measures: paths, sockets, and the probes that run over them. Knows nothing of the agent around it."""
