"""Requests to a subscriber: its headers and credentials, its limits, and what came of them."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings

from bindings.models import AuthKind, OutcomeClass, Subscription
from bindings.outbound_http import OutboundAnswer, OutboundError, OutboundRequest, send
from bindings.peer_statuses import outcome_of, retry_after_seconds
from ingestion.errors import Misconfigured, NotPermitted

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came of it. `answer` is None when there was none."""

    started_at: datetime
    duration_ms: int
    outcome: OutcomeClass
    peer_status: str
    detail: str
    retry_after_seconds: float | None = None
    answer: OutboundAnswer | None = None


def ask(subscription: Subscription, headers: Headers, body: bytes) -> Exchange:
    """Post a small body; the whole exchange ends within the subscription's timeout."""
    return exchange(_request(subscription, "POST", headers, body))


def upload(subscription: Subscription, headers: Headers, chunks: Iterator[bytes]) -> Exchange:
    """Post a body that may take long as long as it moves. Raises what `chunks` raises."""
    return exchange(_request(subscription, "POST", headers, chunks))


def exchange(request: OutboundRequest) -> Exchange:
    """Send, and judge what comes back by its status."""
    started_at = datetime.now(UTC)
    try:
        answer = send(request)
    except (OutboundError, NotPermitted, Misconfigured) as error:
        # Also a forbidden address: the subscription's fault, so the delivery waits for its repair.
        return Exchange(
            started_at, _since(started_at), OutcomeClass.TRANSIENT, error.code, str(error)
        )
    wait = retry_after_seconds(answer.headers.get("retry-after"), now=datetime.now(UTC))
    return Exchange(
        started_at,
        _since(started_at),
        outcome_of(answer.status, retry_after_seconds=wait),
        str(answer.status),
        "" if answer.status // 100 == 2 else f"the subscriber answered {answer.status}",
        wait,
        answer,
    )


def _request(
    subscription: Subscription, method: str, headers: Headers, body: bytes | Iterator[bytes]
) -> OutboundRequest:
    return OutboundRequest(
        method,
        subscription.url,
        (*headers, *subscription.headers.items(), *_authorization(subscription)),
        body,
        subscription.timeout_seconds or settings.ENVIRONMENT.outbound_timeout_seconds,
        is_bounded=isinstance(body, bytes),
        ca_certificates=subscription.ca_certificates,
    )


def _authorization(subscription: Subscription) -> Headers:
    """RFC 6750 2.1, RFC 7617 2."""
    if subscription.auth_kind == AuthKind.BEARER:
        return (("Authorization", f"Bearer {subscription.auth_secret}"),)
    if subscription.auth_kind == AuthKind.BASIC:
        pair = f"{subscription.auth_user_name}:{subscription.auth_secret}".encode()
        return (("Authorization", f"Basic {base64.b64encode(pair).decode()}"),)
    return ()


def _since(started_at: datetime) -> int:
    return int((datetime.now(UTC) - started_at).total_seconds() * 1000)
