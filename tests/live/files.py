#!/usr/bin/env python3
"""Files of a capture that goes on: -G, -C and -W, HUP, and that each is whole by itself when it gets
its name: files.py SYNFIN"""
import contextlib
import json
import os
import pathlib
import signal
import tempfile
import time

import lab

PORT = 7100


def talk(host, count):
    with host.server(PORT) as server:
        for _ in range(count):
            near = host.connect(PORT)
            far, _ = server.accept()
            near.close()
            far.close()


def types_of(path):
    return [json.loads(line)["type"] for line in path.read_text().splitlines()]


def check_whole(files, connections):
    """A head in each, the end in the last alone, and every connection once."""
    seen = []
    for path in files:
        types = types_of(path)
        lab.check(f"heads of {path.name}", (types[0], types.count("meta")), ("meta", 1))
        lab.check(f"ends of {path.name}", types.count("end"), path == files[-1])
        seen += [line["id"] for line in map(json.loads, path.read_text().splitlines())
                 if line["type"] == "connection"]
    lab.check("connections", sorted(seen), list(range(1, connections + 1)))


@contextlib.contextmanager
def capture(host, synfin, *options):
    """A capture that writes into a folder of its own, beside the lines that the lab reads."""
    with tempfile.TemporaryDirectory() as folder:
        names = [str(option).replace("DIR", folder) for option in options]
        yield lab.Watch(host, synfin, "-Z", "root", *names), pathlib.Path(folder)


def wait_for_records(watch, count):
    lab.wait_until(f"{count} records", lambda: len(watch.of_type("connection")) == count)


def by_time(host, synfin):
    options = "-G", "1", "-o", "json:DIR/%s.json", "-o", "zeek:DIR/%s.log", "-o", "csv:DIR/%s.csv"
    with capture(host, synfin, *options) as (watch, folder):
        for _ in range(3):
            talk(host, 1)
            time.sleep(1)
        lab.check("whole while it runs", watch.process.poll(), None)
        early = sorted(folder.glob("*.json"))
        assert len(early) >= 2 and len(list(folder.glob("*.json.part"))) == 1, early
        wait_for_records(watch, 3)
        watch.stop()
        lab.check("left over", list(folder.glob("*.part")), [])
        files = sorted(folder.glob("*.json"))
        check_whole(files, 3)
        for path in folder.glob("*.log"):
            lines = path.read_text().splitlines()
            lab.check(f"frame of {path.name}", (lines[0], lines[-1].split("\t")[0]),
                      ("#separator \\x09", "#close"))
        heads = {path.read_text().splitlines()[0] for path in folder.glob("*.csv")}
        lab.check("heads of csv", len(heads), 1)
        lab.check("files", {len(list(folder.glob(f"*.{end}"))) for end in ("log", "csv")},
                  {len(files)})


def a_bounded_time(host, synfin):
    with capture(host, synfin, "-G", "1", "-W", "2", "-o", "json:DIR/%s.json") as (watch, folder):
        watch.finish()
        files = sorted(folder.iterdir())
        lab.check("files", len(files), 2)
        check_whole(files, 0)


def by_size(host, synfin):
    with capture(host, synfin, "-C", "1", "-o", "json:DIR/a.json") as (watch, folder):
        talk(host, 300)
        wait_for_records(watch, 300)
        watch.stop()
        files = [folder / name for name in ("a.json", "a.json1")]
        lab.check("files", sorted(folder.iterdir()), files)
        assert 990_000 < files[0].stat().st_size < 1_020_000, files[0].stat().st_size
        check_whole(files, 300)


def moved_away(host, synfin):
    """As logrotate does: the file is there from the start, is moved, then HUP comes."""
    with capture(host, synfin, "-o", "json:DIR/log") as (watch, folder):
        log, rotated = folder / "log", folder / "log.1"
        talk(host, 1)
        wait_for_records(watch, 1)
        lab.wait_until("the line in the file", lambda: types_of(log)[1:] == ["connection"])
        watch.process.send_signal(signal.SIGHUP)  # nobody has moved it: it goes on
        talk(host, 1)
        wait_for_records(watch, 2)
        log.rename(rotated)
        talk(host, 1)
        wait_for_records(watch, 3)
        lab.wait_until("the line in the moved file", lambda: len(types_of(rotated)) == 4)
        watch.process.send_signal(signal.SIGHUP)
        lab.wait_until("the next file", lambda: log.exists() and log.stat().st_size > 0)
        talk(host, 1)
        wait_for_records(watch, 4)
        watch.stop()
        lab.check("files", sorted(folder.iterdir()), [log, rotated])
        check_whole([rotated, log], 4)


def cut_in_place(host, synfin):
    """As logrotate's copytruncate does: what follows begins at the new end."""
    with capture(host, synfin, "-o", "json:DIR/log") as (watch, folder):
        log = folder / "log"
        talk(host, 1)
        wait_for_records(watch, 1)
        os.truncate(log, 0)
        talk(host, 1)
        wait_for_records(watch, 2)
        watch.stop()
        lab.check("lines", types_of(log), ["connection", "end"])


def nothing_to_reopen(host, synfin):
    watch = lab.Watch(host, synfin)
    watch.stop(signal.SIGHUP)


def test(synfin):
    host = lab.Lab()
    for part in (by_time, a_bounded_time, by_size, moved_away, cut_in_place, nothing_to_reopen):
        part(host, os.path.abspath(synfin))
        print(f"ok: {part.__name__}")


if __name__ == "__main__":
    lab.run(test)
