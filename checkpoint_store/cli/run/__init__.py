"""The commands that do work."""
