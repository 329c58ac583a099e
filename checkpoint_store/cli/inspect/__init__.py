"""The commands that show jobs and chunks, and change their state."""
