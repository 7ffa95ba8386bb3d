"""Asks processes whether they are ready, the way their clients would."""

import base64
import http.client
import json

from ingestion.embedded.ports import LOOPBACK

TIMEOUT_SECONDS = 2.0


def answers_ok(port: int, path: str) -> bool:
    """Whether a GET of the path is answered with 200."""
    return _get(port, path)[0] == http.client.OK


def flower_sees_workers(port: int, amount: int, *, credentials: str) -> bool:
    """Whether Flower answers and knows so many workers that are online."""
    status, body = _get(port, "/api/workers?status=1", credentials=credentials)
    return status == http.client.OK and sum(json.loads(body).values()) >= amount


def _get(port: int, path: str, *, credentials: str = "") -> tuple[int, bytes]:
    headers = {}
    if credentials:
        headers["Authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
