"""Asks web servers, one connection for each attempt, and takes the time of every phase."""
