"""Security: one test for each attack through keys, archives, servers and logs."""
