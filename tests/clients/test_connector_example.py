"""The example in Python runs as it stands, with the variables that injection gives it."""

import sys

from clients.ground import Ground
from cloudsql_emulator.acme import CHECKOUT_NAME
from support.connectorexamples import program, variables


def test_the_python_program_logs_in_with_the_variables_of_its_pod(ground: Ground) -> None:
    script = ground.folder / "whoami.py"
    script.write_text(program("python"))

    # the emulated instance has this address only
    ran = ground.run([sys.executable, str(script)], {**variables("python"), "DB_IP_TYPE": "public"})

    assert (ran.code, ran.output) == (0, CHECKOUT_NAME), ran.errors
