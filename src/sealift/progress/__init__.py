"""Progress of calls on a terminal, in a notebook, or as lines in a log."""
