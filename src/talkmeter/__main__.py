"""`python -m talkmeter` is `talkmeter`."""

from talkmeter.cli import main

if __name__ == "__main__":
    main()
