"""Replaces itself with a command that gets a signal when its parent dies, and is not root.

Run as a file, by the interpreter alone: `python leash.py SIGNAL PARENT_PID IDENTITY COMMAND…`.
A process of its own, because code between fork and exec in a threaded parent can deadlock.

Identities, for servers that refuse uid 0:

    same        nothing changes
    namespace   nobody inside a user namespace (user_namespaces(7)); to the kernel still the
                caller, so that it reaches what only the caller may reach
    nobody      the user and group 65534, still passing through private folders; needs root
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

# prctl(2). The death signal survives execve(2), but not a change of credentials.
PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
# The sets of capabilities(7), as capset(2) takes them.
CAP_DAC_OVERRIDE = 1
# Capabilities stay when the user changes, and count in access(2) too.
SECBIT_NO_SETUID_FIXUP = 4
CAPABILITY_VERSION = 0x20080522
CLONE_NEWUSER = 0x10000000
NOBODY = 65534


def main(arguments: list[str]) -> None:
    """Become the command; exit with a message when refused, or when the parent is gone."""
    death_signal, parent_pid, identity, *command = arguments
    IDENTITIES[identity]()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.Signals[death_signal]), 0, 0, 0)
    if os.getppid() != int(parent_pid):
        sys.exit(f"leash: the parent {parent_pid} is gone")
    os.execvp(command[0], command)


def stay_the_same() -> None:
    """Keep user and group."""


def enter_namespace() -> None:
    """Enter a user namespace in which the caller is nobody."""
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform != "linux" or libc.unshare(CLONE_NEWUSER) != 0:
        sys.exit(f"leash: no user namespace: {os.strerror(ctypes.get_errno())}")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {group} 1", encoding="ascii")


def become_nobody() -> None:
    """Give up root for good, but for reaching what lies below a home that only root may enter."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    kept = 1 << CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    effective_permitted_inheritable = (ctypes.c_uint32 * 6)(kept, kept, kept, 0, 0, 0)
    # Where these are refused, what nobody may reach is enough or the command says what is not.
    libc.capset(header, effective_permitted_inheritable)
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


IDENTITIES: dict[str, Callable[[], None]] = {
    "same": stay_the_same,
    "namespace": enter_namespace,
    "nobody": become_nobody,
}

if __name__ == "__main__":
    main(sys.argv[1:])
