"""`python -m app_updates.keys`: the key that signs bundles, and its public half for the native app."""

from __future__ import annotations

import argparse
import os
import sys

from app_updates.signing import KeyFault, SigningKey

_SAYS = """make    print a new private key: for `shipway secrets set APP_SIGNING_KEY --env ENVIRONMENT`
public  print the public half of the key in $APP_SIGNING_KEY, or on standard input: for mobile-app/config/keys/"""


def main() -> int:
    """Exit code 2 where no key is given, or one that the updater can't use."""
    parser = argparse.ArgumentParser(
        prog="app_updates.keys", description=_SAYS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("make", "public"))
    if parser.parse_args().what == "make":
        sys.stdout.write(SigningKey.make().pem)
        return 0
    try:
        sys.stdout.write(SigningKey.read(os.environ.get("APP_SIGNING_KEY") or sys.stdin.read()).public)
    except KeyFault as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
