"""`python -m feedrate` is the command `feedrate`."""

from feedrate.bench.cli import main

if __name__ == "__main__":
    main()
