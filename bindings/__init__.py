"""Who is told: subscriptions, what is owed to them, and the ways to deliver it."""
