"""The state file that people read: written, read, and taken into a store."""
