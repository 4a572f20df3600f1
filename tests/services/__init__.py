"""Real services on loopback, each started when a test first uses it; see `fixtures`."""
