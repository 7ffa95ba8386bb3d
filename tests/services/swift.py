"""A real S3 server for tests: OpenStack Swift with its s3api, as child processes on loopback.

Source: PyPI `swift` 2.38. It checks signatures, Content-MD5, ranges and If-None-Match as production
S3 does; it knows no tagging, lifecycle or encryption headers, and does about 100 requests/s.
"""

import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

START_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class SwiftServer:
    """A running server; the one who started it stops it."""

    endpoint_url: str
    access_key: str
    secret_key: str = field(repr=False)
    process: subprocess.Popen[str] = field(repr=False)

    def stop(self) -> None:
        """End all its processes; a repeat is fine. They also end when this process does."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(60)


def start_swift(folder: Path) -> SwiftServer:
    """Start Swift on free loopback ports; ready when it returns. Its state and log are in `folder`.

    The folder must have extended attributes, and is the caller's to remove. Raises
    RuntimeError with the end of the log when the server does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    access_key, secret_key = "test:tester", secrets.token_hex(16)
    log = folder / "swift.log"
    with log.open("wb") as log_file:
        process = subprocess.Popen(
            # -P keeps this module from shadowing the package `swift`.
            [
                sys.executable,
                "-P",
                "-W",
                "ignore",
                Path(__file__).with_name("swift_process.py"),
                folder,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            start_new_session=True,  # it ends by killing its process group
            text=True,
            env=os.environ | {"SWIFT_ACCESS_KEY": access_key, "SWIFT_SECRET_KEY": secret_key},
        )
    assert process.stdout
    port = process.stdout.readline().strip()
    if not port or not _answers(int(port), process):
        process.kill()
        raise RuntimeError(f"Swift did not start: {log.read_text()[-2000:]}")
    return SwiftServer(f"http://127.0.0.1:{port}", access_key, secret_key, process)


def _answers(port: int, process: subprocess.Popen[str]) -> bool:
    """Whether the proxy answers before the deadline; its sockets listen before it can."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while process.poll() is None and (left := deadline - time.monotonic()) > 0:
        connection = HTTPConnection("127.0.0.1", port, timeout=left)
        try:
            connection.request("GET", "/healthcheck")
            return connection.getresponse().status == 200
        except OSError:
            continue
        finally:
            connection.close()
    return False
