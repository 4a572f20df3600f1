"""Real services on loopback, each started when a test first asks for it; see `fixtures`."""
