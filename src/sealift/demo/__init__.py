"""The demo of `sealift demo`, and the servers that it starts on loopback."""
