import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("ingestion", "0006_objects_without_receipt"),
    ]

    operations = [
        migrations.AddField(
            model_name="accesstoken",
            name="user",
            field=models.ForeignKey(
                editable=False,
                help_text="Whose viewer holds it: it is good only while they are active staff.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
