"""What a Job can do, in parts: it reads, counts, changes its status, and works with handles, keys and redos."""
