"""Every metric of eragent: what is read for it, and the text that Prometheus gets."""
