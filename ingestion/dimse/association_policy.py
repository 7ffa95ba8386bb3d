"""Who may associate with whom: pure decisions over a snapshot of the AE tables.

Source: PS3.8 Table 9-21 for what a refused peer is told.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestion.dimse.association_request import AssociationRequest
from ingestion.dimse.upper_layer import APPLICATION_CONTEXT_NAME, Refusal, Rejection

if TYPE_CHECKING:  # the protocol hands the space through and needs nothing of Django
    from ingestion.models import StorageSpace

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_AE_TITLE = re.compile(r"[\x20-\x5B\x5D-\x7E]{1,16}")  # PS3.5 6.2, AE


@dataclass(frozen=True, slots=True)
class LocalEntity:
    """An AE title of ours and where its objects rest."""

    ae_title: str
    storage_space: "StorageSpace"
    accepts_new_objects: bool = True


@dataclass(frozen=True, slots=True)
class RemoteEntity:
    """A known caller and the titles of ours that it may call. No networks: any address."""

    ae_title: str
    networks: tuple[Network, ...] = ()
    may_call: frozenset[str] = frozenset()
    may_call_all: bool = False

    def may_associate(self, address: Address, called_ae_title: str) -> bool:
        """Whether it may call this title of ours from this address."""
        return (not self.networks or any(address in network for network in self.networks)) and (
            self.may_call_all or called_ae_title in self.may_call
        )


@dataclass(frozen=True, slots=True)
class EntityTables:
    """The enabled entities by title; several remote ones may share a title."""

    local_entities: Mapping[str, LocalEntity]
    remote_entities: Mapping[str, tuple[RemoteEntity, ...]]


def check_protocol(request: AssociationRequest) -> None:
    """Refuse what speaks another protocol (PS3.8 9.3.2; PS3.7 A.2.1). Raises `Refusal`."""
    if not request.protocol_version & 1:
        raise Refusal(Rejection.PROTOCOL_VERSION_NOT_SUPPORTED, "protocol version is not 1")
    if request.application_context_name != APPLICATION_CONTEXT_NAME:
        raise Refusal(
            Rejection.APPLICATION_CONTEXT_NOT_SUPPORTED, "application context is not DICOM's"
        )


def admit(
    tables: EntityTables,
    request: AssociationRequest,
    *,
    peer_address: str,
    any_calling_ae_from_loopback: bool = False,
) -> LocalEntity:
    """The entity that the peer may associate with. Raises `Refusal`."""
    entity = tables.local_entities.get(request.called_ae_title)
    if entity is None:
        raise Refusal(Rejection.CALLED_AE_NOT_RECOGNIZED, "called AE title is not ours")
    address = parse_address(peer_address)
    is_welcome = any_calling_ae_from_loopback and address.is_loopback
    if not _AE_TITLE.fullmatch(request.calling_ae_title) or not (
        is_welcome or _is_known(tables, request, address)
    ):
        raise Refusal(
            Rejection.CALLING_AE_NOT_RECOGNIZED,
            "calling AE title is not known from this address for this called AE title",
        )
    if not entity.accepts_new_objects:
        raise Refusal(Rejection.NOT_ACCEPTING, "storage space accepts no new objects")
    return entity


def parse_address(text: str) -> Address:
    """An address without its zone; IPv4 inside IPv6 counts as IPv4."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _is_known(tables: EntityTables, request: AssociationRequest, address: Address) -> bool:
    callers = tables.remote_entities.get(request.calling_ae_title, ())
    return any(caller.may_associate(address, request.called_ae_title) for caller in callers)
