"""What is kept of associations that are over."""
