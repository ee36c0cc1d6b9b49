"""Every sample on the agent's own disk: written while it probes, read by the commands that look back."""
