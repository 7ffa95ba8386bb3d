"""Brings person names into the form in which they are compared.

Source: PS3.5 6.2.1 (components and component groups), PS3.4 C.2.2.2.1 (matching of PN).
"""

import unicodedata

# Between component groups; words are between single spaces, so that it is a word too.
GROUPS_DELIMITER = " = "


def normalized(name: str) -> str:
    """Return `name` without case, accents and `^`, in single spaces, its groups between ` = `.

    Wild cards stay. Normalising twice changes nothing.
    """
    groups = _plain(_plain(name).casefold()).replace("^", " ").split("=")
    return GROUPS_DELIMITER.join(filter(None, (" ".join(group.split()) for group in groups)))


def name_words(name: str) -> list[str]:
    """Return the components of a normalised name, of all its groups."""
    return [word for word in name.split() if word != "="]


def name_patterns(pattern: str) -> tuple[str, ...]:
    """Return patterns of which one matches a normalised name if `pattern` matches groups of it.

    Who knows a name in one script finds it, whatever other groups it has. A pattern without wild
    cards is a value.
    """
    starts = ("",) if pattern.startswith("*") else ("", f"*{GROUPS_DELIMITER}")
    ends = ("",) if pattern.endswith("*") else ("", f"{GROUPS_DELIMITER}*")
    return tuple(f"{start}{pattern}{end}" for start in starts for end in ends)


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(char for char in decomposed if not unicodedata.combining(char))
