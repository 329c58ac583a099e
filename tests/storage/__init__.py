"""What the storage can do, verb by verb."""
