"""The mappings of the configuration file: each with its keys, and the values that only they have."""
