"""The service that does the work: what it answered, and whether and when to call it again."""
