"""Replaces itself with a command that gets a signal when its parent dies.

Run as a file, by the interpreter alone: `python leash.py SIGNAL PARENT_PID COMMAND…`.
Uses PR_SET_PDEATHSIG of prctl(2), which survives execve(2); where there is no such call the
command runs without it. A process of its own, because code between fork and exec in a
threaded parent can deadlock.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Become the command; exit at once when the parent is gone already."""
    death_signal, parent_pid, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.Signals[death_signal]), 0, 0, 0)
    if os.getppid() != int(parent_pid):
        sys.exit(f"leash: the parent {parent_pid} is gone")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
