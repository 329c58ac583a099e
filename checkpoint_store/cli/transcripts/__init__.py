"""Transcripts: read, clean, write."""
