"""The fork server: imports TensorFlow once, then runs each request's jobs in a fresh child.

Started as `python -s server.py --work DIR`. Messages (see protocol.py) come on stdin and leave on the original stdout;
everything that libraries print goes to stderr. Requests:

- `hello`: answers with versions, packages and the start method that is used;
- `jobs`: runs the jobs in one child, in order, in a folder of their own, and reports `started`, `result` and at last
  `ended`, when nothing of what they started is left;
- `stop`: ends the server;
- anything else is answered with `unsupported`, so that a host can tell a worker that passes everything.

A child starts from a TensorFlow that has not run an op: after the first one, TensorFlow's threads do not survive a
fork and every child hangs. The guard looks at the eager context and at the number of threads; where it fails, or where
there is no fork, children are spawned and import TensorFlow themselves.

A child runs a stranger's program. It is apart from everything else (see confine.py), and what it says counts only as
long as it has the form of what it was asked for, with a token that no other process knows.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import hmac
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
from typing import Any, Mapping, Sequence

HERE = os.path.dirname(os.path.abspath(__file__))
if HERE not in sys.path:
    sys.path.insert(0, HERE)

import confine
import folders
import landlock
import protocol
import versions

POLL_SECONDS = 0.05
MAX_OUTPUT = 16 * 1024 * 1024
"""Bytes of output a child may have on disk; beyond that its file is emptied and goes on."""
HEAD_BYTES = 4 * 1024
TAIL_BYTES = 16 * 1024
MAX_LINE = 32 * 1024 * 1024
"""Bytes of a child's longest line."""
MAX_ENTRIES = 50_000
"""Files and folders that a child may have at once, far more than anybody takes over."""
MEASURE_SECONDS = 0.25
MAX_THREADS_BEFORE_FORK = 3
_OF_FILES = ("adopt", "rebuild", "resave")
"""Jobs that load a file whose maker is a stranger, beside loads that say `adopted`."""
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


def prefer_as_oom_victim() -> None:
    """Makes the kernel choose this process before the server when memory runs out."""
    if os.path.exists("/proc/self/oom_score_adj"):
        with open("/proc/self/oom_score_adj", "w") as stream:
            stream.write("1000")


def child_main(request: Mapping[str, Any], jail: confine.Jail, report: int, log: int, token: str) -> None:
    """Runs a request's jobs in this process, then ends it.

    `report` is the descriptor for event lines, each with the token; `log` the one of the file for its output.
    """
    prefer_as_oom_victim()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    jail.enter()
    if any(job.get("adopted") or job["kind"] in _OF_FILES for job in request["jobs"]):
        own = (HERE, sys.prefix, sys.base_prefix, os.path.dirname(os.path.realpath(sys.executable)))
        # An artifact is copied with the folder of its own that the store keeps it in: a checkpoint is several files.
        kept = [os.path.dirname(job["artifact"]) for job in request["jobs"] if job.get("artifact")]
        landlock.confine(jail.root, [*own, *kept, *landlock.paths_in(request["jobs"])])
    sys.stdout = os.fdopen(1, "w", buffering=1, errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    faulthandler.enable(file=2, all_threads=True)
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)

    import jobs

    def emit(event: Mapping[str, Any]) -> None:
        line = protocol.encode(dict(event, schema=protocol.SCHEMA, id=request["id"], token=token))
        while line:
            line = line[os.write(report, line) :]

    errands = [dict(job, folder=os.path.join(jail.root, str(index))) for index, job in enumerate(request["jobs"])]
    found = jobs.results(errands, lambda: emit({"event": "going-on"}))
    for index in range(len(errands)):
        emit({"event": "started", "job": index})
        try:
            result = next(found, None)
        except Exception as error:
            # A fault of the worker itself, not of the model: the host must not take it for an incompatibility.
            result = dict(protocol.EMPTY, status="internal-error", warnings=[], seconds={})
            result["error"] = {"type": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()}
        if result is None:
            emit({"event": "left"})
            break
        emit({"event": "result", "job": index, "result": result})
        if result["status"] != "ok":
            break
    with contextlib.suppress(OSError):  # a log that is full: as in capture.py
        sys.stdout.flush()
        sys.stderr.flush()
    # Not sys.exit: destructors of a half-broken model must not turn a finished job into a crash.
    os._exit(0)


