"""Runs the codecs: pydicom's plugins (Pillow, OpenJPEG, CharLS, GDCM, RLE).

Which plugin reads what is chosen by what damaged code streams do to it: GDCM ends the process that
it runs in, CharLS may never return, so both run in a process apart (`codec_process`). The others
raise. Source: PS3.5 10 (transfer syntaxes).
"""

import struct
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

from ingestion.dicom.transfer_syntaxes import transfer_syntax
from ingestion.errors import UnreadablePixelData

_PLUGINS: dict[str, str] = {
    JPEGBaseline8Bit: "pillow",
    JPEGLossless: "gdcm",
    JPEGLosslessSV1: "gdcm",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    **dict.fromkeys((JPEG2000, JPEG2000Lossless), "pylibjpeg"),
    **dict.fromkeys((HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL), "pylibjpeg"),
}
NOT_TRUSTED = frozenset(("gdcm", "pyjpegls"))

# What pydicom, NumPy and the plugins raise of frames that are not what they should be.
_DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


@dataclass(frozen=True, slots=True)
class CodecCall:
    """How one frame is to be read. `options` are those of pydicom's decoders."""

    transfer_syntax_uid: str
    options: dict[str, Any]

    @property
    def plugin(self) -> str:
        """The plugin that reads it; '' leaves that to pydicom."""
        return _PLUGINS.get(self.transfer_syntax_uid, "")


def run_codec(frame: bytes, call: CodecCall) -> tuple[NDArray[Any], str]:
    """The pixels of a frame and their Photometric Interpretation, in this process.

    Raises `UnreadablePixelData`.
    """
    syntax = transfer_syntax(call.transfer_syntax_uid)
    if not syntax.name:
        raise UnreadablePixelData("the transfer syntax is not known")
    source = encapsulate([frame], has_bot=False) if syntax.is_encapsulated else frame
    try:
        pixels, described = get_decoder(UID(call.transfer_syntax_uid)).as_array(
            source,
            raw=True,
            validate=False,
            decoding_plugin=call.plugin,
            allow_excess_frames=False,  # type: ignore[arg-type]  # the annotation is of the dict
            **call.options,
        )
    except BaseException as error:
        if not _is_of_a_codec(error):
            raise
        raise UnreadablePixelData(
            f"the frame cannot be decoded from transfer syntax {call.transfer_syntax_uid}"
        ) from error
    return pixels, str(described["photometric_interpretation"])


def _is_of_a_codec(error: BaseException) -> bool:
    """Whether a codec raised it. A panic of the one in Rust is no `Exception`."""
    return isinstance(error, _DECODER_ERRORS) or type(error).__name__ == "PanicException"
