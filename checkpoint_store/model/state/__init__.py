"""The state of a job: its fields, its JSON text, and what is left of a text that was torn."""
