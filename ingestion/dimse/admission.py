"""Decides whether a peer may associate now: protocol, AE tables, room on the disk."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ingestion.dimse.association_policy import LocalEntity, admit, check_protocol
from ingestion.dimse.association_request import AssociationRequest
from ingestion.dimse.entity_cache import EntityCache
from ingestion.dimse.upper_layer import Refusal, Rejection
from ingestion.errors import IngestionError

if TYPE_CHECKING:  # the protocol hands the space through and needs nothing of Django
    from ingestion.models import StorageSpace


class Admission:
    """Admits a peer or refuses it with the reason that PS3.8 has for it."""

    def __init__(
        self,
        cache: EntityCache,
        *,
        require_room: Callable[["StorageSpace"], None],
        any_calling_ae_from_loopback: bool,
    ) -> None:
        self._cache = cache
        self._require_room = require_room
        self._any_calling_ae_from_loopback = any_calling_ae_from_loopback

    def __call__(self, request: AssociationRequest, peer_address: str) -> LocalEntity:
        """The entity that the peer associates with. Raises `Refusal`.

        Without database, object store or room the peer is asked to come back later.
        """
        check_protocol(request)
        try:
            entity = admit(
                self._cache.tables(),
                request,
                peer_address=peer_address,
                any_calling_ae_from_loopback=self._any_calling_ae_from_loopback,
            )
            self._require_room(entity.storage_space)
        except Refusal:
            raise
        except IngestionError as error:
            raise Refusal(Rejection.TEMPORARY_CONGESTION, f"{error.code}: {error}") from error
        return entity
