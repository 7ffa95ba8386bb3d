"""Who may associate with whom, for what: pure decisions over a snapshot of the AE tables.

Source: PS3.8 Table 9-21 for what a refused peer is told; PS3.7 D.3.3.7 (user identity).
"""

import enum
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ingestion.dimse.protocol.association_request import AssociationRequest
from ingestion.dimse.protocol.association_rules import EVERYTHING, Rules
from ingestion.dimse.protocol.upper_layer import APPLICATION_CONTEXT_NAME, Refusal, Rejection

if TYPE_CHECKING:  # the protocol hands the space through and needs nothing of Django
    from ingestion.models import StorageSpace

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_AE_TITLE = re.compile(r"[\x20-\x5B\x5D-\x7E]{1,16}")  # PS3.5 6.2, AE


class IdentityRule(enum.StrEnum):
    """What is done with the user identity of an association; the values are the tables'."""

    IGNORED = "ignored"
    CHECKED = "checked"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class LocalEntity:
    """An AE title of ours and where its objects rest."""

    ae_title: str
    storage_space: "StorageSpace"
    accepts_new_objects: bool = True
    rules: Rules = EVERYTHING
    identity_rule: IdentityRule = IdentityRule.IGNORED


@dataclass(frozen=True, slots=True)
class RemoteEntity:
    """A known caller and the titles of ours that it may call. No networks: any address."""

    ae_title: str
    networks: tuple[Network, ...] = ()
    may_call: frozenset[str] = frozenset()
    may_call_all: bool = False
    must_use_tls: bool = False
    rules: Rules = EVERYTHING

    def may_associate(self, address: Address, called_ae_title: str) -> bool:
        """Whether it may call this title of ours from this address."""
        return (not self.networks or any(address in network for network in self.networks)) and (
            self.may_call_all or called_ae_title in self.may_call
        )

    @property
    def is_silent_about_calls(self) -> bool:
        """Whether nothing was said of what it may call, and from where: a destination, say."""
        return not (self.networks or self.may_call or self.may_call_all)


@dataclass(frozen=True, slots=True)
class EntityTables:
    """The enabled entities by title.

    Several remote ones may share a title; the first that fits counts. A title of disabled ones
    alone is there without any.
    """

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
    is_encrypted: bool = False,
    any_calling_ae_from_loopback: bool = False,
) -> LocalEntity:
    """The entity that the peer may associate with, by the rules for the two. Raises `Refusal`.

    With `any_calling_ae_from_loopback` those of whose calls the tables say nothing are let in.
    """
    entity = tables.local_entities.get(request.called_ae_title)
    if entity is None:
        raise Refusal(Rejection.CALLED_AE_NOT_RECOGNIZED, "called AE title is not ours")
    address = parse_address(peer_address)
    caller = _known_caller(tables, request, address)
    if caller is None and any_calling_ae_from_loopback and address.is_loopback:
        caller = _unrestricted_caller(tables, request.calling_ae_title)
    if caller is None:
        raise Refusal(
            Rejection.CALLING_AE_NOT_RECOGNIZED,
            "calling AE title is not known from this address for this called AE title",
        )
    if caller.must_use_tls and not is_encrypted:
        raise Refusal(Rejection.NO_REASON_GIVEN, "calling AE title must call by TLS")
    return replace(entity, rules=entity.rules & caller.rules)


def parse_address(text: str) -> Address:
    """An address without its zone; IPv4 inside IPv6 counts as IPv4."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _known_caller(
    tables: EntityTables, request: AssociationRequest, address: Address
) -> RemoteEntity | None:
    callers = tables.remote_entities.get(request.calling_ae_title, ())
    return next(
        (one for one in callers if one.may_associate(address, request.called_ae_title)), None
    )


def _unrestricted_caller(tables: EntityTables, ae_title: str) -> RemoteEntity | None:
    """One of whose calls the tables say nothing, be it that they do not name it."""
    callers = tables.remote_entities.get(ae_title)
    if callers is None:
        return RemoteEntity(ae_title) if _AE_TITLE.fullmatch(ae_title) else None
    return next((one for one in callers if one.is_silent_about_calls), None)
