"""The fork server: imports TensorFlow once, then runs each request's jobs in a fresh child.

Started as `python -s server.py --work DIR`. Messages (see protocol.py) come on stdin and leave on the original stdout;
everything that libraries print goes to stderr. Requests:

- `hello`: answers with versions, packages and the start method that is used;
- `jobs`: runs the jobs in one child, in order, and reports `started`, `result` and at last `ended`;
- `stop`: ends the server;
- anything else is answered with `unsupported`, so that a host can tell a worker that passes everything.

A child starts from a TensorFlow that has not run an op: after the first one, TensorFlow's threads do not survive a
fork and every child hangs. The guard looks at the eager context and at the number of threads; where it fails, or where
there is no fork, children are spawned and import TensorFlow themselves.
"""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import gc
import json
import os
import platform
import re
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from typing import Any, Mapping

HERE = os.path.dirname(os.path.abspath(__file__))
if HERE not in sys.path:
    sys.path.insert(0, HERE)

import protocol
import versions

POLL_SECONDS = 0.05
MAX_OUTPUT = 16 * 1024 * 1024
"""Bytes of output a child may have on disk; beyond that its file is emptied and goes on."""
HEAD_BYTES = 4 * 1024
TAIL_BYTES = 16 * 1024
MAX_THREADS_BEFORE_FORK = 3
PR_SET_PDEATHSIG = 1
_DIST_INFO = re.compile(r"^(?P<name>[^-]+)-(?P<version>[^-]+)\.(?:dist|egg)-info$")


def installed_packages() -> dict[str, str]:
    """Name to version of every installed distribution, from the folders on sys.path (works on every Python)."""
    packages: dict[str, str] = {}
    for folder in sys.path:
        if not os.path.isdir(folder):
            continue
        for entry in os.listdir(folder):
            match = _DIST_INFO.match(entry)
            if match:
                name = re.sub(r"[-_.]+", "-", match.group("name")).lower()
                packages.setdefault(name, match.group("version"))
    return packages


def missing_cpu_feature() -> str | None:
    """What this processor lacks to run TensorFlow's wheels, or None. They need AVX and die of SIGILL without it."""
    if platform.machine() not in ("x86_64", "AMD64") or not os.path.exists("/proc/cpuinfo"):
        return None
    with open("/proc/cpuinfo") as stream:
        for line in stream:
            if line.startswith("flags"):
                return None if "avx" in line.split() else "AVX"
    return None


def preimport(threads: int) -> None:
    """Imports what every job needs and sets the thread counts, without running an op."""
    import numpy
    import tensorflow as tf

    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    # Keras is loaded on first use; touching a class loads it without building anything.
    tf.keras.layers.Dense  # noqa: B018
    import h5py
    import jobs
    import observe

    del numpy, h5py, jobs, observe


def unsafe_to_fork() -> str | None:
    """Why children of this process would hang, or None. Looks at what TensorFlow has done so far."""
    if not hasattr(os, "fork"):
        return "this platform has no fork"
    try:
        from tensorflow.python.eager import context
    except ImportError as error:
        return "cannot see TensorFlow's eager context (%s)" % error
    if getattr(context.context(), "_context_handle", None) is not None:
        return "TensorFlow has already initialised its runtime"
    if os.path.isdir("/proc/self/task"):
        threads = len(os.listdir("/proc/self/task"))
        if threads > MAX_THREADS_BEFORE_FORK:
            return "%d threads are running (at most %d are known to be safe)" % (threads, MAX_THREADS_BEFORE_FORK)
    return None


