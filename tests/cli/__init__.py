"""The command line, in this process through click's runner, and as a real program."""
