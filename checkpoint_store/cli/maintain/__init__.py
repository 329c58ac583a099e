"""The commands that maintain a store file."""
