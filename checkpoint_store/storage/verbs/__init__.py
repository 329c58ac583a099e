"""The verbs of a store file, by subject. They take and return records, and say when they are durable."""
