"""The command `python -m cloudsql_emulator --config FILE.json`: runs until SIGTERM or SIGINT.

When everything listens it prints one line of JSON to standard output: the addresses.
"""

import argparse
import asyncio
import json
import signal
from pathlib import Path

from cloudsql_emulator.config import load_config
from cloudsql_emulator.emulator import AsyncEmulator


def main() -> None:
    """Run the emulator in the foreground."""
    parser = argparse.ArgumentParser(prog="cloudsql_emulator", description="A stand-in for Google Cloud SQL and IAM")
    parser.add_argument("--config", type=Path, required=True, help="JSON file; its fields are those of config.Config")
    asyncio.run(_serve(parser.parse_args().config))


async def _serve(path: Path) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    emulator = AsyncEmulator(load_config(path))
    await emulator.start()
    try:
        print(json.dumps(emulator.addresses), flush=True)
        await stopped.wait()
    finally:
        await emulator.stop()


if __name__ == "__main__":
    main()
