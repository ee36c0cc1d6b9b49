"""The minutes of a history to a receiver of Prometheus' remote write, each once, however long it was out of reach."""
