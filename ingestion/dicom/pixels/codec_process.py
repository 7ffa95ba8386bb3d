"""Runs codecs in a process apart, because damaged code streams end or stop the one they run in.

The process is started when it is first needed, killed when it takes too long, and ends with the
one that started it, whose pipe it reads. Run as a module, `python -m …codec_process`, this is that
process. Requests and answers are a JSON text and bytes, both with their lengths before them.
"""

import atexit
import json
import os
import resource
import struct
import subprocess
import sys
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Timer
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ingestion.dicom.pixels.codecs import CodecCall, run_codec
from ingestion.errors import Unavailable, UnreadablePixelData

PROCESSES = 2
SECONDS_MAX = 20.0
MEMORY_BYTES_MAX = 4 << 30

_LENGTHS = struct.Struct("<IQ")
_PROJECT = Path(__file__).parents[3]
_COMMAND = (sys.executable, "-m", "ingestion.dicom.pixels.codec_process")
_ENDED = "the codec ended or took too long: the frame is damaged"


class CodecProcess:
    """One process, for one caller at a time. It is started anew after it was lost."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, frame: bytes, call: CodecCall, *, seconds_max: float) -> tuple[NDArray[Any], str]:
        """As `run_codec`. Raises `UnreadablePixelData`, also when the process dies of the frame."""
        process = self._process or self._started()
        assert process.stdin is not None, "it was made with pipes"
        assert process.stdout is not None, "it was made with pipes"
        told = {"transfer_syntax_uid": call.transfer_syntax_uid, "options": call.options}
        deadline = Timer(seconds_max, process.kill)
        deadline.start()
        try:
            _write(process.stdin, told, frame)
            answer, pixels = _read(process.stdout)
        except (OSError, EOFError) as error:
            self.close()
            raise UnreadablePixelData(_ENDED) from error
        finally:
            deadline.cancel()
        if "error" in answer:
            raise UnreadablePixelData(answer["error"])
        array = np.frombuffer(pixels, dtype=answer["dtype"]).reshape(answer["shape"])
        return array, answer["photometric_interpretation"]

    def close(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _started(self) -> subprocess.Popen[bytes]:
        """What codecs complain of goes nowhere: they name no frame and no instance."""
        self._process = subprocess.Popen(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_PROJECT,
        )
        return self._process


_idle: LifoQueue[CodecProcess] = LifoQueue()
for _ in range(PROCESSES):
    _idle.put(CodecProcess())


def run_codec_apart(
    frame: bytes, call: CodecCall, *, seconds_max: float = SECONDS_MAX
) -> tuple[NDArray[Any], str]:
    """As `run_codec`, in one of the processes apart.

    Waits while all of them are busy; raises `Unavailable` when they are for `seconds_max`.
    """
    try:
        process = _idle.get(timeout=seconds_max)
    except Empty as error:
        raise Unavailable("all codecs are busy") from error
    try:
        return process.run(frame, call, seconds_max=seconds_max)
    finally:
        _idle.put(process)


@atexit.register
def _close_all() -> None:
    while not _idle.empty():
        _idle.get_nowait().close()


def main() -> None:
    """Answer requests until the pipe is closed. What codecs print does not get into answers."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            told, frame = _read(sys.stdin.buffer)
        except EOFError:
            return
        try:
            pixels, photometric_interpretation = run_codec(frame, CodecCall(**told))
        except UnreadablePixelData as error:
            _write(answers, {"error": str(error)}, b"")
            continue
        described = {
            "dtype": pixels.dtype.str,
            "shape": pixels.shape,
            "photometric_interpretation": photometric_interpretation,
        }
        _write(answers, described, pixels.tobytes())


def _write(pipe: IO[bytes], told: dict[str, Any], content: bytes) -> None:
    text = json.dumps(told).encode()
    pipe.write(_LENGTHS.pack(len(text), len(content)))
    pipe.write(text)
    pipe.write(content)
    pipe.flush()


def _read(pipe: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Raises EOFError at the end, which may be anywhere."""
    text_length, length = _LENGTHS.unpack(_exactly(pipe, _LENGTHS.size))
    told: dict[str, Any] = json.loads(_exactly(pipe, text_length))
    return told, _exactly(pipe, length)


def _exactly(pipe: IO[bytes], length: int) -> bytes:
    content: bytes = pipe.read(length)
    if len(content) < length:
        raise EOFError
    return content


if __name__ == "__main__":
    main()
