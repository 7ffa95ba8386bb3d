"""A picture for what has none: its modality on a dark ground.

PS3.18 10.4.1.1.4 lets the server choose what is representative.
"""

from PIL import Image, ImageDraw, ImageFont

_BACKGROUND, _INK = 32, 200
_EDGE = 128
_TEXT_LENGTH_MAX = 4


def placeholder(modality: str) -> Image.Image:
    """A square with the (short) name of the modality."""
    picture = Image.new("L", (_EDGE, _EDGE), _BACKGROUND)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((8, 8, _EDGE - 9, _EDGE - 9), outline=_INK, width=2)
    name = "".join(letter for letter in modality[:_TEXT_LENGTH_MAX] if letter.isascii())
    draw.text(
        (_EDGE / 2, _EDGE / 2), name or "?", fill=_INK, font=ImageFont.load_default(32), anchor="mm"
    )
    return picture
