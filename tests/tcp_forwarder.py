"""A connection to a server that a test can cut, silence and restore."""

import contextlib
import socket
import threading


class TcpForwarder:
    """Forwards a port of its own to a server. Cut, it refuses and holds no connection.

    Silent, it takes connections and bytes and hands nothing on, as a server does that hangs.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._may_pass = threading.Event()
        self._may_pass.set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._accept_from(self._listening)

    def cut(self) -> None:
        """Refuse new connections, break those that are there."""
        self._may_pass.set()
        self._shut(self._listening)
        with self._lock:
            broken, self._open = self._open, set()
        for connection in broken:
            self._shut(connection)

    def fall_silent(self) -> None:
        """Hand nothing on any more, and tell nobody."""
        self._may_pass.clear()

    def speak(self) -> None:
        """Hand on what was held back, and what comes."""
        self._may_pass.set()

    def restore(self) -> None:
        """Forward again, on the same port."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._accept_from(self._listening)

    def _accept_from(self, listening: socket.socket) -> None:
        threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listening.accept()
                far = socket.create_connection(self._server)
                with self._lock:
                    self._open |= {near, far}
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while received := source.recv(65536):
                self._may_pass.wait()
                sink.sendall(received)
        self._shut(source)
        self._shut(sink)

    def _shut(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
