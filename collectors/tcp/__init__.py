"""Makes TCP connections to measure how long that takes, and sends nothing over them."""
