"""The Django application that tells subscribers."""

from django.apps import AppConfig


class BindingsConfig(AppConfig):
    """Subscriptions, deliveries and attempts."""

    name = "bindings"
    verbose_name = "Delivery"

    def ready(self) -> None:
        """Show our queues among the metrics; that needs the models."""
        from bindings.queues import show_queues  # models are loaded only now

        show_queues()
