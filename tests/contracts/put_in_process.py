"""One put in a process of its own: `python -m tests.contracts.put_in_process < configuration`.

The configuration is JSON: backend, options, prefix, spool_folder, key, size_bytes and, optionally,
file_size_bytes_max (a resource limit) and killed_at (an audit event of sys.addaudithook).
Prints location and created, or the code of the error.
"""

import json
import os
import resource
import signal
import sys
from pathlib import Path

from django.conf import settings

from ingestion.errors import IngestionError
from ingestion.object_stores.open_store import open_store
from ingestion.object_stores.spool import Spool

MEMORY_BYTES_MAX = 512 * 1024


def content_of(size_bytes: int) -> bytes:
    return bytes(range(251)) * (size_bytes // 251) + bytes(size_bytes % 251)


def main() -> None:
    asked = json.load(sys.stdin)
    settings.configure(USE_TZ=True)
    if "file_size_bytes_max" in asked:
        limit = asked["file_size_bytes_max"]
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    store = open_store(
        asked["backend"], asked["options"], asked["prefix"], Path(asked["spool_folder"])
    )
    folder = store.spool_folder()
    if "killed_at" in asked:
        die_at(asked["killed_at"])
    with Spool(folder, memory_bytes_max=MEMORY_BYTES_MAX, size_bytes_max=1 << 30) as spool:
        try:
            spool.write(content_of(asked["size_bytes"]))
            stored = store.put(asked["key"], spool)
        except IngestionError as error:
            print(json.dumps({"error": error.code}))
        else:
            print(json.dumps({"location": stored.location, "created": stored.created}))


def die_at(event: str) -> None:
    """Let the kernel kill this process when it is about to make that call."""

    def hook(name: str, _arguments: object) -> None:
        if name == event:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


if __name__ == "__main__":
    main()
