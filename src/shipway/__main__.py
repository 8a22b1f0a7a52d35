"""`python -m shipway` is `shipway`."""

from shipway.cli.main import main

main()
