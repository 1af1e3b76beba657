"""`python -m streams.cli`: the `pulse` command without its console script."""

from streams.cli import main

if __name__ == "__main__":
    main()
