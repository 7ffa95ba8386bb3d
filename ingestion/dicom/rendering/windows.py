"""VOI windows: which part of the grey scale is shown. Source: PS3.3 C.11.2.1.2 and C.11.2.1.3."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_EXPONENT_MAX = 60.0  # beyond it a sigmoid is flat


class WindowFunction(StrEnum):
    """Values of VOI LUT Function (0028,1056)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, slots=True)
class Window:
    """`width` is at least 1 for LINEAR, above 0 else (C.11.2.1.2.1, C.11.2.1.3)."""

    center: float
    width: float
    function: WindowFunction = WindowFunction.LINEAR

    @property
    def is_usable(self) -> bool:
        return self.width >= 1 if self.function is WindowFunction.LINEAR else self.width > 0

    def apply(self, inputs: Floats) -> Floats:
        """The brightness of each value, from 0 to 1."""
        assert self.is_usable, "a window has a width"
        return _FUNCTIONS[self.function](inputs, self)


def _linear(inputs: Floats, window: Window) -> Floats:
    """Equation C.11-2: the lowest value shown is black, the highest one white."""
    center = window.center - 0.5
    if window.width == 1:
        return (inputs > center).astype(np.float64)
    return np.clip((inputs - center) / (window.width - 1) + 0.5, 0, 1)


def _linear_exact(inputs: Floats, window: Window) -> Floats:
    """Equation C.11-4."""
    return np.clip((inputs - window.center) / window.width + 0.5, 0, 1)


def _sigmoid(inputs: Floats, window: Window) -> Floats:
    """Equation C.11-3."""
    exponent = -4 * (inputs - window.center) / window.width
    return 1 / (1 + np.exp(np.clip(exponent, -_EXPONENT_MAX, _EXPONENT_MAX)))


_FUNCTIONS: dict[WindowFunction, Callable[[Floats, Window], Floats]] = {
    WindowFunction.LINEAR: _linear,
    WindowFunction.LINEAR_EXACT: _linear_exact,
    WindowFunction.SIGMOID: _sigmoid,
}
