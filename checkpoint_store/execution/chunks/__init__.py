"""The chunks of a job: their contents, keys, order and ranges."""
