"""Read, cut and clean transcripts."""
