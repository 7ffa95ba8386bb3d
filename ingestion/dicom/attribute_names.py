"""Reads attributes as queries name them: by keyword, by tag, or by a path into sequences.

Source: PS3.18 8.3.1 and 8.3.4.1 (attribute, tag, keyword), PS3.6 6.
"""

import re

from pydicom.datadict import (
    dictionary_VM,
    dictionary_VR,
    keyword_dict,
    keyword_for_tag,
    tag_for_keyword,
)

from ingestion.errors import InvalidQuery

Path = tuple[int, ...]

PATH_TAGS_MAX = 16
UNKNOWN_VR = "UN"

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_KEYWORD = re.compile(r"[A-Za-z0-9]{1,64}")
_PARAMETER = re.compile(r"[a-z_][A-Za-z0-9_]{0,63}")
_KEYWORDS_IN_LOWER_CASE = frozenset(keyword.lower() for keyword in keyword_dict)


def parse_path(text: str) -> Path:
    """The tags from the outermost sequence to the attribute. Raises `InvalidQuery`."""
    path = tuple(parse_tag(part) for part in text.split(".", PATH_TAGS_MAX))
    for tag in path[:-1]:
        if vr_of(tag) not in ("SQ", UNKNOWN_VR):
            raise InvalidQuery(f"{name_of(tag)} is no sequence, so that nothing lies below it")
    return path


def parse_tag(text: str) -> int:
    """The tag of a keyword or of eight hexadecimal digits. Raises `InvalidQuery`.

    A private tag needs no entry in the data dictionary.
    """
    text = text.strip()
    if _TAG.fullmatch(text):
        tag = int(text, 16)
        if is_private(tag) or is_known(tag):
            return tag
    elif _KEYWORD.fullmatch(text) and (found := tag_for_keyword(text)) is not None:
        return found
    named = text if _KEYWORD.fullmatch(text) else "an attribute"
    raise InvalidQuery(f"the query names {named}, which the data dictionary does not have")


def is_no_attribute(text: str) -> bool:
    """Whether a name can only be a parameter's: keywords begin in upper case (PS3.18 8.3.1.1).

    A keyword in another case is meant as one.
    """
    return (
        _PARAMETER.fullmatch(text) is not None
        and _TAG.fullmatch(text) is None
        and text.lower() not in _KEYWORDS_IN_LOWER_CASE
    )


def is_known(tag: int) -> bool:
    """Whether the data dictionary has it, in a repeating group too; items and delimiters are no
    attributes (PS3.5 7.5)."""
    try:
        return dictionary_VR(tag) != "NONE"
    except KeyError:
        return False


def is_private(tag: int) -> bool:
    """Whether the tag is of a private element or a private creator (PS3.5 7.8)."""
    return (tag >> 16) % 2 == 1


def is_private_creator(tag: int) -> bool:
    """Whether the tag is of an element that reserves a block for a creator (PS3.5 7.8.1)."""
    return is_private(tag) and 0x10 <= tag & 0xFFFF <= 0xFF


def private_creator(tag: int) -> int | None:
    """The tag of the element that reserves a private element's block (PS3.5 7.8.1)."""
    block = (tag & 0xFFFF) >> 8
    return (tag & 0xFFFF0000) | block if is_private(tag) and block >= 0x10 else None


def vr_of(tag: int) -> str:
    """The VR of the data dictionary, the first where it leaves a choice; UN for others."""
    if is_private(tag):
        return "LO" if is_private_creator(tag) else UNKNOWN_VR
    return dictionary_VR(tag).split(" ", 1)[0]


def is_multi_valued(tag: int) -> bool:
    """Whether the data dictionary lets the attribute have several values; private ones may."""
    return is_private(tag) or dictionary_VM(tag) != "1"


def name_of(tag: int) -> str:
    """The keyword, or (gggg,eeee) where there is none."""
    keyword = "" if is_private(tag) else keyword_for_tag(tag)
    return keyword or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
