"""`python -m ormolu` is the command `ormolu`."""

from ormolu.cli import main

main()
