"""`Storage` as its callers use it: from threads, after forks, under interrupts, at interpreter exit."""
