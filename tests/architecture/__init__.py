"""Tests of how the rooms hang together."""
