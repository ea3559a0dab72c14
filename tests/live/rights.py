#!/usr/bin/env python3
"""What a live capture may still do: every thread of it is nobody, without capabilities, with Landlock
and seccomp, and its files are nobody's; with one worker and with two: rights.py SYNFIN"""
import os
import pathlib
import pwd
import signal
import subprocess
import tempfile

import lab

PORT = 7200
FILE_CAPABILITIES = 0b1110  # DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER (linux/capability.h)


def status_of(task):
    lines = (task / "status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def check_threads(watch, user):
    tasks = list(pathlib.Path(f"/proc/{watch.process.pid}/task").iterdir())
    assert len(tasks) > 1, tasks
    for status in map(status_of, tasks):
        lab.check("users", status["Uid"].split(), [str(user.pw_uid)] * 4)
        lab.check("groups", status["Gid"].split(), [str(user.pw_gid)] * 4)
        lab.check("no new privileges, filter", (status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        kept = int(status["CapEff"], 16) | int(status["CapPrm"], 16)
        allowed = FILE_CAPABILITIES if user.pw_uid == 0 else 0
        lab.check("capabilities", kept & ~allowed, 0)


def talk(host):
    with host.server(PORT) as server:
        near = host.connect(PORT)
        far, _ = server.accept()
        near.close()
        far.close()


def capture(host, synfin, user, *options):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        path = pathlib.Path(folder) / "x.ndjson"
        watch = lab.Watch(host, synfin, *options, "-o", path)
        check_threads(watch, user)
        talk(host)
        watch.connection(PORT)
        watch.process.send_signal(signal.SIGHUP)
        lab.wait_until("the file got its name", path.exists)
        lab.check("owner", path.stat().st_uid, user.pw_uid)
        watch.stop()
        lab.check("complaints", watch.complaints(), "")


def refused(host, synfin):
    """What nobody could write is said before anything is captured."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "x.ndjson"
        process = host.start(synfin, "-i", "va", "-o", path, text=True, stderr=subprocess.PIPE)
        _, complaints = process.communicate(timeout=lab.PATIENCE)
        lab.check("refused", (process.returncode, complaints),
                  (1, f"synfin: as user nobody (see -Z): {path}: Permission denied\n"))


def test(synfin):
    is_root = os.geteuid() == 0
    host = lab.Lab()
    report = subprocess.run([synfin, "doctor", "-i", "va"], capture_output=True, text=True).stdout
    if "sanitizer" in report or "missing" in report:
        raise lab.Skip(f"no sandbox here:\n{report}")
    # Where the lab had to make a user namespace, root is the only user there is.
    user = pwd.getpwnam("nobody" if is_root else "root")
    capture(host, synfin, user)
    capture(host, synfin, user, "-j", "2")
    if is_root:
        capture(host, synfin, pwd.getpwnam("root"), "-Z", "root")
        refused(host, synfin)


lab.run(test)
