"""Runs one command with the tests' servers: `python -m tests.services COMMAND…`."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.services import start_services


def main(command: list[str]) -> int:
    """The command's exit status."""
    with tempfile.TemporaryDirectory(prefix="imaging-ingestion-tests-") as folder:
        services = start_services(Path(folder))
        try:
            environment = {**services.environment, **os.environ}
            return subprocess.run(command, env=environment, check=False).returncode
        finally:
            services.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
