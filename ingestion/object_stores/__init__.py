"""Object stores keep bytes: whole, immutable, durable. What the bytes mean is not known here."""
