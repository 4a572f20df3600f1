"""What a caller of `Storage` sees: threads, forks, interrupts, the interpreter's end."""
