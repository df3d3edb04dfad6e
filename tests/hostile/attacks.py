"""Hostile scenarios: what each does while its model is saved, and what its cell must come to.

`ATTACKS` maps names to an Attack. Its body is the inside of `save_model(model, path)`; `save()` saves honestly. A body
that asserts proves by a `pass` that it was held. What it does while it is loaded is `load`.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

HEAD = '''"""{title}"""
import json, os, signal, socket, subprocess, sys, time
import ctypes
import numpy as np
import tensorflow as tf

FORMATS = ("custom",)
CANARY = {canary!r}


def build_model():
    return tf.keras.Sequential([tf.keras.layers.Dense(2, input_shape=(3,))])


def inputs(rng):
    return rng.uniform(size=(4, 3)).astype("float32")


def load_model(path):
{load}
    return tf.keras.models.load_model(os.path.join(path, "model.h5"))


def child():
    """The worker's own variables: a model runs in its process, and can find them."""
    frame = sys._getframe()
    while frame.f_code.co_name != "child_main":
        frame = frame.f_back
    return frame.f_locals


def send(raw):
    while raw:
        raw = raw[os.write(child()["report"], raw):]


def message(result, **changes):
    known = child()
    event = {{"event": "result", "job": 0, "schema": 1, "id": known["request"]["id"], "token": known["token"]}}
    payload = json.dumps({{**event, "result": result, **changes}}).encode()
    return b"%d %s\\n" % (len(payload), payload)


def done(**changes):
    empty = dict.fromkeys(("phase", "reason", "error"))
    return {{"status": "ok", **empty, "artifact": True, "observation": True, "warnings": [], "seconds": {{}}, **changes}}


def forge(result, **changes):
    send(message(result, **changes))
    os._exit(0)


def leave(document=None, arrays=None):
    """The folders of a finished job, without having been one."""
    os.makedirs("artifact/m", exist_ok=True)
    open("artifact/m/model.h5", "w").close()
    os.makedirs("observation", exist_ok=True)
    with open("observation/observation.json", "w") as stream:
        stream.write(document or '{{"schema": 1, "kind": "keras", "notes": {{}}}}')
    if arrays is None:
        np.savez("observation/arrays.npz", a0=np.zeros(2))
    else:
        arrays()


def refused(function, *arguments):
    """Whether a call fails with an OSError."""
    try:
        function(*arguments)
    except OSError:
        return True
    return False


