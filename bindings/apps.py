"""The Django application that tells subscribers."""

from django.apps import AppConfig


class BindingsConfig(AppConfig):
    """Subscriptions, deliveries and attempts."""

    name = "bindings"
    verbose_name = "Delivery"
