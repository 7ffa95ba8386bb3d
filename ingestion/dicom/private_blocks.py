"""Gives private elements a block of their creator, and finds them in whichever they have.

Source: PS3.5 7.8.1 (blocks 10 to FF of an odd group); PS3.19 A.1.5 (privateCreator).
"""

from collections.abc import Mapping
from typing import Any

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


def in_named_blocks(data_set: Mapping[str, Any], creators: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the data set with the elements of each creator in the block that is named for it.

    `creators` are by the tag of the private creator element, (gggg,00bb). What stood in that block
    changes places with them, so that nothing is lost. A creator that the data set does not have
    changes nothing.
    """
    for named, creator in creators.items():
        found = _creator_element(data_set, named[:4], creator)
        if found not in (None, named):
            data_set = _exchanged(data_set, named, found)
    return data_set


def _creator_element(data_set: Mapping[str, Any], group: str, creator: str) -> str | None:
    """The first element of the group that reserves a block for the creator."""
    for block in range(_FIRST_BLOCK, _LAST_BLOCK + 1):
        tag = f"{group}00{block:02X}"
        found = data_set.get(tag)
        values = found.get("Value") if isinstance(found, dict) else None
        if isinstance(values, list) and [str(value).strip() for value in values] == [creator]:
            return tag
    return None


def _exchanged(data_set: Mapping[str, Any], one: str, other: str) -> Mapping[str, Any]:
    """The data set with the blocks of two creator elements exchanged."""
    group, here, there = one[:4], one[6:], other[6:]
    blocks = {here: there, there: here}

    def renamed(tag: str) -> str:
        block, rest = tag[4:6], tag[6:]
        if tag[:4] != group:
            return tag
        if block == "00":
            return f"{group}00{blocks.get(rest, rest)}"
        return f"{group}{blocks.get(block, block)}{rest}"

    return {renamed(tag): value for tag, value in data_set.items()}