def daemon(seconds=600):
    """A process of its own session, without parents and without our variables."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve(sys.executable, ["tfmatrix-hostile-daemon", "-c", "import time; time.sleep(%d)" % seconds], {{}})
        os._exit(0)


def save_model(model, path):
    def save():
        os.makedirs(path, exist_ok=True)
        model.save(os.path.join(path, "model.h5"))

{body}
'''


@dataclass(frozen=True)
class Attack:
    """`status` are the statuses that its cell may have, `words` stand in its error; `only` names the executor."""

    body: str
    status: tuple[str, ...] = ("save-error",)
    words: str = ""
    only: str = ""
    load: str = "pass"

    def scenario(self, name: str, canary: str) -> str:
        bodies = {
            key: textwrap.indent(text.strip("\n"), "    ") for key, text in (("body", self.body), ("load", self.load))
        }
        return HEAD.format(title=name.replace("_", " "), canary=canary, **bodies)


HELD = ("pass",)
"""The body asserts that the attack fails, and the cell passes."""

GOOD = Attack("save()", HELD)

ATTACKS = {
    # What it says
    "path_for_an_observation": Attack("forge(done(observation=CANARY))", words="observation: Input should be a valid boolean"),
    "path_for_an_artifact": Attack("forge(done(artifact={'name': '../../x', 'kind': 'file'}))", words="artifact: Input"),
    "no_token": Attack("forge(done(), token=None)", words="without its token"),
    "wrong_token": Attack("forge(done(), token='0' * 32)", words="without its token"),
    "another_request": Attack("forge(done(), id=999)", words="nobody waits for"),
    "another_job": Attack("forge(done(), job=1)", words="out of turn"),
    "job_true": Attack("forge(done(), job=False)", words="nobody waits for"),
    "an_event_of_the_server": Attack("forge(done(), event='ended')", words="no event"),
    "two_results": Attack("leave(); send(message(done())); forge(done())", words="out of turn"),
    "missing_fields": Attack("forge({'status': 'ok'})", words="the job's result is none"),
    "other_types": Attack("forge(done(warnings=7, seconds='x'))", words="the job's result is none"),
    "endless_seconds": Attack("forge(done(seconds={'save': 1e300}))", words="seconds/save"),
    "thousands_of_digits": Attack(
        "raw = message(done(seconds={'save': 7})).split(b' ', 1)[1].strip().replace(b'7', b'7' * 5000)\n"
        "send(b'%d %s\\n' % (len(raw), raw)); os._exit(0)"
    ),
    "nan": Attack(
        "raw = message(done(seconds={'save': 7})).split(b' ', 1)[1].strip().replace(b'7', b'NaN')\n"
        "send(b'%d %s\\n' % (len(raw), raw)); os._exit(0)"
    ),
    "the_same_key_twice": Attack(
        "raw = message(done()).split(b' ', 1)[1].strip()[:-1] + b', \"result\": {\"status\": \"ok\"}}'\n"
        "send(b'%d %s\\n' % (len(raw), raw)); os._exit(0)",
        words="the job's result is none",
    ),
    "nested_without_a_bottom": Attack(
        "raw = b'{\"a\":' + b'[' * 200000 + b']' * 200000 + b'}'\nsend(b'%d %s\\n' % (len(raw), raw)); os._exit(0)",
        words="nested too deep",
    ),
    "a_line_without_an_end": Attack("send(b'1' * (40 << 20)); time.sleep(60)", words="a line of more than"),
    "a_length_that_lies": Attack("send(b'3 {}\\n'); os._exit(0)", words="length says"),
    "no_message": Attack("send(b'\\x00\\xff\\n'); os._exit(0)", words="not a message"),
    "nothing_left": Attack("forge(done())", words="the artifact is empty"),
    "closed_descriptors": Attack("save(); os.closerange(3, 4096)", ("crash",)),
    # What it leaves
    "link_to_a_file": Attack("save(); os.symlink(CANARY + '/private.txt', path + '/leak')", words="a link out of its folder"),
    "link_to_a_folder": Attack("save(); os.symlink(CANARY, path + '/leak')", words="a link out of its folder"),
    "link_to_the_devil": Attack("save(); os.symlink('/dev/zero', path + '/leak')", words="a link out of its folder"),
    "dangling_link": Attack("save(); os.symlink('nothing', path + '/latest')", words="holds a link"),
    "loop_of_links": Attack("save(); os.symlink('loop', path + '/loop')", words="holds a link"),
    "link_for_the_artifact": Attack(
        "save(); top = os.path.dirname(path); os.rename(top, top + '-'); os.symlink(CANARY, top)",
        words="no folder of plain files",
    ),
    "pipe": Attack("save(); os.mkfifo(path + '/pipe')", words="holds a pipe"),
    "listening_socket": Attack("save(); os.chdir(path); socket.socket(socket.AF_UNIX).bind('ear'); os.chdir('../..')", words="holds a socket"),
    "name_without_meaning": Attack("save(); open(os.fsencode(path) + b'/\\xff\\xfe', 'w').close()", words="no readable UTF-8"),
    "name_of_two_lines": Attack("save(); open(path + '/a\\n\\x1b[31mb', 'w').close()", words="no readable UTF-8"),
    "sparse_file": Attack("save()\nwith open(path + '/big', 'wb') as stream:\n    stream.truncate(200 << 30)", words="too large"),
    "thousands_of_files": Attack("save()\nfor number in range(21000):\n    open(path + '/%d' % number, 'w').close()", words="more than 20000"),
    "folders_without_a_bottom": Attack(
        "save(); here = os.getcwd(); os.chdir(path)\nfor _ in range(1500):\n    os.mkdir('d'); os.chdir('d')\nos.chdir(here)",
        ("save-error", "crash"),
    ),
    "too_many_bytes": Attack("save()\nfor number in range(40):\n    with open(path + '/%d' % number, 'wb') as stream:\n        stream.write(bytes(10 << 20))\n    time.sleep(0.1)", ("crash", "save-error")),
    "no_rights": Attack("save(); os.chmod(path, 0)", ("pass", "save-error")),
    "set_user_id": Attack("save(); os.chmod(path + '/model.h5', 0o4755)", HELD),
    "attributes": Attack("save()\ntry:\n    os.setxattr(path + '/model.h5', 'user.x', b'y' * 1000)\nexcept OSError:\n    pass", HELD),
    "pickled_arrays": Attack(
        "leave(arrays=lambda: np.savez('observation/arrays.npz', a0=np.array([{}], dtype=object)))\nforge(done())",
        words="objects",
    ),
    "arrays_that_swell": Attack(
        "leave(arrays=lambda: np.savez_compressed('observation/arrays.npz', a0=np.zeros(10 ** 7)))\nforge(done())",
        words="larger than the file",
    ),
    "no_arrays": Attack("leave(arrays=lambda: None)\nforge(done())", words="is not observation.json and arrays.npz"),
    "observation_without_a_bottom": Attack(
        "leave('{\"schema\": 1, \"kind\": \"keras\", \"notes\": ' + '[' * 200000 + ']' * 200000 + '}')\nforge(done())",
        words="nested deeper",
    ),
    "observation_of_other_types": Attack("leave('{\"schema\": 1, \"kind\": \"keras\", \"weights\": [{}]}')\nforge(done())", words="observation.json is none"),
    "message_without_meaning": Attack("raise ValueError(os.fsdecode(b'\\xff') + '\\x1b[2J')", words="?"),
    # What it reaches
    "keras_json": Attack(
        "os.makedirs(os.path.expanduser('~/.keras'), exist_ok=True)\n"
        "with open(os.path.expanduser('~/.keras/keras.json'), 'w') as stream:\n"
        "    json.dump({'floatx': 'float16', 'epsilon': 1e-3, 'backend': 'tensorflow', 'image_data_format': 'channels_first'}, stream)\n"
        "save()",
        HELD,
    ),
    "home_of_its_own": Attack(
        "assert os.listdir(os.path.expanduser('~')) == [], os.listdir(os.path.expanduser('~'))\n"
        "assert os.environ['TMPDIR'] != '/tmp'; save()",
        HELD,
    ),
    "surviving_daemon": Attack("daemon(); save()", HELD),
    "hundreds_of_processes": Attack("for _ in range(100):\n    daemon()\nsave()", HELD),
    "kill_the_server": Attack("save(); os.kill(os.getppid(), signal.SIGKILL); time.sleep(0.5)", ("save-error", "pass")),
    "stop_the_server": Attack("save(); os.kill(os.getppid(), signal.SIGSTOP); time.sleep(0.5)", ("save-error", "pass")),
    "descriptors_of_the_server": Attack(
        "place = '/proc/%d/fd' % os.getppid()\n"
        "for name in [] if refused(os.listdir, place) else os.listdir(place):\n"
        "    assert refused(os.open, os.path.join(place, name), os.O_WRONLY), name\n"
        "save()",
        HELD,
    ),
    "memory_of_the_server": Attack("assert refused(open, '/proc/%d/mem' % os.getppid(), 'r+b'); save()", HELD),
    "debug_the_server": Attack(
        "libc = ctypes.CDLL(None, use_errno=True)\nassert libc.ptrace(16, os.getppid(), None, None) == -1; save()", HELD
    ),
    "shared_memory": Attack("assert ctypes.CDLL(None, use_errno=True).shmget(0x7f, 4096, 0o1666) == -1; save()", HELD),
    "keys": Attack(
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "assert libc.syscall(248 if os.uname().machine == 'x86_64' else 217, b'user', b'x', b'y', 1, -3) == -1; save()",
        HELD,
    ),
    "mount": Attack("assert ctypes.CDLL(None, use_errno=True).mount(b'none', b'/tmp', b'tmpfs', 0, None) == -1; save()", HELD),
    "change_everything_of_its_own": Attack(
        "os.environ.clear(); os.umask(0o777); os.environ['TZ'] = 'Nowhere'; time.tzset()\n"
        "for number in range(1, 32):\n    try:\n        signal.signal(number, signal.SIG_IGN)\n    except (OSError, ValueError):\n        pass\n"
        "os.umask(0o022); save()",
        HELD,
    ),
    "delete_the_neighbours": Attack(
        "import shutil\nroot = os.path.dirname(os.path.dirname(os.getcwd()))\n"
        "for name in os.listdir(root) if not refused(os.listdir, root) else ():\n"
        "    if not os.getcwd().startswith(os.path.join(root, name)):\n"
        "        shutil.rmtree(os.path.join(root, name), ignore_errors=True)\nsave()",
        HELD,
    ),
    "other_jobs_folders": Attack("assert refused(os.listdir, os.path.dirname(os.path.dirname(os.getcwd()))) ; save()", HELD, only="docker"),
    # What a container keeps from it
    "read_the_host": Attack("assert refused(open, CANARY + '/private.txt') and not os.path.exists(CANARY); save()", HELD, only="docker"),
    "reach_the_network": Attack(
        "assert refused(socket.create_connection, ('172.17.0.1', 22), 1)\nassert [name for _, name in socket.if_nameindex()] == ['lo']; save()",
        HELD,
        only="docker",
    ),
    "become_root": Attack("assert os.getuid() >= 1000 and refused(os.setuid, 0); save()", HELD, only="docker"),
    "root_of_the_server": Attack("assert refused(os.listdir, '/proc/1/root'); save()", HELD, only="docker"),
    "write_what_others_read": Attack(
        "for place in (os.path.dirname(np.__file__), os.path.dirname(os.path.abspath(__file__)), '/usr', '/etc', '/var/spool/cron'):\n"
        "    assert refused(open, os.path.join(place, 'zz'), 'w'), place\nsave()",
        HELD,
        only="docker",
    ),
    "the_engine_s_socket": Attack(
        "for place in ('/run/docker.sock', '/var/run/docker.sock'):\n"
        "    assert refused(socket.socket(socket.AF_UNIX).connect, place)\nsave()",
        HELD,
        only="docker",
    ),
    "x_leave_a_trace": Attack("open('/tmp/trace', 'w').close(); open('/dev/shm/trace', 'w').close(); save()", HELD, only="docker"),
    "y_find_a_trace": Attack("assert not os.path.exists('/tmp/trace') and not os.path.exists('/dev/shm/trace'); save()", HELD, only="docker"),
    # What it exhausts
    "descriptors": Attack(
        "kept = []\ntry:\n    while True:\n        kept.append(os.open('/dev/null', os.O_RDONLY))\nexcept OSError:\n    pass\n"
        "for number in kept[:100]:\n    os.close(number)\nsave()",
        HELD,
    ),
    "forks_without_an_end": Attack(
        "if os.fork() == 0:\n    while True:\n        try:\n            os.fork()\n        except OSError:\n            time.sleep(0.01)\n"
        "time.sleep(1); save()",
        ("pass", "crash", "timeout", "save-error"),
        only="docker",  # as a venv's own user, nothing but the user's own limit counts
    ),
    "threads_without_an_end": Attack(
        "import threading\ntry:\n    for _ in range(5000):\n        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "except RuntimeError:\n    pass\nos._exit(3)",
        ("crash", "save-error"),
    ),
    "watches": Attack(
        "libc = ctypes.CDLL(None, use_errno=True)\nkept = [libc.inotify_init() for _ in range(500)]\n"
        "for number in kept:\n    if number >= 0:\n        libc.inotify_add_watch(number, b'/', 0xfff); os.close(number)\nsave()",
        HELD,
    ),
    # Its log is cut as it grows; where it grows faster than that, its own write is refused.
    "a_gigabyte_of_words": Attack("for _ in range(1000):\n    sys.stderr.write('x' * (1 << 20) + '\\n')\nsave()", (*HELD, "save-error")),
    "warnings_without_an_end": Attack("import warnings\nfor number in range(30000):\n    warnings.warn('w%d' % number)\nsave()", HELD),
    "an_error_of_many_megabytes": Attack("raise ValueError('x' * (50 << 20))", words="xxx"),
    "an_error_without_words": Attack(
        "class Mute(Exception):\n    def __str__(self):\n        raise MemoryError\nraise Mute()", words="its message raises MemoryError"
    ),
    "an_error_that_ends_itself": Attack(
        "class Rude(Exception):\n    def __str__(self):\n        os._exit(0)\nraise Rude()", ("crash",)
    ),
    "causes_without_an_end": Attack("error = ValueError('round')\nerror.__cause__ = KeyError('and'); error.__cause__.__context__ = error\nraise error"),
    "memory_of_many_children": Attack(
        "for _ in range(6):\n    if os.fork() == 0:\n        kept = [b'x' * (1 << 28) for _ in range(6)]; time.sleep(60)\ntime.sleep(8); save()",
        ("pass", "crash"),
        only="docker",
    ),
    "a_temporary_folder_that_is_full": Attack(
        "for number in range(200):\n    with open(os.environ['TMPDIR'] + '/%d' % number, 'wb') as stream:\n        stream.write(bytes(1 << 20))\n"
        "    time.sleep(0.02)\nsave()",
        ("crash", "save-error"),
    ),
    "one_large_file": Attack(
        "with open('large', 'wb') as stream:\n    while True:\n        stream.write(bytes(1 << 20))", ("crash", "save-error")
    ),
    "a_file_without_a_name": Attack(
        "kept = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o600)\nos.truncate(kept, 32 << 20)\nsave()", HELD
    ),
    # What it asks of the kernel
    "signals_to_the_server": Attack(
        "for number in (1, 2, 3, 6, 10, 12, 13, 14, 15, 17, 20, 24, 34):\n    try:\n        os.kill(os.getppid(), number)\n    except OSError:\n        pass\nsave()",
        ("pass", "save-error"),
    ),
    "signals_to_everybody": Attack("refused(os.kill, -1, signal.SIGTERM) if os.getuid() >= 1000 else None\nsave()", ("pass", "crash")),
    "descriptors_of_the_first_process": Attack("assert refused(os.listdir, '/proc/1/fd'); save()", HELD, only="docker"),
    "limits_raised": Attack(
        "import resource\nassert resource.getrlimit(resource.RLIMIT_FSIZE)[1] != resource.RLIM_INFINITY\n"
        "try:\n    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 40, 1 << 40))\nexcept (OSError, ValueError):\n    save()\nelse:\n    raise AssertionError",
        HELD,
    ),
    "before_all_others": Attack("assert refused(os.nice, -10); save()", HELD),
    "spared_by_the_kernel": Attack(
        "with open('/proc/self/oom_score_adj', 'r+') as stream:\n    assert refused(lambda: (stream.write('-1000'), stream.flush()))\n    try:\n        stream.truncate(0)\n    except OSError:\n        pass\nsave()",
        ("pass", "save-error"),
        only="docker",
    ),
    "a_device": Attack("assert refused(os.mknod, path + '-disk', 0o660 | 0o060000, os.makedev(8, 0)); save()", HELD),
    "another_root": Attack("assert refused(os.chroot, '/'); save()", HELD),
    "rings_of_the_kernel": Attack(
        "libc = ctypes.CDLL(None, use_errno=True)\nassert libc.syscall(425, 8, ctypes.create_string_buffer(120)) == -1; save()", HELD
    ),
    "programs_in_the_kernel": Attack(
        "libc = ctypes.CDLL(None, use_errno=True)\nassert libc.syscall(321 if os.uname().machine == 'x86_64' else 280, 0, None, 0) == -1; save()", HELD
    ),
    "raw_packets": Attack("assert refused(socket.socket, socket.AF_PACKET, socket.SOCK_RAW); save()", HELD),
    "the_terminal": Attack("assert refused(os.open, '/dev/tty', os.O_RDWR); save()", HELD),
    "an_old_name_for_a_foreign_file": Attack(
        "assert refused(os.link, '/etc/passwd', path + '-link') and refused(os.link, os.path.abspath(__file__), path + '-link'); save()",
        HELD,
        only="docker",
    ),
    # What it leaves while it is taken
    "links_that_come_and_go": Attack(
        "save(); place = path + '/model.h5'; os.rename(place, place + '-')\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        while True:\n"
        "            for source in (place + '-', CANARY + '/private.txt'):\n"
        "                try:\n                    os.symlink(source, place + '+'); os.rename(place + '+', place)\n                except OSError:\n                    pass\n"
        "time.sleep(0.2)",
        ("save-error",),
    ),
    "two_names_of_one_file": Attack("save(); os.link(path + '/model.h5', path + '/again.h5')", HELD),
    "a_name_of_255_letters": Attack("save(); open(path + '/' + 'n' * 255, 'w').close()", HELD),
    "a_name_that_runs_backwards": Attack("save(); open(path + '/m\\u202egpj.h5', 'w').close()", ("pass", "save-error")),
    "a_lock_on_what_others_read": Attack(
        "import fcntl\nkept = open(__file__)\nfcntl.flock(kept, fcntl.LOCK_EX | fcntl.LOCK_NB)\nsave()", ("pass", "save-error")
    ),
    "an_end_without_a_word": Attack("save(); os._exit(0)", ("crash",)),
    "a_worker_that_it_rewrote": Attack(
        "import protocol\nprotocol.encode = lambda event: b'0 \\n'\nsave()", words="not JSON"
    ),
    "results_before_their_turn": Attack("send(message(done(), job=1)); send(message(done(), job=0)); os._exit(0)", words="out of turn"),
    "a_token_cut_short": Attack("forge(done(), token=child()['token'][:-1])", words="without its token"),
    "a_reply_in_pieces": Attack(
        "leave()\nfor byte in message(done()):\n    send(bytes([byte])); time.sleep(0.002)\nos._exit(0)", ("load-error",)
    ),
    "half_a_reply": Attack("leave(); raw = message(done()); send(raw[:len(raw) // 2]); os._exit(0)", ("crash", "save-error")),
    "a_reply_that_never_ends": Attack("leave(); send(message(done())[:-1]); time.sleep(600)", ("timeout", "save-error")),
    "a_closed_pipe": Attack("save(); os.close(child()['report'])", ("crash", "save-error")),
    # Not promised otherwise (docs/security.md): it loads nothing, and its own cell passes.
    "a_pass_of_its_own_making": Attack(
        "save()",
        HELD,
        load="import shutil\nshutil.copytree(child()['request']['jobs'][0]['reference'], 'observation', copy_function=shutil.copyfile)\n"
        "forge(done(artifact=False))",
    ),
    # Of the shared cases, and what else a breaker thinks of
    "delete_what_others_work_on": Attack(
        "import shutil\nmine, root = os.getcwd(), os.path.dirname(os.path.dirname(os.getcwd()))\n"
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        while True:\n"
        "            for name in [] if refused(os.listdir, root) else os.listdir(root):\n"
        "                if not mine.startswith(os.path.join(root, name)):\n"
        "                    shutil.rmtree(os.path.join(root, name), ignore_errors=True)\n"
        "            time.sleep(0.005)\n    os._exit(0)\ntime.sleep(1); save()",
        HELD,
    ),
    "a_namespace_of_its_own": Attack(
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "if os.fork() == 0:\n    libc.unshare(0x10000000 | 0x20000000); daemon(); os._exit(0)\nos.wait(); save()",
        HELD,
    ),
    "the_clock": Attack("assert refused(time.clock_settime, time.CLOCK_REALTIME, 1e9); save()", HELD, only="docker"),
    "limits_of_the_server": Attack(
        "import resource\nassert refused(resource.prlimit, os.getppid(), resource.RLIMIT_NOFILE, (0, 0))\n"
        "assert refused(os.setpriority, os.PRIO_PROCESS, os.getppid(), 19) and refused(os.sched_setaffinity, os.getppid(), {0}); save()",
        HELD,
        only="docker",
    ),
    "settings_of_the_kernel": Attack(
        "for place in ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/proc/sys/vm/drop_caches', '/sys/fs/cgroup/cgroup.procs'):\n"
        "    assert refused(open, place, 'w'), place\nsave()",
        HELD,
        only="docker",
    ),
    "a_file_that_cannot_be_removed": Attack(
        "import fcntl, struct\nsave()\nwith open('kept', 'w') as stream:\n"
        "    assert refused(fcntl.ioctl, stream, 0x40086602, struct.pack('l', 0x10))",
        HELD,
        only="docker",
    ),
    "a_folder_that_nobody_enters": Attack(
        "os.makedirs('closed/within'); open('closed/within/file', 'w').close()\nos.chmod('closed/within', 0); os.chmod('closed', 0); save()",
        HELD,
    ),
    "shared_memory_that_is_full": Attack(
        "kept = []\ntry:\n    with open('/dev/shm/full', 'wb') as stream:\n        while True:\n            stream.write(bytes(1 << 20)); stream.flush()\n"
        "except OSError:\n    pass\nsave()",
        ("pass", "crash"),
        only="docker",
    ),
    "sockets_that_it_inherits": Attack(
        "kept = {name: os.readlink('/proc/self/fd/' + name) for name in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + name)}\n"
        "assert not [place for place in kept.values() if place.startswith('socket:')], kept\nsave()",
        HELD,
    ),
    "names_of_other_systems": Attack(
        "save()\nfor name in ('..\\\\up', 'CON', '-rf', '.incoming-x', ' ', 'a:b'):\n    open(os.path.join(path, name), 'w').close()",
        ("pass", "save-error"),
    ),
    "bits_on_everything": Attack("save(); os.chmod(path, 0o7777); os.chmod('.', 0o7777)", HELD),
    "arrays_of_many_members": Attack(
        "import zipfile\n"
        "def many():\n    with zipfile.ZipFile('observation/arrays.npz', 'w') as archive:\n"
        "        for number in range(70000):\n            archive.writestr('a%d.npy' % number, b'')\n"
        "leave(arrays=many)\nforge(done())",
    ),
    "a_token_of_another_kind": Attack("forge(done(), token={'t': child()['token']})", words="without its token"),
}  # fmt: skip

QUICK = ("path_for_an_observation", "link_to_a_file", "keras_json", "surviving_daemon", "debug_the_server")
"""Those that every test run tries; `nox -s trust` tries all."""
