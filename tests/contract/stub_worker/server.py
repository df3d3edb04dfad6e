"""A worker without TensorFlow for the contract suite: real protocol, odd behaviour on request.

`STUB` among its variables makes it misbehave from the start; an `act` in a job, later. Standard library only.
"""

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import time
from pathlib import Path

NONSENSE_LENGTH = 999_999_999


def encode(message):
    payload = json.dumps(message).encode()
    return b"%d %s\n" % (len(payload), payload)


class Stub:
    def __init__(self, write, mood):
        self.write = write
        self.mood = mood

    def reply(self, request, **event):
        self.write(encode({"schema": 1, "id": request["id"], **event}))

    def answer(self, request):
        kind = request["kind"]
        if kind == "hello":
            self.hello(request)
        elif kind == "jobs":
            for index, job in enumerate(request["jobs"]):
                self.reply(request, event="started", job=index)
                result = getattr(self, "act_" + job["act"])(request, job)
                self.reply(request, event="result", job=index, result={"status": "ok", "value": result})
            self.reply(request, event="ended", reason="done", completed=len(request["jobs"]))
        elif kind == "stop":
            self.reply(request, event="bye")
            raise SystemExit(0)
        elif self.mood == "accepts everything":
            self.reply(request, event="ended", reason="done")
        else:
            self.reply(request, event="unsupported", kind=kind)

    def hello(self, request):
        if self.mood == "dies at start":
            print("ImportError: libsomething.so", file=sys.stderr)
            raise SystemExit(3)
        if self.mood == "chatters":
            self.write(b"Welcome to my worker!\n")
        python = "2.7.18" if self.mood == "old python" else platform.python_version()
        packages = {"tensorflow": "2.16.2"} if self.mood == "other packages" else {"tensorflow": "2.15.1"}
        error = None
        if self.mood == "no tensorflow":
            error = {"type": "ImportError", "message": "no module named tensorflow", "traceback": ""}
        self.reply(
            request,
            event="hello",
            python=python,
            packages=packages,
            error=error,
            start_method="fork",
            tensorflow="2.15.1",
            keras="2.15.0",
            executable=sys.executable,
        )

    def act_ok(self, request, job):
        return job.get("value")

    def act_read(self, request, job):
        return Path(job["path"]).read_text()

    def act_write(self, request, job):
        try:
            Path(job["path"]).parent.mkdir(parents=True, exist_ok=True)
            Path(job["path"]).write_text(job["text"])
        except OSError as error:
            return error.strerror
        return "written"

    def act_look(self, request, job):
        """What the worker may and sees, for tests of its confinement."""
        lines = Path("/proc/self/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        try:
            socket.create_connection(("192.0.2.1", 80), timeout=1).close()
            network = "reached"
        except OSError as error:
            network = error.strerror or type(error).__name__
        return {
            "variables": dict(os.environ),
            "uid": os.getuid(),
            "capabilities": status.get("CapEff", "").strip(),
            "no_new_privileges": status.get("NoNewPrivs", "").strip(),
            "network": network,
            "hash_seed": sys.flags.hash_randomization,
        }

    def act_log(self, request, job):
        for line in job["lines"]:
            print(line, file=sys.stderr)
        sys.stderr.flush()

    def act_hang(self, request, job):
        """Hangs, with a child in a session of its own that hangs too."""
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        time.sleep(600)

    def act_die(self, request, job):
        print("these are the last words", file=sys.stderr)
        sys.stderr.flush()
        os._exit(job["code"])

    def act_garbage(self, request, job):
        self.write(b"INFO: I print where I must not\n")

    def act_silent_garbage(self, request, job):
        self.write(b"no end of line")
        time.sleep(600)

    def act_truncated(self, request, job):
        self.write(encode({"schema": 1, "id": request["id"], "event": "result"})[:20])
        os._exit(0)

    def act_wrong_length(self, request, job):
        self.write(b"5 " + encode({"schema": 1, "event": "result"}).partition(b" ")[2])

    def act_oversized(self, request, job):
        self.write(b'%d {"schema": 1' % NONSENSE_LENGTH)
        time.sleep(600)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True)
    parser.add_argument("--start-method")
    # What the real server takes beside it: an option that it does not know is an error of the executor.
    parser.add_argument("--threads", type=int)
    parser.add_argument("--users")
    parser.add_argument("--owner")
    parser.add_argument("--scratch", action="append")
    parser.parse_args()
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def write(data):
        while data:
            data = data[output.write(data) :]

    stub = Stub(write, os.environ.get("STUB", ""))
    for line in sys.stdin.buffer:
        stub.answer(json.loads(line.partition(b" ")[2]))


if __name__ == "__main__":
    main()
