"""Perform multi-agent debates, live."""
