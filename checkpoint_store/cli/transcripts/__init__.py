"""Read, clean, join and write transcripts."""
