"""Names that were normalised before their groups counted are brought up to date."""

from importlib import import_module

import pytest
from django.apps import apps

from ingestion.models import Study
from tests.receipts import make_space


@pytest.mark.django_db
def test_names_of_several_groups_are_normalised_again() -> None:
    space = make_space()
    for uid, name, normalized in (
        ("1.1", "Hong^Gildong=洪^吉洞", "hong gildong 洪 吉洞"),
        ("1.2", "Doe^Jane", "doe jane"),
    ):
        Study.objects.create(
            storage_space=space,
            study_instance_uid=uid,
            patient_name=name,
            patient_name_normalized=normalized,
            referring_physician_name=name,
            referring_physician_name_normalized=normalized,
        )
    migration = import_module("ingestion.migrations.0010_names_know_their_groups")
    migration.normalize_again(apps, None)
    for column in ("patient_name_normalized", "referring_physician_name_normalized"):
        found = dict(Study.objects.values_list("study_instance_uid", column))
        assert found == {"1.1": "hong gildong = 洪 吉洞", "1.2": "doe jane"}
