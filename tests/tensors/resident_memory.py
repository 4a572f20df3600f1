"""How much memory this process has in use, from /proc; for the programs that tests start."""

from pathlib import Path

__all__ = ["reset_peak", "status"]


def status(name: str) -> int:
    """A value of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:"))


def reset_peak() -> int:
    """Let the peak begin at what is in use now, and return that, in bytes."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # man 5 proc_pid_clear_refs
    return status("VmRSS")
