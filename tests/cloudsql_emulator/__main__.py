"""The command `python -m cloudsql_emulator --config FILE.json`: runs until SIGTERM or SIGINT.

When everything listens it prints one line of JSON to standard output: the addresses. The fields of the file are those
of `config.Config`; this is a small one:

    {
      "projects": [{"id": "acme-prod", "number": "123456789012"}],
      "users": ["admin@acme.example"],
      "service_accounts": [{"email": "checkout@acme-prod.iam.gserviceaccount.com"}],
      "instances": [
        {"project": "acme-prod", "region": "europe-west1", "name": "orders", "databases": [{"name": "orders"}]}
      ]
    }
"""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from cloudsql_emulator.config import BadConfig, Config, load_config
from cloudsql_emulator.emulator import AsyncEmulator

UNREADABLE = 2
"""Exit status when the configuration cannot be read."""


def main() -> int:
    """Run the emulator in the foreground; the exit status."""
    usual = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="cloudsql_emulator", description=__doc__, formatter_class=usual)
    parser.add_argument("--config", type=Path, required=True, help="JSON file, such as the one above")
    try:
        config = load_config(parser.parse_args().config)
    except BadConfig as error:
        print(f"cloudsql_emulator: {error}", file=sys.stderr)
        return UNREADABLE
    asyncio.run(_serve(config))
    return 0


async def _serve(config: Config) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    emulator = AsyncEmulator(config)
    await emulator.start()
    try:
        print(json.dumps(emulator.addresses), flush=True)
        await stopped.wait()
    finally:
        await emulator.stop()


if __name__ == "__main__":
    sys.exit(main())
