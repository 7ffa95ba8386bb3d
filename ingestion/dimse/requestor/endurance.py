"""Decides when a destination that breaks its associations is given up."""

from ingestion.dimse.protocol.upper_layer import AssociationEnded, PeerSilent

# Instances that broke their association: then the destination is given up. What is sent in between
# lets them be forgotten: one instance, but many after a silence, which cost a whole timeout.
BREAKS_MAX = 3
SENT_AFTER_SILENCE_MIN = 100


class Endurance:
    """How much longer a destination is sent something. Of one thread at a time."""

    def __init__(self) -> None:
        """Nothing broke yet."""
        self._breaks = 0
        self._sent_to_forget = 0  # instances until the breaks are forgotten

    def lasts(self) -> bool:
        """Whether to go on."""
        return self._breaks < BREAKS_MAX

    def note_sent(self) -> None:
        """An instance left its association whole."""
        self._sent_to_forget = max(0, self._sent_to_forget - 1)
        if not self._sent_to_forget:
            self._breaks = 0

    def note_break(self, end: AssociationEnded) -> None:
        """An instance broke its association so."""
        self._breaks += 1
        sent_min = SENT_AFTER_SILENCE_MIN if isinstance(end, PeerSilent) else 1
        self._sent_to_forget = max(self._sent_to_forget, sent_min)
