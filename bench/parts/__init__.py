"""The parts of a measurement, one module each; `__main__` selects among them."""
