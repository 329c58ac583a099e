"""The loop for asyncio."""
