"""How long each frame of a loop is shown. Source: PS3.3 C.7.6.5 (Cine)."""

from itertools import cycle, islice

from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.rendering.header_values import number, numbers

_FRAME_TIME, _FRAME_TIME_VECTOR = "00181063", "00181065"
_RATES = ("00082144", "00180040")  # Recommended Display Frame Rate, Cine Rate
_UNKNOWN_MS = 100.0


def frame_durations_ms(data_set: JsonDataSet, count: int) -> list[float]:
    """Milliseconds for each of `count` frames."""
    vector = [value for value in numbers(data_set, _FRAME_TIME_VECTOR)[1:] if value > 0]
    if vector:
        return list(islice(cycle(vector), count))
    rates = (number(data_set, tag) for tag in _RATES)
    rate = next((1000 / rate for rate in rates if rate and rate > 0), None)
    frame_time = number(data_set, _FRAME_TIME)
    is_told = frame_time is not None and frame_time > 0
    return [rate or (frame_time if is_told and frame_time else _UNKNOWN_MS)] * count
