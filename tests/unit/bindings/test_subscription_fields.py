"""What operators may write into a subscription."""

import pytest
from django.core.exceptions import ValidationError

from bindings.models.subscription import validate_headers, validate_pattern, validate_target
from bindings.selectors import takes_provider
from bindings.signing_secrets import new_signing_secret


@pytest.mark.parametrize(
    "url", ["https://host/path?q=1", "http://10.0.0.1:8080", "http://[::1]:1/x"]
)
def test_absolute_http_urls_are_taken(url: str) -> None:
    validate_target(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host/path",
        "ftp://host/",
        "file:///etc/passwd",
        "https://",
        "https://user:secret@host/",
        "https://host/#part",
        "https://host/a b",
        "https://host/\r\nX: y",
        "https://hôst/",
        "http://host:99999/",
        "http://[::1/",
    ],
)
def test_other_targets_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        validate_target(url)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "x"},
        {"webhook-id": "x"},
        {"Ce-Id": "x"},
        {"Content-Length": "1"},
        {"transfer-encoding": "chunked"},
        {"X": "a\r\nY: b"},
        {"X\n": "a"},
        {"X": ""},
        {"X": 1},
        ["X"],
    ],
)
def test_headers_that_are_ours_or_broken_are_refused(headers: object) -> None:
    with pytest.raises(ValidationError):
        validate_headers(headers)


def test_other_headers_are_taken() -> None:
    validate_headers({"X-Tenant": "radiology 1", "Prefer": "return=minimal"})


def test_provider_pattern_is_found_anywhere_and_a_list_is_any_of() -> None:
    assert takes_provider("", "default")
    assert takes_provider("fau", "default")
    assert takes_provider("^x$,def", "default")
    assert not takes_provider("^fau", "default")


def test_broken_pattern_is_refused_when_written() -> None:
    validate_pattern("a.*,b")
    with pytest.raises(ValidationError):
        validate_pattern("a,(")


def test_signing_secrets_are_fresh_and_of_the_standard_form() -> None:
    first, second = new_signing_secret(), new_signing_secret()
    assert first != second
    assert first.startswith("whsec_")
    assert len(first) == len("whsec_") + 44
