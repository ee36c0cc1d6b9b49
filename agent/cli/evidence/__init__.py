"""Where `eragent compare` has its evidence from: files, a history, a server of metrics, or the paths themselves."""
