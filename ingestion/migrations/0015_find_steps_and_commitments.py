"""Steps and commitments are found by what people type: UIDs, Patient IDs, studies."""

import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ingestion", "0014_association_indexes"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="performedprocedurestep",
            index=models.Index(fields=["sop_instance_uid"], name="procedure_step_uid"),
        ),
        migrations.AddIndex(
            model_name="performedprocedurestep",
            index=models.Index(fields=["patient_id"], name="procedure_step_patient_id"),
        ),
        migrations.AddIndex(
            model_name="performedprocedurestep",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["study_instance_uids"], name="procedure_step_studies"
            ),
        ),
        migrations.AddIndex(
            model_name="storagecommitment",
            index=models.Index(fields=["transaction_uid"], name="commitment_transaction"),
        ),
    ]
