"""What can go wrong in a measurement."""


class NotMeasured(Exception):
    """A run gave no figure: something was refused, lost or late. The message says what."""
