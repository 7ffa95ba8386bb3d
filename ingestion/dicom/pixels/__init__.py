"""Pixel Data: where frames lie, how they are decoded and encoded, what images say of themselves."""
