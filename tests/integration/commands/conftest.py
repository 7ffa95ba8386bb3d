"""What commands that talk DIMSE are run against: our own service, and what its space holds."""

from tests.integration.dimse.conftest import space, start_service

__all__ = ["space", "start_service"]
