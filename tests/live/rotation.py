#!/usr/bin/env python3
"""Files that begin anew under load, by size and by HUP, hold together what standard output got:
rotation.py SYNFIN GENERATE"""
import json
import os
import pathlib
import signal
import tempfile
import time

import lab
import load

PACKETS = 30000


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def check_whole(watch, paths, options):
    """Each file begins with meta; what follows in all of them is what standard output got."""
    lines = []
    for path in paths:
        first, *others = lines_of(path)
        lab.check(f"first line of {path.name}", first["type"], "meta")
        lines += others
    wanted = [line for line in watch.lines if line["type"] != "meta"]
    lab.check(f"lines of {len(paths)} files with {options}", len(lines), len(wanted))
    assert lines == wanted, f"other lines with {options}"


def folder_for_all():
    """synfin writes as nobody when it is started as root."""
    folder = tempfile.TemporaryDirectory()
    os.chmod(folder.name, 0o777)
    return folder


def check_size(host, synfin, traffic):
    """Parts of a megabyte each: out, out1, out2 ..."""
    with folder_for_all() as folder:
        watch = lab.Watch(host, synfin, "-o", f"json:{folder}/out", "-C", "1")
        traffic.play_all(host, "--pps", "20000")
        load.end_of(watch)
        size = 1000000  # tcpdump's megabyte
        count = len(os.listdir(folder))
        paths = [pathlib.Path(folder, f"out{number or ''}") for number in range(count)]
        check_whole(watch, paths, "-C 1")
        sizes = [path.stat().st_size for path in paths]
        longest = 1 << 14  # octets of a record
        assert count > 1 and all(size <= octets < size + longest for octets in sizes[:-1]), sizes


def check_ring(host, synfin, traffic):
    """Two files in turn: the last megabyte at least is there."""
    with folder_for_all() as folder:
        watch = lab.Watch(host, synfin, "-o", f"json:{folder}/out", "-C", "1", "-W", "2")
        traffic.play_all(host, "--pps", "20000")
        load.end_of(watch)
        lab.check("files with -C 1 -W 2", sorted(os.listdir(folder)), ["out0", "out1"])
        parts = [lines_of(pathlib.Path(folder, name)) for name in ("out0", "out1")]
        parts.sort(key=lambda part: part[-1]["type"] == "end")
        told = [line for part in parts for line in part if line["type"] != "meta"]
        assert told == watch.lines[-len(told):], "the last lines are others"


def check_hup(host, synfin, traffic):
    """Under load, each HUP finishes the file that was moved away; nothing is lost."""
    with folder_for_all() as folder:
        path = pathlib.Path(folder, "out.json")
        watch = lab.Watch(host, synfin, "--events", "-o", f"json:{path}")
        player = traffic.play(host, "--pps", "5000", "--loop", "100")
        paths = []
        for number in range(3):
            count = len(watch.lines)
            lab.wait_until("more lines", lambda: len(watch.lines) > count + 100)
            paths.append(path.rename(f"{path}.{number}"))
            watch.process.send_signal(signal.SIGHUP)
            lab.wait_until("the file", path.exists)
        load.end_of_running(watch)
        player.kill()
        check_whole(watch, [*paths, path], "three HUPs")
        lab.check("files", sorted(os.listdir(folder)),
                  ["out.json", "out.json.0", "out.json.1", "out.json.2"])


def test(synfin):
    lab.need("tcpreplay")
    host = lab.Lab()
    with tempfile.TemporaryDirectory() as folder:
        web = load.Traffic(folder, "web", PACKETS)
        for check in (check_size, check_ring, check_hup):
            begun = time.monotonic()
            check(host, synfin, web)
            print(f"{check.__name__}: {time.monotonic() - begun:.1f} s")


lab.run(test)
