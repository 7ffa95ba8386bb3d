import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bindings", "0003_uuid_of_subscriptions"),
    ]

    operations = [
        migrations.AlterField(
            model_name="subscription",
            name="event_types",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("DicomAvailableEvent", "Instance available"),
                        ("StudyRevisionEvent", "Study revised"),
                        ("DicomDeletedEvent", "Study, series or instance deleted"),
                    ],
                    max_length=40,
                ),
                size=None,
            ),
        ),
    ]
