"""Attacks, one test each: what a key, an archive, a server or a log could do, and does not."""
