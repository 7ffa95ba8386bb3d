"""The web's worker with less patience, so that a test need not wait for the product's."""

from ingestion.embedded.web_worker import WebWorker


class ImpatientWorker(WebWorker):
    """Waits two seconds for a client."""

    head_seconds = 2.0
    silence_seconds = 2.0
