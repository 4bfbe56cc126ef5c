"""Runs of ``cltdr`` as processes of their own, forked here to save the seconds that loading PyTorch takes.

Started as a program by ``extraction_runs``; orders come as lines of JSON, process numbers and ends go back.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys


def kill_at_step(folder: str, step: int) -> None:
    """End this process by SIGKILL just before the given file-system step in a folder, counted from 1."""
    count = 0
    changes = {"os.rename", "os.remove", "os.chmod", "os.mkdir"}

    def watch(event: str, arguments: tuple) -> None:
        nonlocal count
        writes = event in changes or (event == "open" and str(arguments[1])[:1] in "wxar" and "+" in "+wxa")
        if not writes or not str(arguments[0]).startswith(folder):
            return
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def run(order: dict) -> None:
    os.setsid()
    for name in (1, 2):
        os.dup2(os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), name)
    if order["file_bytes"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_bytes"],) * 2)
    if order["kill_step"]:
        kill_at_step(order["folder"], order["kill_step"])
    sys.argv = ["cltdr", *order["words"]]
    from cltdr_cli.main import main

    code = 1
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    import torch  # noqa: F401 - loaded once, for all runs

    import extractors.demo  # noqa: F401

    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        number = os.fork()
        if not number:
            run(order)
        print(number, flush=True)


if __name__ == "__main__":
    serve()
