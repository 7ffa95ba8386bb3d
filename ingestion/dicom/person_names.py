"""Brings person names into the form in which they are compared.

Source: PS3.5 6.2.1 (components and component groups), PS3.4 C.2.2.2.1 (matching of PN).
"""

import unicodedata

_DELIMITERS = str.maketrans({"^": " ", "=": " "})


def normalized(name: str) -> str:
    """Return `name` without case, accents and delimiters, in single spaces.

    Wild cards stay. Normalising twice changes nothing.
    """
    decomposed = unicodedata.normalize("NFKD", name.translate(_DELIMITERS))
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    folded = unicodedata.normalize("NFKD", plain.casefold()).translate(_DELIMITERS)
    return " ".join("".join(char for char in folded if not unicodedata.combining(char)).split())
