"""From what a key asks to what PostgreSQL is asked, equal to `ingestion.dicom.matching.matches`.

Source: PS3.4 C.2.2.2.
"""

import re
from itertools import chain
from typing import Any

from django.db.models import CharField, F, Func, Q, TextField, Value
from django.db.models.functions import Concat
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual, Lookup, Regex

from ingestion.dicom.attributes import IndexedAttribute, Level, joined_values
from ingestion.dicom.document_matching import TIME_OF_DATE
from ingestion.dicom.matching import (
    AllValues,
    DateRange,
    DateTimeRange,
    FuzzyName,
    Match,
    SingleValue,
    TimeRange,
    UIDList,
    Universal,
    ValueList,
    Wildcard,
)
from ingestion.dicom.person_names import name_patterns, name_words
from ingestion.use_cases.search_attributes import MATCHED, PATHS, SETS, SPACES
from ingestion.use_cases.search_query import Scope

NOTHING = Q(pk__in=())
_INTEGERS = range(-(1 << 31), 1 << 31)
_LIKE_SPECIAL = re.compile(r"([\\%_])")


@CharField.register_lookup
@TextField.register_lookup
class Like(Lookup):
    """SQL's LIKE with a pattern of ours."""

    lookup_name = "like"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        left, left_parameters = self.process_lhs(compiler, connection)
        right, right_parameters = self.process_rhs(compiler, connection)
        return f"{left} LIKE {right}", (*left_parameters, *right_parameters)


class FilledTime(Func):
    """A time with the parts that it does not give at their least: HHMMSS.FFFFFF."""

    template = "(%(expressions)s || substr('000000.000000', length(%(expressions)s) + 1))"
    output_field = CharField()
    arity = 1


class JoinedValues(Func):
    """The values of an array, joined by commas (a CS has none)."""

    function = "array_to_string"
    template = "%(function)s(%(expressions)s, ',')"
    output_field = TextField()
    arity = 1


def held(level: Level, scope: Scope) -> Q:
    """That a row and those above it are not deleted, and rest in the spaces of the scope only."""
    paths = PATHS[level]
    wanted = Q()
    for prefix in paths.values():
        wanted &= Q((f"{prefix}deleted_at__isnull", True))
    # Each row that knows its space is asked, so that each one's index serves.
    for path in {SPACES[level], paths[Level.STUDY] + "storage_space"}:
        ids = scope.space_ids
        wanted &= Q((f"{path}_id", ids[0])) if len(ids) == 1 else Q((f"{path}_id__in", ids))
    return wanted


def condition(attribute: IndexedAttribute, match: Match, *, prefix: str) -> Q:
    """What rows that match must fulfil; `prefix` leads to the row that holds the attribute."""
    path = prefix + attribute.column
    if isinstance(match, Universal):
        return Q()
    if isinstance(match, DateTimeRange):
        time = MATCHED[(TIME_OF_DATE[attribute.tag],)]
        return _moment(path, prefix + time.column, match)
    if attribute in SETS:
        return _in_set(path, match)
    if attribute.sequence_tag:
        return _in_items(path, match)
    if attribute.vr == "PN":
        return _name(path + "_normalized", match)
    if attribute.vr in ("IS", "US"):
        return _number(path, match)
    return _text(path, match)


def _text(path: str, match: Match) -> Q:
    match match:
        case SingleValue(value=value):
            return Q((path, value))
        case ValueList(values=values) | UIDList(values=values):
            return Q((f"{path}__in", values))
        case Wildcard(pattern=pattern):
            return Q((f"{path}__like", like_pattern(pattern)))
        case DateRange(first=first, last=last):
            span = Q((f"{path}__gte", first)) & ~Q((path, ""))
            return span & Q((f"{path}__lte", last)) if last else span
        case TimeRange(first=first, last=last):
            return ~Q((path, "")) & _between(FilledTime(F(path)), first, last)
    raise AssertionError(match)


def _moment(date_path: str, time_path: str, match: DateTimeRange) -> Q:
    """The date and its time as one moment; the range of dates alone lets an index serve."""
    dates = _text(date_path, DateRange(match.first[:8], match.last[:8]))
    moment = Concat(F(date_path), FilledTime(F(time_path)), output_field=CharField())
    return dates & _between(moment, match.first, match.last)


def _between(expression: Func, first: str, last: str) -> Q:
    span = Q(GreaterThanOrEqual(expression, Value(first)))
    return span & Q(LessThanOrEqual(expression, Value(last))) if last else span


def _name(path: str, match: Match) -> Q:
    """Names ignore case and accents, and are found by any of their component groups.

    Fuzzy ones match the beginnings of components.
    """
    found = NOTHING
    if not isinstance(match, FuzzyName):
        names = (match.pattern,) if isinstance(match, Wildcard) else _values(match)
        for pattern in chain.from_iterable(map(name_patterns, filter(None, names))):
            found |= Q((f"{path}__like", like_pattern(pattern)))
        return found if all(names) else found | Q((path, ""))
    for name in match.names:
        beginnings = Q()
        for word in name_words(name):
            pattern = like_pattern(word)
            beginnings &= Q((f"{path}__like", f"{pattern}%")) | Q(
                (f"{path}__like", f"% {pattern}%")
            )
        found |= beginnings
    return found


def _number(path: str, match: Match) -> Q:
    texts = _values(match)
    if texts == [""]:
        return Q((f"{path}__isnull", True))
    numbers = [int(text) for text in texts if int(text) in _INTEGERS]
    return Q((f"{path}__in", numbers)) if numbers else NOTHING


def _in_set(path: str, match: Match) -> Q:
    """Any value of the set may match (PS3.4 C.3.4, Modalities in Study), or all must be there."""
    match match:
        case Wildcard(pattern=pattern):
            expression = _expression(pattern, character="[^,]")
            return Q(Regex(JoinedValues(F(path)), f"(^|,){expression}($|,)"))
        case AllValues(values=values):
            return Q((f"{path}__contains", values))
        case SingleValue(value=""):
            return Q((f"{path}__len", 0))
    return Q((f"{path}__overlap", _values(match)))


def _in_items(path: str, match: Match) -> Q:
    """The value of any item may match (PS3.4 C.2.2.2.6).

    That several keys match in the same item is left to the stored document.
    """
    if isinstance(match, Wildcard):
        expression = _expression(match.pattern, character=r"[^\\]")
        return ~Q((path, "")) & Q(Regex(F(path), rf"\\{expression}\\"))
    found = NOTHING
    for value in _values(match):
        if value:
            # That it is not empty lets the index serve, which leaves empty ones out.
            pattern = like_pattern(joined_values([value]))
            found |= ~Q((path, "")) & Q((f"{path}__like", f"%{pattern}%"))
        else:
            found |= Q((path, "")) | Q((f"{path}__like", like_pattern("*\\\\*")))
    return found


def _expression(pattern: str, *, character: str) -> str:
    """A pattern of `*` and `?` as a regular expression, both standing for `character`."""
    return "".join(
        f"{character}*" if part[:1] == "*" else character if part == "?" else re.escape(part)
        for part in re.split(r"(\*+|\?)", pattern)
    )


def _values(match: Match) -> list[str]:
    return list(match.values if isinstance(match, ValueList | UIDList) else (_value(match),))


def _value(match: Match) -> str:
    assert isinstance(match, SingleValue), match
    return match.value


def like_pattern(pattern: str) -> str:
    """A pattern of `*` and `?` as LIKE has it; its own special characters are escaped."""
    escaped = _LIKE_SPECIAL.sub(r"\\\1", pattern)
    return re.sub(r"\*+", "%", escaped).replace("?", "_")
