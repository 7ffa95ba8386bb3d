"""`python -m ingestion.embedded [COMMAND…]`: run the product on this machine until Ctrl-C.

Each COMMAND is one of `manage.py`, without arguments, that runs to its end before anything serves.
"""

import os
import sys

from ingestion.embedded.console import Console
from ingestion.embedded.run import run
from ingestion.embedded.supervisor import StopRequests
from ingestion.errors import IngestionError


def main() -> int:
    """The exit status: 0 when somebody asked to stop, 1 when something did not start."""
    console = Console(sys.stdout, environment=os.environ)
    requests = StopRequests()
    requests.listen()
    try:
        run(os.environ, console=console, requests=requests, commands=sys.argv[1:])
    except IngestionError as error:
        console.say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
