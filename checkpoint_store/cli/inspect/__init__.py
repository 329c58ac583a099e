"""The commands that look at jobs."""
