"""How an association ended, as it is logged, recorded and shown."""

import enum


class AssociationOutcome(enum.StrEnum):
    """How an association ended."""

    RELEASED = "released"
    REFUSED = "refused"
    PROBED = "probed"  # connected and left without a word, as health checks do; not recorded
    ABORTED_BY_PEER = "aborted by peer"
    VIOLATED = "protocol violated"
    SILENT = "peer silent"
    VANISHED = "peer vanished"
    STOPPED = "service stopped"
    BROKEN = "internal error"
