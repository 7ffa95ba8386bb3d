"""Decides whether a peer may associate now: protocol, AE tables, room on the disk.

Source: PS3.8 7.1.1.7 to 7.1.1.9 (result, source, reason).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ingestion.dimse.acceptor.entity_cache import EntityCache
from ingestion.dimse.protocol.association_request import AssociationRequest
from ingestion.dimse.protocol.association_rules import Rules
from ingestion.dimse.protocol.extended_negotiation import Roles
from ingestion.dimse.protocol.supported_services import Openness, Service
from ingestion.dimse.protocol.upper_layer import Refusal, Rejection
from ingestion.dimse.security.association_policy import LocalEntity, admit, check_protocol
from ingestion.errors import IngestionError

if TYPE_CHECKING:  # the protocol hands the space through and needs nothing of Django
    from ingestion.models import StorageSpace

_WITHOUT_STORAGE = Rules(services=frozenset(Service) - {Service.STORE})


class Admission:
    """Admits a peer or refuses it with the reason that PS3.8 has for it."""

    def __init__(
        self,
        cache: EntityCache,
        *,
        require_room: Callable[["StorageSpace"], None],
        any_calling_ae_from_loopback: bool,
        openness: Openness = Openness.KNOWN,
        is_encrypted: bool = False,
    ) -> None:
        self._cache = cache
        self._require_room = require_room
        self._any_calling_ae_from_loopback = any_calling_ae_from_loopback
        self._openness = openness
        self._is_encrypted = is_encrypted

    def __call__(self, request: AssociationRequest, peer_address: str) -> LocalEntity:
        """The entity that the peer associates with, and the rules. Raises `Refusal`.

        Without database the peer is asked to come back later. One that would store where
        that cannot be done now is asked too, unless it came for more: then it is served but
        for storage.
        """
        check_protocol(request)
        try:
            tables = self._cache.tables()
        except IngestionError as error:
            raise _congested(error) from error
        entity = admit(
            tables,
            request,
            peer_address=peer_address,
            is_encrypted=self._is_encrypted,
            any_calling_ae_from_loopback=self._any_calling_ae_from_loopback,
        )
        services = self._proposed_services(request, entity.rules)
        if Service.STORE not in services:
            return entity
        try:
            self._require_storage(entity)
        except Refusal:
            if services <= {Service.STORE, Service.VERIFICATION}:
                raise
            return replace(entity, rules=entity.rules & _WITHOUT_STORAGE)
        return entity

    def _require_storage(self, entity: LocalEntity) -> None:
        if not entity.accepts_new_objects:
            raise Refusal(Rejection.NOT_ACCEPTING, "storage space accepts no new objects")
        try:
            self._require_room(entity.storage_space)
        except IngestionError as error:
            raise _congested(error) from error

    def _proposed_services(self, request: AssociationRequest, rules: Rules) -> set[Service | None]:
        """What the peer would use; to take objects by C-GET is not to store them here."""
        return {
            rules.service_of(context.abstract_syntax, self._openness)
            for context in request.contexts
            if request.roles.get(context.abstract_syntax, Roles()).is_scu
        } - {None}


def _congested(error: IngestionError) -> Refusal:
    return Refusal(Rejection.TEMPORARY_CONGESTION, f"{error.code}: {error}")
