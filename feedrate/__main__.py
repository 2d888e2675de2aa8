"""The command `feedrate`, which is also `python -m feedrate`. It puts its search path in order before it imports the rest."""

from __future__ import annotations


def main() -> None:
    """Run the command."""
    from feedrate.bench.host.lifecycle.search_path import leave_current_folder

    leave_current_folder()
    from feedrate.bench.cli.app import main as run_command

    run_command()


if __name__ == "__main__":
    main()