def die_with_parent() -> None:
    """Asks the kernel to kill this process when its parent ends, where it can."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def prefer_as_oom_victim() -> None:
    """Makes the kernel choose this process before the server when memory runs out."""
    if os.path.exists("/proc/self/oom_score_adj"):
        with open("/proc/self/oom_score_adj", "w") as stream:
            stream.write("1000")


def child_main(request: Mapping[str, Any], report: int, output: str) -> None:
    """Runs a request's jobs in this process, then ends it. `report` is the descriptor for event lines."""
    die_with_parent()
    prefer_as_oom_victim()
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    faulthandler.enable(file=2, all_threads=True)
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)

    import jobs

    def emit(event: Mapping[str, Any]) -> None:
        line = protocol.encode(dict(event, schema=protocol.SCHEMA, id=request["id"]))
        while line:
            line = line[os.write(report, line) :]

    for index, job in enumerate(request["jobs"]):
        emit({"event": "started", "job": index})
        try:
            result = jobs.run(job, output)
        except Exception as error:
            # A fault of the worker itself, not of the model: the host must not take it for an incompatibility.
            result = dict(jobs.EMPTY, status="internal-error", warnings=[], seconds={})
            result["error"] = {"type": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()}
        emit({"event": "result", "job": index, "result": result})
        # What comes after a failed load might suffer from what it left behind: the host sends the rest again.
        if result["status"] != "ok":
            break
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: destructors of a half-broken model must not turn a finished job into a crash.
    os._exit(0)


