"""Normalised names of several component groups say where a group ends.

Old code that runs meanwhile finds these names by `*` at both ends, as before; what it writes is
found by whole names only until it is registered again.
"""

from typing import Any

from django.db import migrations

from ingestion.dicom.person_names import normalized

NAMES = ("patient_name", "referring_physician_name")


def normalize_again(apps: Any, _schema_editor: Any) -> None:
    for name in NAMES:
        for model in ("Study", "Receipt"):
            rows = apps.get_model("ingestion", model).objects
            found = rows.filter(**{f"{name}__contains": "="})
            for pk, text in found.values_list("pk", name).iterator(chunk_size=1000):
                rows.filter(pk=pk).update(**{f"{name}_normalized": normalized(text)[:324]})


class Migration(migrations.Migration):
    dependencies = [
        ("ingestion", "0009_workitems"),
    ]

    operations = [
        migrations.RunPython(normalize_again, migrations.RunPython.noop),
    ]
