"""Runs a program once and says what it cost."""

import collections
import os
import re
import resource
import select
import subprocess
import tempfile
import time
from dataclasses import dataclass

SAMPLE_MS = 20


@dataclass
class Cost:
    wall: float  # seconds
    cpu: float  # seconds, user and system
    peak: int  # octets resident
    threads: int  # most seen at once
    failure: str  # empty when all went well


def bound_memory(limit):
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def peek(pid):
    """Peak resident octets and threads as /proc tells them; zeros once the program is gone."""
    try:
        with open(f"/proc/{pid}/status") as status:
            fields = dict(line.split(":", 1) for line in status)
        return int(fields["VmHWM"].split()[0]) * 1024, int(fields["Threads"])
    except (OSError, KeyError):
        return 0, 0


def explain(status, killed, stderr, memory):
    if killed:
        return "took too long"
    if status == 0:
        return ""
    words = stderr.read().decode(errors="replace").lower()
    if os.WIFSIGNALED(status) or "memory" in words or "alloc" in words:
        return f"failed with {memory >> 30} GiB of memory"
    return f"failed (exit {os.waitstatus_to_exitcode(status)})"


def run(command, memory, timeout, stdout=subprocess.DEVNULL):
    """One run within `memory` octets of address space and `timeout` seconds."""
    with open(os.memfd_create("stderr"), "w+b") as stderr:
        start = time.monotonic()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                                 preexec_fn=bound_memory(memory))
        handle = os.pidfd_open(child.pid)
        peak = threads = 0
        killed = False
        while not select.select([handle], [], [], SAMPLE_MS / 1000)[0]:
            now_peak, now_threads = peek(child.pid)
            peak, threads = max(peak, now_peak), max(threads, now_threads)
            if not killed and time.monotonic() - start > timeout:
                child.kill()
                killed = True
        os.close(handle)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - start
        stderr.seek(0)
        # The child's maximum begins with ours, which it inherits before it becomes the program.
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        exact = usage.ru_maxrss * 1024
        return Cost(wall, usage.ru_utime + usage.ru_stime, exact if exact > own else peak, threads,
                    explain(status, killed, stderr, memory))


def instructions(command):
    """Instructions that callgrind counts in a run, or None."""
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                           *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True)
    for line in done.stderr.splitlines():
        if "Collected" in line and done.returncode == 0:
            return int(line.split(":")[1])
    return None


def instructions_by_part(command):
    """Instructions by part of the program: a folder of src, "headers" (what is inlined from
    include), or "libraries". Needs debugging information. Empty when callgrind fails."""
    with tempfile.NamedTemporaryFile() as out:
        done = subprocess.run(["valgrind", "--tool=callgrind",
                               f"--callgrind-out-file={out.name}", *command],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            return {}
        table = subprocess.run(["callgrind_annotate", "--threshold=100", out.name],
                               capture_output=True, text=True).stdout
    parts = collections.Counter()
    for line in table.splitlines():
        row = re.match(r" *([0-9,]+) \([ 0-9.]+%\)  (\S+?):\S", line)
        if row is None:
            continue
        folder = re.search(r"/src/(\w+)/\w+\.c$", row[2])
        part = folder[1] if folder else "headers" if "/include/synfin/" in row[2] else "libraries"
        parts[part] += int(row[1].replace(",", ""))
    return parts
