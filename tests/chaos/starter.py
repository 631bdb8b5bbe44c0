"""A process that has imported the libraries of the service, and forks for each start of the server or a relay.

A start takes a tenth of the time, and runs the same program. A line of JSON has its command, environment and log file.
The answer is a line with the process id.
"""

import gc
import json
import os
import runpy
import signal
import sys
from typing import Any

import flask_wtf
import gunicorn.app.wsgiapp
import httpx
import marshmallow
import psycopg
import rich.console
import uvicorn_worker
import uvloop
from flask import Flask

from webhook_service import policy, ports

IMPORTED = (
    Flask,
    flask_wtf,
    gunicorn.app.wsgiapp,
    httpx,
    marshmallow,
    psycopg,
    rich,
    uvicorn_worker,
    uvloop,
    policy,
    ports,
)
"""Modules that a start does not import again. The import of prometheus-client reads the environment of the server."""


def run(request: dict[str, Any]) -> None:
    """Become the command: `python -m MODULE ARGUMENTS`, or a Python script with arguments."""
    os.setsid()
    log = os.open(request["log_file"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115 (open until the end)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(request["environment"])
    command = request["command"]
    if command[1:2] == ["-m"]:
        sys.argv = [command[2], *command[3:]]
        runpy.run_module(command[2], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command
        runpy.run_path(command[0], run_name="__main__")


def serve() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nothing remains of a process that was killed
    gc.freeze()
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            return run(json.loads(line))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
    return None


if __name__ == "__main__":
    serve()
