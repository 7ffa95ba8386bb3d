"""Whose address a receipt carries."""

import pytest
from django.http import HttpRequest
from pytest_django import Settings

from dicomweb.peers import peer_address

PROXY = "10.0.0.1"


def address(settings: Settings, forwarded_for: str | None, *, is_trusted: bool) -> str:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={"trust_forwarded_headers": is_trusted}
    )
    request = HttpRequest()
    request.META["REMOTE_ADDR"] = PROXY
    if forwarded_for is not None:
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded_for
    return peer_address(request)


@pytest.mark.parametrize(
    ("forwarded_for", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("1.2.3.4, 192.0.2.7", "192.0.2.7"),
        ("1.2.3.4,192.0.2.7:51234", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("", PROXY),
        (None, PROXY),
        ("unknown", PROXY),
        ("192.0.2.7, <script>", PROXY),
    ],
)
def test_a_trusted_proxy_tells_who_asked(
    settings: Settings, forwarded_for: str | None, expected: str
) -> None:
    assert address(settings, forwarded_for, is_trusted=True) == expected


def test_what_anybody_may_write_is_not_believed(settings: Settings) -> None:
    assert address(settings, "192.0.2.7", is_trusted=False) == PROXY
