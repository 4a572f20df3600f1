"""`Storage` called from threads, after forks, during interrupts, and at interpreter exit."""
