"""What an association may be used for, as the tables of application entities say."""

from dataclasses import dataclass

from ingestion.dimse.protocol.supported_services import Openness, Service, service_of


@dataclass(frozen=True, slots=True)
class Rules:
    """What an association may be used for; None: everything that we support.

    SOP Classes and transfer syntaxes are those that may be stored.
    """

    services: frozenset[str] | None = None
    sop_classes: frozenset[str] | None = None
    transfer_syntaxes: frozenset[str] | None = None

    def service_of(self, sop_class_uid: str, openness: Openness) -> Service | None:
        """The service of a SOP Class; what is listed here may be stored, known or not."""
        return service_of(sop_class_uid, _opened(openness, self.sop_classes, sop_class_uid))

    def openness_for(self, transfer_syntax_uid: str, openness: Openness) -> Openness:
        """Whether a transfer syntax must be known; what is listed here need not."""
        return _opened(openness, self.transfer_syntaxes, transfer_syntax_uid)

    def __and__(self, other: "Rules") -> "Rules":
        """What both allow."""
        return Rules(
            services=_both(self.services, other.services),
            sop_classes=_both(self.sop_classes, other.sop_classes),
            transfer_syntaxes=_both(self.transfer_syntaxes, other.transfer_syntaxes),
        )


EVERYTHING = Rules()


def _opened(openness: Openness, listed: frozenset[str] | None, uid: str) -> Openness:
    return Openness.ANY if listed is not None and uid in listed else openness


def _both(ours: frozenset[str] | None, theirs: frozenset[str] | None) -> frozenset[str] | None:
    if ours is None or theirs is None:
        return theirs if ours is None else ours
    return ours & theirs
