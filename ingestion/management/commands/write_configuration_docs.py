"""`manage.py write_configuration_docs`: docs/configuration.md, made from `environment.py`."""

import types
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import annotated_types
from django.core.management.base import BaseCommand, CommandError
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from ingestion.environment import GIB, KIB, MIB, Environment, Limits

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"

HEAD = """\
# Configuration

Processes are configured by environment variables, read once at start by `ingestion/environment.py`;
all mistakes are reported at once. Storage spaces, application entities, access tokens and
subscriptions are not here: the admin keeps them.

This page is generated: `python manage.py write_configuration_docs`.

"""
LIMITS_HEAD = """
## Limits

Every limit is told to whoever hits it, by the name below without `INGESTION_`.

"""
COLUMNS = "| Variable | Type | Default | Meaning |\n|---|---|---|---|\n"

TYPE_NAMES: dict[Any, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    Path: "path",
    SecretStr: "secret",
}
UNITS = {"bytes": "bytes", "seconds": "seconds"}  # a word of the name tells the unit
SIZES = ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"))


class Command(BaseCommand):
    """Writes the page, or proves that it is up to date."""

    help = "Write docs/configuration.md from ingestion/environment.py."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--check` compares instead of writing."""
        parser.add_argument("--check", action="store_true", help="Fail if the page is stale.")

    def handle(self, **options: Any) -> None:
        """Write or compare; exit status 1 when the page is stale."""
        text = configuration_page()
        if not options["check"]:
            PAGE.parent.mkdir(exist_ok=True)
            PAGE.write_text(text, "utf-8")
        elif not PAGE.exists() or PAGE.read_text("utf-8") != text:
            raise CommandError(f"{PAGE.name} is stale: run manage.py write_configuration_docs")


def configuration_page() -> str:
    """The page, as Markdown."""
    return (
        HEAD
        + COLUMNS
        + _rows(Environment, leave_out="limits")
        + LIMITS_HEAD
        + COLUMNS
        + _rows(Limits)
    )


def _rows(settings: type[BaseSettings], *, leave_out: str = "") -> str:
    prefix = settings.model_config["env_prefix"]
    return "".join(
        f"| `{prefix}{name.upper()}` | {_type(name, field)} | {_default(name, field)}"
        f" | {field.description} |\n"
        for name, field in settings.model_fields.items()
        if name != leave_out
    )


def _type(name: str, field: FieldInfo) -> str:
    """What may be given: type or choices, unit, range."""
    annotation: Any = field.annotation
    if isinstance(annotation, types.UnionType):
        annotation = next(part for part in get_args(annotation) if part is not types.NoneType)
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    unit = next((UNITS[word] for word in name.split("_") if word in UNITS), "")
    parts = [TYPE_NAMES[annotation], unit and f"of {unit}", *_bounds(field)]
    return " ".join(part for part in parts if part)


def _bounds(field: FieldInfo) -> list[str]:
    words = {
        annotated_types.Ge: ("from", "ge"),
        annotated_types.Gt: ("above", "gt"),
        annotated_types.Le: ("to", "le"),
    }
    return [
        f"{words[type(rule)][0]} {getattr(rule, words[type(rule)][1])}"
        for rule in field.metadata
        if type(rule) in words
    ]


def _default(name: str, field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.default
    if value is None or value == "":
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int) and "bytes" in name.split("_"):
        size = next((f"{value // n} {unit}" for n, unit in SIZES if value % n == 0), "")
        return f"`{value}`" + (f" ({size})" if size else "")
    return f"`{value}`"
