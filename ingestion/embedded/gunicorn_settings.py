"""How gunicorn serves the web, embedded or in an image (`-c python:…`).

Threads, because a request may wait for an object store; no access log, because a QIDO-RS
query names patients in its URL (the application logs requests without the query).
"""

import gc
import os
from pathlib import Path
from typing import Any

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # the workers' heartbeat, not a file of ours

worker_class = "ingestion.embedded.web_worker.WebWorker"
workers = 2
threads = 16  # most of them wait: for a disk, the database, a slow client
# Loaded once and shared; connections and clients are made per process, on first use.
preload_app = True
timeout = 60
graceful_timeout = 10
keepalive = 15
limit_request_line = 8190  # a list of a hundred UIDs is twice the default; 8190 is the most
accesslog = None
errorlog = "-"
loglevel = "warning"
control_socket_disable = True
# A heartbeat on a slow disk would get workers killed.
worker_tmp_dir = (
    str(SHARED_MEMORY) if SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK) else None
)


def when_ready(_master: Any) -> None:
    """Before any worker is forked: what is loaded stays, and nobody looks for garbage in it.

    A search through all of it takes 0.1 s, every few hundred requests.
    """
    gc.collect()
    gc.freeze()
