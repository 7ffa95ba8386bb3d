"""What a sender achieved: only acknowledgements count."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sent:
    """How many instances were acknowledged, and how long that took."""

    acknowledged: int
    seconds: float