class Child(object):
    """A running child: its process, its event pipe, its limits."""

    def __init__(self, server: Server, request: Mapping[str, Any]) -> None:
        self.request = request
        self.output = os.path.join(server.work, "output-%d.log" % request["id"])
        self.ended = False
        self.signal: int | None = None
        self.exit_code: int | None = None
        self.killed_for: str | None = None
        self.results = 0
        self.stopped = False
        self._buffer = b""
        self._head: bytes | None = None
        self._peak = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._started = time.monotonic()
        self._oom_kills = _oom_kills()
        with open(self.output, "wb"):
            pass
        read, write = os.pipe()
        if server.start_method == "fork":
            sys.stdout.flush()
            sys.stderr.flush()
            self._pid = os.fork()
            if self._pid == 0:
                try:
                    os.setsid()
                    os.close(read)
                    os.close(server.reply_fd)
                    child_main(request, write, self.output)
                finally:
                    traceback.print_exc()
                    os._exit(70)
        else:
            path = os.path.join(server.work, "request-%d.json" % request["id"])
            with open(path, "w") as stream:
                json.dump(request, stream)
            command = [sys.executable, "-s", os.path.join(HERE, "server.py"), "--work", server.work]
            command += ["--threads", str(server.threads), "--child", path, "--report", str(write)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=2, pass_fds=(write,), start_new_session=True
            )
            self._pid = self._process.pid
        os.close(write)
        self._pipe = read
        self.job_started()

    def poll(self) -> list[bytes]:
        """Waits a moment; returns the complete event lines that came. Sets `ended` when the process is gone."""
        select.select([self._pipe], [], [], POLL_SECONDS)
        # In this order: what a process wrote before it ended is in the pipe once it is reaped.
        self._reap()
        ready, _, _ = select.select([self._pipe], [], [], 0)
        while ready:
            chunk = os.read(self._pipe, 1 << 20)
            if not chunk:
                if not self.ended:
                    time.sleep(0.001)  # its end of the pipe is closed: the process is about to be gone
                break
            self._buffer += chunk
            ready, _, _ = select.select([self._pipe], [], [], 0)
        lines = self._buffer.split(b"\n")
        self._buffer = lines.pop()
        return lines

    def _reap(self) -> None:
        """Notes the end of the process, and kills what it started."""
        if hasattr(os, "waitid"):
            if os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return
            # While it is a zombie its number is its own; once it is reaped, the number may be somebody else's group.
            self._kill_group()
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if not pid:
            return
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            self._kill_group()
        self.ended = True
        if os.WIFSIGNALED(status):
            self.signal = os.WTERMSIG(status)
        else:
            self.exit_code = os.WEXITSTATUS(status)
        if self._process is not None:
            self._process.returncode = -self.signal if self.signal else self.exit_code

    def _kill_group(self) -> None:
        try:
            os.killpg(self._pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass  # nothing of its process group is left

    def job_started(self) -> None:
        """Gives the next job the whole time limit for itself."""
        self._limit_start = time.monotonic()
        self._cpu_at_start = _cpu_seconds(self._pid)
        self._cpu_seen = (self._limit_start, self._cpu_at_start)

    def watch(self) -> None:
        """Kills the child when it is over a limit; keeps its output file small."""
        now = time.monotonic()
        cpu = _cpu_seconds(self._pid)
        if cpu > self._cpu_seen[1] + 0.05:
            self._cpu_seen = (now, cpu)
        resident = _resident_bytes(self._pid)
        self._peak = max(self._peak, resident)
        memory = self.request.get("memory")
        if memory and resident > memory:
            self.kill("memory")
        limit = self.request["timeout"]
        wall = now - self._limit_start
        if wall > limit:
            busy = cpu - self._cpu_at_start > limit / 2.0
            idle = now - self._cpu_seen[0] > min(5.0, limit / 4.0)
            # On a machine that is overloaded or was suspended, wall time alone accuses the innocent.
            if busy or idle or wall > 3 * limit:
                self._dump_stacks()
                self.kill("timeout")
        if os.stat(self.output).st_size > MAX_OUTPUT:
            if self._head is None:
                with open(self.output, "rb") as stream:
                    self._head = stream.read(HEAD_BYTES)
            os.truncate(self.output, 0)

    def _dump_stacks(self) -> None:
        """Has the child print where it hangs: the evidence of a timeout."""
        if hasattr(signal, "SIGUSR1"):
            os.kill(self._pid, signal.SIGUSR1)
            time.sleep(0.3)

    def kill(self, reason: str) -> None:
        """Ends the child."""
        self.killed_for = self.killed_for or reason
        os.kill(self._pid, signal.SIGKILL)

    def finish(self) -> dict[str, Any]:
        """Cleans up after an ended child; returns the `ended` event."""
        os.close(self._pipe)
        if self.killed_for is not None:
            reason = self.killed_for
        elif self.signal == signal.SIGKILL and _oom_kills() > self._oom_kills:
            reason = "memory"
        elif self.stopped:
            reason = "stopped"
        elif self.results == len(self.request["jobs"]):
            reason = "done"
        else:
            reason = "crash"
        return {
            "event": "ended",
            "reason": reason,
            "signal": signal.Signals(self.signal).name if self.signal else None,
            "exit_code": self.exit_code,
            "completed": self.results,
            "output": self._read_output(),
            "peak_bytes": self._peak,
            "seconds": time.monotonic() - self._started,
        }

    def _read_output(self) -> str:
        with open(self.output, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(0, size - TAIL_BYTES))
            text = stream.read().decode("utf-8", "replace")
        os.unlink(self.output)
        if self._head is None:
            return text
        left_out = "[… more than %d MB of output left out …]" % (MAX_OUTPUT // (1024 * 1024))
        return "%s\n%s\n%s" % (self._head.decode("utf-8", "replace"), left_out, text)


def _cpu_seconds(pid: int) -> float:
    """Processor seconds that a process has used; 0 where that cannot be seen."""
    try:
        with open("/proc/%d/stat" % pid) as stream:
            fields = stream.read().rpartition(")")[2].split()
    except (IOError, OSError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


def _resident_bytes(pid: int) -> int:
    """Resident memory of a process in bytes; 0 where that cannot be seen."""
    try:
        with open("/proc/%d/statm" % pid) as stream:
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (IOError, OSError, IndexError):
        return 0


def _oom_kills() -> int:
    """How often the kernel has killed something in this container for want of memory; 0 where that cannot be seen."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        if os.path.exists(path):
            with open(path) as stream:
                for line in stream:
                    name, _, count = line.partition(" ")
                    if name == "oom_kill":
                        return int(count)
    return 0


class Server(object):
    """Reads requests, answers them one at a time."""

    def __init__(self, work: str, start_method: str, threads: int) -> None:
        self.work = work
        self.start_method = start_method
        self.threads = threads
        self.ready = False
        self.start_reason = "asked for" if start_method == "spawn" else ""
        self.import_seconds = 0.0
        # stdout belongs to the protocol; whatever else prints there goes to stderr.
        self.reply_fd = os.dup(1)
        os.dup2(2, 1)
        self._stdin = select.poll()
        self._stdin.register(0, 0)

    def reply(self, event: Mapping[str, Any]) -> None:
        """Sends one event to the host."""
        self._write(protocol.encode(dict(event, schema=protocol.SCHEMA)))

    def _write(self, line: bytes) -> None:
        while line:
            line = line[os.write(self.reply_fd, line) :]

    def serve(self) -> None:
        """Answers requests until `stop` or the end of stdin."""
        with os.fdopen(os.dup(0), "rb") as requests:
            for line in requests:
                request = protocol.decode(line)
                kind = request.get("kind")
                if kind == "hello":
                    self.reply(dict(self.hello(), id=request["id"], event="hello"))
                elif kind == "jobs":
                    self.run_jobs(request)
                elif kind == "stop":
                    self.reply({"id": request["id"], "event": "bye"})
                    return
                else:
                    self.reply({"id": request.get("id"), "event": "unsupported", "kind": str(kind)})

    def hello(self) -> dict[str, Any]:
        """Versions, packages, start method; with `error` instead when TensorFlow cannot be imported."""
        answer: dict[str, Any] = {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "packages": installed_packages(),
            "error": None,
        }
        lacking = missing_cpu_feature()
        if lacking:
            answer["error"] = {
                "type": "UnsupportedProcessor",
                "message": "this processor has no %s, which TensorFlow's wheels need" % lacking,
                "traceback": "",
            }
            return answer
        start = time.perf_counter()
        try:
            preimport(self.threads)
        except Exception as error:
            answer["error"] = {
                "type": type(error).__name__,
                "message": str(error),
                "traceback": traceback.format_exc(),
            }
            return answer
        self.ready = True
        self.import_seconds = time.perf_counter() - start
        # What is imported stays: a child's garbage collections (several a job) need not walk through it, and do not
        # copy its pages.
        gc.collect()
        gc.freeze()
        if self.start_method == "fork":
            reason = unsafe_to_fork()
            if reason:
                self.start_method, self.start_reason = "spawn", reason
        answer.update(
            versions.versions(),
            start_method=self.start_method,
            start_reason=self.start_reason,
            import_seconds=self.import_seconds,
        )
        return answer

    def run_jobs(self, request: Mapping[str, Any]) -> None:
        """Runs one request's jobs in a child and forwards its events."""
        if not self.ready:
            self.reply({"id": request["id"], "event": "refused", "reason": "say hello first"})
            return
        child = Child(self, request)
        while not child.ended:
            for line in child.poll():
                self._forward(child, line)
            if not child.ended:
                child.watch()
                if self._host_is_gone():
                    child.kill("host gone")
        self.reply(dict(child.finish(), id=request["id"]))

    def _host_is_gone(self) -> bool:
        """Whether the other end of stdin is closed: nobody waits for the answer any more."""
        return any(event & select.POLLHUP for _, event in self._stdin.poll(0))

    def _forward(self, child: Child, line: bytes) -> None:
        event = protocol.decode(line)
        if event["event"] == "started":
            child.job_started()
        else:
            child.results += 1
            child.stopped = event["result"]["status"] != "ok"
        self._write(line + b"\n")


def main() -> None:
    """Entry point of the server, and of a spawned child."""
    parser = argparse.ArgumentParser(description="Fork server of tfmatrix; started by an executor.")
    parser.add_argument("--work", required=True, help="folder for output and requests")
    parser.add_argument("--start-method", choices=("fork", "spawn"), default="fork")
    parser.add_argument("--threads", type=int, default=1, help="TensorFlow's threads per child; 0 leaves its default")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--report", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.umask(0o022)
    # As in an activated environment: TensorFlow 2.0 and 2.1 start their TFLite converter as a program of it.
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
    # A crash is a result here, and its core dump would be as large as TensorFlow.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if options.child:
        with open(options.child) as stream:
            request = json.load(stream)
        os.unlink(options.child)
        preimport(options.threads)
        child_main(request, options.report, os.path.join(options.work, "output-%d.log" % request["id"]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Server(options.work, options.start_method, options.threads).serve()


if __name__ == "__main__":
    main()
