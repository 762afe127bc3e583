#!/usr/bin/env python3
"""Stands between an agent and the real calsweep-trainer and makes it fail for real: `calsweep run --trainer THIS`.

Commands (stdin) pass through line by line, replies (file descriptor 3) directly. What fails is told by the
environment variable FAILING_TRAINER, JSON: {"segv_trial": id} the trainer gets SIGSEGV when it is given that
trial; {"cgroup": folder} it lives under that memory limit; {"more_address_space": bytes} it may grow by so much;
{"bad_host": name} every unit fails on that host.
"""
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

PLAN = json.loads(os.environ.get("FAILING_TRAINER", "{}"))


def prepare():
    if "cgroup" in PLAN:
        Path(PLAN["cgroup"], "cgroup.procs").write_text(str(os.getpid()))


def limit_growth(pid):
    """Once it is set up: what LibTorch itself takes differs from build to build."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + PLAN["more_address_space"]
    resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))


def should_crash(line):
    trial = PLAN.get("segv_trial")
    return trial is not None and f'"{trial}"' in line


def end_like(trainer):
    """Ends as the trainer ends, so that the agent sees what it would have seen."""
    code = trainer.wait()
    if code < 0:
        os.kill(os.getpid(), -code)
        time.sleep(60)  # it comes when the main thread runs next
    os._exit(code)


def main():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    program = str(Path(os.environ["CALSWEEP_BIN"]).resolve() / "calsweep-trainer")
    trainer = subprocess.Popen([program, *sys.argv[1:]], stdin=subprocess.PIPE, pass_fds=(3,), preexec_fn=prepare)
    os.close(3)  # else the agent would not see the end of the replies
    signal.signal(signal.SIGTERM, lambda *_: trainer.send_signal(signal.SIGTERM))
    threading.Thread(target=end_like, args=(trainer,)).start()
    bad_host = PLAN.get("bad_host") == socket.gethostname()
    limited = "more_address_space" not in PLAN
    for line in sys.stdin.buffer:
        if not limited:
            limit_growth(trainer.pid)
            limited = True
        if bad_host:
            print("cannot reach the file server", file=sys.stderr, flush=True)
            trainer.kill()
        elif should_crash(line.decode()):
            trainer.send_signal(signal.SIGSEGV)
        else:
            trainer.stdin.write(line)
            trainer.stdin.flush()
    trainer.stdin.close()


if __name__ == "__main__":
    main()
