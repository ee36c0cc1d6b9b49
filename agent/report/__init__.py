"""What was measured, for people and for programs: figures of streams, as JSON and as text."""
