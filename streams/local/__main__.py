"""`python -m streams.local`: run the local services until told to stop."""

from streams.local.process import main

if __name__ == "__main__":
    main()
