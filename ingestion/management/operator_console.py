"""Where commands tell operators what they found."""

from rich.console import Console

PIPED_COLUMNS = 400  # a UID in a file or a pipe is not broken over two lines


def operator_console() -> Console:
    """As wide as the terminal; without one, as wide as any table of ours."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPED_COLUMNS)
