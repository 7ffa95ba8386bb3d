"""Every file bundled with pydicom, DICOM or not; nothing is downloaded."""

from pathlib import Path

import pydicom.data

_ROOT = Path(pydicom.data.__file__).parent

BUNDLED_FILES = sorted(
    path
    for folder in ("test_files", "charset_files")
    for path in (_ROOT / folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
)

# No decoder of pydicom reads 12 bits of JPEG Extended; DCMTK's dcmdjpeg says what is in them: the
# least, the greatest and the mean value.
TWELVE_BITS = {
    "JPEG-lossy.dcm": (0, 264, 14.369991302490234),
    "JPGExtended.dcm": (0, 264, 14.369991302490234),
}


def bundled_name(path: Path) -> str:
    """The file's path inside the package, for test ids."""
    return path.relative_to(_ROOT).as_posix()
