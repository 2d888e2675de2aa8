"""`python -m feedrate` is the command `feedrate`."""

from feedrate.bench.cli.app import main

if __name__ == "__main__":
    main()
