from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ingestion", "0007_viewer_tokens_end_with_their_user"),
    ]

    operations = [
        migrations.AlterField(
            model_name="event",
            name="type",
            field=models.CharField(
                choices=[
                    ("DicomAvailableEvent", "Instance available"),
                    ("StudyRevisionEvent", "Study revised"),
                    ("DicomDeletedEvent", "Study, series or instance deleted"),
                ],
                max_length=40,
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="data",
            field=models.JSONField(
                db_default=models.Value({}, output_field=models.JSONField()),
                help_text="Facts of the instance or of the deletion, as they are told.",
            ),
        ),
    ]
