"""Replaces itself with a command that is not root, though files stay those of the caller.

Run as a file, by the interpreter alone: `python unprivileged.py COMMAND…`. PostgreSQL refuses
uid 0. In a user namespace of its own (user_namespaces(7)) the command sees itself as nobody
while the kernel still knows it as the caller, so that it reaches binaries and data below a
home that only the caller may enter.
"""

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
NOBODY = 65534


def main(command: list[str]) -> None:
    """Become the command inside a user namespace; exit with a message when refused one."""
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform != "linux" or libc.unshare(CLONE_NEWUSER) != 0:
        sys.exit(f"unprivileged: no user namespace: {os.strerror(ctypes.get_errno())}")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {group} 1", encoding="ascii")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
