"""What an association did, counted while it is served."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """What an association did. `operations` counts requests by name: C-STORE, N-ACTION…"""

    instances_stored: int = 0
    instances_refused: int = 0
    bytes_stored: int = 0
    instances_sent: int = 0
    bytes_sent: int = 0
    operations: Counter[str] = field(default_factory=Counter)
