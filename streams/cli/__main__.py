"""`python -m streams.cli`: the `pulse` command, also as a child of `pulse up`."""

from streams.cli import main
from streams.supervisor.orphans import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    main()
