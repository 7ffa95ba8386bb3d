"""Gives private elements a block of their creator, where a data set names creators only.

Source: PS3.5 7.8.1 (blocks 10 to FF of an odd group); PS3.19 A.1.5 (privateCreator).
"""

from ingestion.dicom.json_model import JsonDataSet, element
from ingestion.errors import InvalidDocument

_FIRST_BLOCK = 0x10
_LAST_BLOCK = 0xFF


class PrivateBlocks:
    """The blocks of one data set, which is added to as blocks are reserved."""

    def __init__(self, data_set: JsonDataSet) -> None:
        """Know the creators that the data set has; it may hold blocks that none reserved."""
        self._data_set = data_set
        self._taken = {tag[:6] for tag in data_set}
        self._blocks: dict[tuple[str, str], int] = {}
        for tag in data_set:
            if tag[4:6] == "00" and int(tag[6:], 16) >= _FIRST_BLOCK:
                creator = (data_set[tag].get("Value") or [""])[0]
                self._blocks.setdefault((tag[:4], str(creator)), int(tag[6:], 16))

    def place(self, tag: str, creator: str) -> str:
        """Return the tag in the creator's block, reserved now when it has none.

        A block that the tag names already is kept, unless it is another creator's.
        Raises `InvalidDocument` when the group is not private or has no block left.
        """
        group, named = tag[:4], int(tag[4:6], 16)
        if int(group, 16) % 2 == 0:
            raise InvalidDocument(f"{tag} has a private creator, but its group is not private")
        if named >= _FIRST_BLOCK and f"{group}00{named:02X}" not in self._data_set:
            self._reserve(group, creator, named)
        block = self._blocks.get((group, creator))
        if block is None:
            block = self._reserve(group, creator, self._free_block(group))
        return f"{group}{block:02X}{tag[6:]}"

    def _reserve(self, group: str, creator: str, block: int) -> int:
        self._data_set[f"{group}00{block:02X}"] = element("LO", creator)
        self._blocks[group, creator] = block
        return block

    def _free_block(self, group: str) -> int:
        for block in range(_FIRST_BLOCK, _LAST_BLOCK + 1):
            is_reserved = f"{group}00{block:02X}" in self._data_set
            if not is_reserved and f"{group}{block:02X}" not in self._taken:
                return block
        raise InvalidDocument(f"the private group {group} has no block left")
