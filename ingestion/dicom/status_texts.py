"""What the statuses of DIMSE responses mean, in words for people.

Source: PS3.7 Annex C; PS3.4 Tables B.2-1 (C-STORE), C.4-1 (C-FIND), C.4-2 (C-MOVE).
"""

_GENERAL = {
    0x0000: "success",
    0x0001: "success, requested optional attributes are not supported",
    0x0107: "attribute list error",
    0x0110: "processing failure",
    0x0111: "duplicate SOP Instance",
    0x0112: "no such SOP Instance",
    0x0115: "invalid argument value",
    0x0116: "attribute value out of range",
    0x0117: "invalid SOP Instance",
    0x0118: "no such SOP Class",
    0x0119: "class-instance conflict",
    0x0120: "missing attribute",
    0x0121: "missing attribute value",
    0x0122: "SOP Class not supported",
    0x0124: "not authorized",
    0x0210: "duplicate invocation",
    0x0211: "unrecognized operation",
    0x0212: "mistyped argument",
    0x0213: "resource limitation",
    0xA701: "out of resources, unable to calculate the number of matches",
    0xA702: "out of resources, unable to perform sub-operations",
    0xA801: "move destination unknown",
    0xB000: "coercion of data elements, or sub-operations with failures",
    0xB006: "elements discarded",
    0xB007: "data set does not match SOP Class (warning)",
    0xFE00: "cancelled",
    0xFF00: "pending",
    0xFF01: "pending, optional keys are not supported",
}
# By the first digits, where the rest is the peer's own.
_BY_KIND = {0xA7: "out of resources", 0xA9: "data set does not match SOP Class"}
_CANNOT_UNDERSTAND = "cannot understand, or unable to process"


def status_text(status: int) -> str:
    """The status as four hexadecimal digits, and what it means as far as that is known."""
    meaning = _GENERAL.get(status) or _BY_KIND.get(status >> 8, "")
    if not meaning and status >> 12 == 0xC:
        meaning = _CANNOT_UNDERSTAND
    return f"{status:04X} {meaning or 'of no meaning in the Standard'}"
