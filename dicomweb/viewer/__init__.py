"""The OHIF viewer over what is held: its package, its pages, its configuration."""
