#!/usr/bin/env python3
"""Django's command line for this project. While `make run` runs, commands work with that run."""

import os
import sys

from django.core.management import execute_from_command_line

from ingestion.embedded.state_folder import environment_of_the_run


def main() -> None:
    """Run the command named by the arguments."""
    os.environ.update(environment_of_the_run(os.environ))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ingestion.settings")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
