"""A process that has imported the command `webhook-service`, and forks for each run of it.

A run is a process like that of the installed program, without half a second of imports. A line of JSON has its
environment, folder, arguments and the files for its standard streams. The answer is a line with the exit code.
"""

import json
import os
import signal
import sys
from typing import Any

from webhook_service.cli.main import main

TIMEOUT_SECONDS = 60


def run(request: dict[str, Any]) -> None:
    """Become the command."""
    signal.alarm(TIMEOUT_SECONDS)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    for descriptor, name in enumerate(request["streams"]):
        os.dup2(os.open(name, os.O_RDWR), descriptor)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115 (open until the end)
    sys.argv = request["arguments"]
    main(prog_name=os.path.basename(sys.argv[0]))  # click would derive it from the name of this module


def serve() -> None:
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            return run(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    return None


if __name__ == "__main__":
    serve()
