"""The records that the storage takes and returns."""
