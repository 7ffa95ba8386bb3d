"""What the product does, one verb per module. Transactions are opened here."""