class Child(object):
    """A running child: its process, its event pipe, its limits."""

    def __init__(self, server: Server, request: Mapping[str, Any]) -> None:
        self.request = request
        self.jail = confine.Jail(request["folder"], server.next_user(), request["disk"])
        self.ended = False
        self.signal: int | None = None
        self.exit_code: int | None = None
        self.killed_for: str | None = None
        self.results = 0
        self.stopped = False
        self.marks = 0
        self.running: int | None = None
        self.violation: str | None = None
        self._token = os.urandom(16).hex()
        self._buffer = b""
        self._head: bytes | None = None
        self._peak = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._started = time.monotonic()
        self._oom_kills = _oom_kills()
        self._measured = 0.0
        self.jail.make()
        # A file without a name: nobody can put another in its place.
        self._log = _nameless_file(server.work)
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
                    child_main(request, self.jail, write, self._log, self._token)
                finally:
                    traceback.print_exc()
                    os._exit(70)
        else:
            command = [sys.executable, "-s", os.path.join(HERE, "server.py"), "--work", server.work]
            command += ["--threads", str(server.threads), "--child"]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=2,
                pass_fds=(write, self._log),
                env=dict(os.environ, **self.jail.variables()),
                start_new_session=True,
            )
            assert self._process.stdin is not None, "it was asked for"
            # Not by a file: what it says must be known to nobody else.
            errand = {"request": request, "user": self.jail.uid, "report": write, "log": self._log}
            self._process.stdin.write(json.dumps(dict(errand, token=self._token)).encode("utf-8"))
            self._process.stdin.close()
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
        while ready and len(self._buffer) <= MAX_LINE:
            chunk = os.read(self._pipe, 1 << 20)
            if not chunk:
                if not self.ended:
                    time.sleep(0.001)  # its end of the pipe is closed: the process is about to be gone
                break
            self._buffer += chunk
            ready, _, _ = select.select([self._pipe], [], [], 0)
        if len(self._buffer) > MAX_LINE and b"\n" not in self._buffer:
            self.violate("a line of more than %d bytes" % MAX_LINE)
        if self.violation:
            self._buffer = b""
        lines = self._buffer.split(b"\n")
        self._buffer = lines.pop()
        return lines

    def event(self, line: bytes) -> dict[str, Any] | None:
        """What a line says, in the host's terms; None, and the end of the child, where it is not its turn to say it."""
        if self.violation:
            return None
        try:
            event: dict[str, Any] = protocol.decode(line)
            self._hear(event)
        except ValueError as error:
            self.violate(str(error))
            return None
        return event

    def _hear(self, event: dict[str, Any]) -> None:
        """Takes note of an event. Raises ValueError that says what is wrong with it."""
        token = event.pop("token", None)
        if not isinstance(token, str) or not hmac.compare_digest(
            token.encode("utf-8", "replace"), self._token.encode()
        ):
            raise ValueError("a message without its token")
        kind, job, fields = event.get("event"), event.get("job"), set(event) - {"schema", "id"}
        if event.get("id") != self.request["id"] or self.stopped or isinstance(job, bool):
            raise ValueError("a message that nobody waits for")
        if kind == "started" and fields == {"event", "job"}:
            if self.running is not None or job != self.results or job >= len(self.request["jobs"]):
                raise ValueError("job %r is started out of turn" % (job,))
            self.running = self.results
            self.job_started()
        elif kind == "result" and fields == {"event", "job", "result"}:
            if self.running is None or job != self.running or not isinstance(event["result"], dict):
                raise ValueError("a result of job %r out of turn" % (job,))
            self.running = None
            self.results += 1
            self.stopped = event["result"].get("status") != "ok"
        elif kind in ("going-on", "left") and fields == {"event"} and self.running is not None:
            self._hear_of_several(kind)
        else:
            raise ValueError("something that is no event")

    def _hear_of_several(self, kind: str) -> None:
        """Of saves that share a training: one more is done and has no result yet, or the rest is to be sent again."""
        if kind == "left":
            self.stopped = True
        elif self.marks < len(self.request["jobs"]):
            self.marks += 1
            self.job_started()
        else:
            raise ValueError("more saves than there are jobs")

    def violate(self, what: str) -> None:
        """Ends a child that broke the protocol: nothing more of it is believed."""
        self.violation = self.violation or what[:500]
        if not self.ended:
            self.kill("protocol")

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
        if os.fstat(self._log).st_size > MAX_OUTPUT:
            if self._head is None:
                self._head = os.pread(self._log, HEAD_BYTES, 0)
            os.ftruncate(self._log, 0)
        if now - self._measured > MEASURE_SECONDS:
            self._measured = now
            used = folders.usage(self.jail.root, self.jail.disk, MAX_ENTRIES, 2 * folders.MAX_DEPTH)
            if used.bytes > self.jail.disk or used.entries > MAX_ENTRIES or used.depth > 2 * folders.MAX_DEPTH:
                self.kill("disk")

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
        if self.violation is not None:
            reason = "protocol"
        elif self.killed_for is not None:
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
            "detail": self.violation or "",
            "signal": signal.Signals(self.signal).name if self.signal else None,
            "exit_code": self.exit_code,
            "completed": self.results,
            "output": self._read_output(),
            "peak_bytes": self._peak,
            "seconds": time.monotonic() - self._started,
        }

    def _read_output(self) -> str:
        size = os.fstat(self._log).st_size
        text = os.pread(self._log, TAIL_BYTES, max(0, size - TAIL_BYTES)).decode("utf-8", "replace")
        os.close(self._log)
        if self._head is None:
            return text
        left_out = "[… more than %d MB of output left out …]" % (MAX_OUTPUT // (1024 * 1024))
        return "%s\n%s\n%s" % (self._head.decode("utf-8", "replace"), left_out, text)


def _nameless_file(folder: str) -> int:
    """The descriptor of a new file that is in no folder, to read and to append to."""
    path = os.path.join(folder, "log-" + os.urandom(16).hex())
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
    os.unlink(path)
    return descriptor


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

    def __init__(
        self,
        work: str,
        start_method: str,
        threads: int,
        users: tuple[int, int] | None = None,
        owner: tuple[int, int] | None = None,
        scratch: Sequence[str] = (),
    ) -> None:
        """`users` are (first, count) of those that jobs become in turn; `owner` is to own what they leave.

        `scratch` are folders of this worker alone in which jobs may leave things: they are emptied after each.
        """
        self.work = work
        self._users = users
        self._owner = owner
        self._scratch = scratch
        self._started = 0
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

    def next_user(self) -> int | None:
        """A user of its own for the next child; None where there is none to give."""
        if self._users is None:
            return None
        first, count = self._users
        self._started += 1
        return first + self._started % count

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
                event = child.event(line)
                # What is about several saves is between child and server alone.
                if event is not None and event["event"] not in ("going-on", "left"):
                    self.reply(event)
            if not child.ended:
                child.watch()
                if self._host_is_gone():
                    child.kill("host gone")
        alone = confine.end_descendants()
        ended = child.finish()
        self._clean_up(child.jail)
        self.reply(dict(ended, id=request["id"]))
        if not alone:
            # Something of the job lives on: nobody may run beside it.
            sys.exit("a process of request %d cannot be ended" % request["id"])

    def _clean_up(self, jail: confine.Jail) -> None:
        """Leaves nothing of a request but its jobs' folders, which are the owner's then."""
        for folder in (jail.home, jail.tmp):
            folders.remove_tree(folder)
        for folder in self._scratch:
            folders.empty_folder(folder)
        if self._owner is not None:
            folders.hand_over(jail.root, *self._owner)

    def _host_is_gone(self) -> bool:
        """Whether the other end of stdin is closed: nobody waits for the answer any more."""
        return any(event & select.POLLHUP for _, event in self._stdin.poll(0))


def _pair(text: str | None) -> tuple[int, int] | None:
    """Two numbers with a colon between them."""
    if text is None:
        return None
    first, _, second = text.partition(":")
    return int(first), int(second)


def main() -> None:
    """Entry point of the server, and of a spawned child."""
    parser = argparse.ArgumentParser(description="Fork server of tfmatrix; started by an executor.")
    parser.add_argument("--work", required=True, help="folder for output and requests")
    parser.add_argument("--start-method", choices=("fork", "spawn"), default="fork")
    parser.add_argument("--threads", type=int, default=1, help="TensorFlow's threads per child; 0 leaves its default")
    parser.add_argument("--users", help="FIRST:COUNT, users that jobs become in turn; only root can give them")
    parser.add_argument("--owner", help="UID:GID that is to own what jobs leave")
    parser.add_argument("--scratch", action="append", default=[], help="folder to empty after each request")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.threads = int(os.environ.get(protocol.THREADS, options.threads))
    if not options.threads:
        os.environ.pop("OMP_NUM_THREADS", None)
    os.umask(0o022)
    # As in an activated environment: TensorFlow 2.0 and 2.1 start their TFLite converter as a program of it.
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
    # A crash is a result here, and its core dump would be as large as TensorFlow.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if options.child:
        errand = json.loads(sys.stdin.read())
        request = errand["request"]
        preimport(options.threads)
        jail = confine.Jail(request["folder"], errand["user"], request["disk"])
        child_main(request, jail, errand["report"], errand["log"], errand["token"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    users = _pair(options.users)
    if users is not None and not confine.may_change_user(users[0]):
        users = None
    confine.protect_server()
    Server(options.work, options.start_method, options.threads, users, _pair(options.owner), options.scratch).serve()


if __name__ == "__main__":
    main()
