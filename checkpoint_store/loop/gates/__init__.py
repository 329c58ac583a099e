"""The gates of a loop: may one more chunk start now?"""
