"""The parent of the DIMSE processes: forks them, replaces the dead, passes the order to end.

Listening sockets are opened once and inherited. Waiting processes take connections in
turn, a process that dies loses none that wait, and a taken port is an error at once.
"""

import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

import structlog

log = structlog.get_logger(__name__)

RESTART_SECONDS_MIN = 1.0  # a process that dies at once is not replaced faster
KILL_GRACE_SECONDS = 10.0  # beyond the drain, before a process is killed

_STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
_PR_SET_PDEATHSIG = 1


class ProcessGroup:
    """`count` processes that each run `serve`, until SIGTERM or SIGINT.

    `serve` runs in a child, which inherits the listening sockets; it gets a function that
    waits for the order to end, and should return soon after. Fork happens before threads exist.
    """

    def __init__(
        self,
        serve: Callable[[Callable[[], None]], None],
        listening: Sequence[socket.socket],
        *,
        count: int,
        drain_seconds: float,
        kill_grace_seconds: float = KILL_GRACE_SECONDS,
    ) -> None:
        self._serve = serve
        self._listening = listening
        self._count = count
        self._stop_seconds = drain_seconds + kill_grace_seconds
        self._children: dict[int, float] = {}  # process id → when it was started
        self._fork_not_before = 0.0

    def run(self) -> None:
        """Keep the processes running; return when all have ended after a stop signal."""
        # Signals are waited for, not handled: nothing is ever interrupted halfway.
        signals = {*_STOP_SIGNALS, signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        while True:
            self._fork_missing()
            received = signal.sigtimedwait(signals, RESTART_SECONDS_MIN)
            self._reap()
            if received is not None and received.si_signo in _STOP_SIGNALS:
                self._stop()
                return

    def _fork_missing(self) -> None:
        if time.monotonic() >= self._fork_not_before:
            for _ in range(self._count - len(self._children)):
                self._fork()

    def _fork(self) -> None:
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            self._be_child(parent)
        self._children[child] = time.monotonic()
        log.info("DIMSE process started", process_id=child)

    def _be_child(self, parent: int) -> NoReturn:
        status = 1
        try:
            die_with_parent(parent)
            self._serve(_wait_for_stop_signal)
            status = 0
        except Exception:  # the outermost loop of the process
            log.exception("DIMSE process failed")
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        while self._children:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            self._fork_not_before = self._children.pop(child) + RESTART_SECONDS_MIN
            log.error(
                "DIMSE process ended", process_id=child, status=os.waitstatus_to_exitcode(status)
            )

    def _stop(self) -> None:
        for listening in self._listening:  # peers are refused, not kept waiting, once the
            listening.close()  # children end too
        self._signal_all(signal.SIGTERM)
        deadline = time.monotonic() + self._stop_seconds
        while self._children and time.monotonic() < deadline:
            child, _ = os.waitpid(-1, os.WNOHANG)
            if child:
                self._children.pop(child, None)
            else:
                signal.sigtimedwait({signal.SIGCHLD}, 0.2)
        self._signal_all(signal.SIGKILL)
        for child in self._children:
            os.waitpid(child, 0)

    def _signal_all(self, number: signal.Signals) -> None:
        for child in self._children:
            os.kill(child, number)


def die_with_parent(parent: int) -> None:
    """Have the kernel send SIGTERM to this process when its parent ends (prctl(2))."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)  # it ended before the kernel was asked


def _wait_for_stop_signal() -> None:
    signal.sigwait(_STOP_SIGNALS)
