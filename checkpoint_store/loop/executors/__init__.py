"""The executors of a loop: the work is done in this thread, in threads, or in other processes."""
