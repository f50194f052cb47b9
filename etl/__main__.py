"""`python -m etl` is the `eastbound` command."""

from etl.cli import main

main()
