"""What a store can do, in parts: it opens, lists, merges, prunes and closes."""
