"""Addresses that clients can use, whatever they wrote into Host."""

import pytest
from django.http import HttpRequest
from pytest_django import Settings

from dicomweb.links import Links, links_of


def root(
    settings: Settings, *, host: str, port: str, scheme: str = "http", **changes: object
) -> str:
    settings.ALLOWED_HOSTS = ["*"]
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=changes)
    request = HttpRequest()
    request.META.update({"HTTP_HOST": host, "SERVER_PORT": port, "SERVER_NAME": "internal"})
    if scheme == "https":
        request.META["HTTP_X_FORWARDED_PROTO"] = "https"
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    return links_of(request).root


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        ("pacs:8000", "8000", "http://pacs:8000/dicomweb"),
        ("pacs", "80", "http://pacs/dicomweb"),
        # dicomweb-client leaves the port out.
        ("127.0.0.1", "8042", "http://127.0.0.1:8042/dicomweb"),
        ("[::1]", "8042", "http://[::1]:8042/dicomweb"),
        ("[::1]:8042", "8042", "http://[::1]:8042/dicomweb"),
    ],
)
def test_links_have_the_port_that_answered(
    settings: Settings, host: str, port: str, expected: str
) -> None:
    assert root(settings, host=host, port=port, public_base_url="") == expected


def test_the_configured_base_goes_before_the_request(settings: Settings) -> None:
    base = "https://images.example/pacs/"
    assert root(settings, host="x", port="1", public_base_url=base) == (
        "https://images.example/pacs/dicomweb"
    )


def test_behind_a_trusted_proxy_its_host_is_the_address(settings: Settings) -> None:
    found = root(
        settings, host="images.example", port="8000", scheme="https", trust_forwarded_headers=True
    )
    assert found == "https://images.example/dicomweb"


def test_every_object_has_an_address_below_its_space() -> None:
    links = Links("http://pacs/dicomweb")
    assert links.study("main", "1") == "http://pacs/dicomweb/spaces/main/studies/1"
    assert links.series("main", "1", "2") == "http://pacs/dicomweb/spaces/main/studies/1/series/2"
    assert links.instance("main", "1", series_instance_uid="2", sop_instance_uid="3") == (
        "http://pacs/dicomweb/spaces/main/studies/1/series/2/instances/3"
    )
