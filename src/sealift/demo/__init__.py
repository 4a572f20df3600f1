"""What `sealift demo` starts: servers on loopback to try transfers against."""
