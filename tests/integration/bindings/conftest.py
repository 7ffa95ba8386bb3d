"""Subscribers on loopback."""

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from bindings.outbound_http import close_connections
from tests.http_receiver import HttpReceiver


@pytest.fixture(autouse=True)
def _subscribers_on_loopback(settings: Settings) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={"outbound_allow_private_addresses": True}
    )


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    """A subscriber that takes everything, until its script says otherwise."""
    with HttpReceiver() as listening:
        yield listening
        close_connections()
