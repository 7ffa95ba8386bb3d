"""What the terminal shows."""

import io
import os

import pytest

from ingestion.embedded.console import Console


class Terminal(io.StringIO):
    """An output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class GoneTerminal(io.StringIO):
    """An output whose reader has left."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(text)


def test_a_line_stands_behind_the_name_of_its_process() -> None:
    output = io.StringIO()
    Console(output, environment={}).line("web", "hello")
    assert output.getvalue() == "web       | hello\n"


@pytest.mark.parametrize(
    ("output", "environment", "is_coloured"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_is_for_terminals_that_did_not_refuse_it(
    output: io.StringIO, environment: dict[str, str], is_coloured: bool
) -> None:
    Console(output, environment=environment).line("web", "hello")
    assert ("\x1b[" in output.getvalue()) is is_coloured


def test_bytes_that_are_no_text_are_still_shown() -> None:
    output = io.StringIO()
    reading, writing = os.pipe()
    thread = Console(output, environment={}).relay("dimse", os.fdopen(reading, "rb"))
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(b"caf\xe9\nlast")
    thread.join(60)
    assert output.getvalue() == "dimse     | caf\N{REPLACEMENT CHARACTER}\ndimse     | last\n"


def test_a_terminal_that_went_away_ends_nothing() -> None:
    console = Console(GoneTerminal(), environment={})
    console.say("nobody reads this")
    console.say("nor this")
