#!/usr/bin/env python3
"""Real sockets, captured at both ends, beside what the sockets did: kernel/NAME{,.srv}.pcap, NAME.json.

usage: run_kernel.py SYNFIN      captures: $SYNFIN_CAPTURES/kernel; skipped (77) without
"""
import collections
import json
import os
import pathlib
import subprocess
import sys

OPEN = {"full": "handshake", "half_open": "incomplete", "midstream": "midstream",
        "refused": "refused", "simultaneous_open": "simultaneous", "syn_only": "unanswered"}
CLOSE = {"fin": "fin", "simultaneous_fin": "simultaneous", "rst": "reset", "none": "none",
         "timeout": "none"}


def run(synfin, capture):
    result = subprocess.run([synfin, "--json", capture], capture_output=True, text=True, timeout=60)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return [line for line in lines if line["type"] == "connection"], lines[-1]


def role_of(record, truth, who):
    """The role of the truth's client or server in the record."""
    if who is None:
        return None
    is_client = record["client"]["ip"] == truth["client_ip"]
    return who if is_client else {"client": "server", "server": "client"}[who]


def count(records, truth, who, field):
    return sum(record[role_of(record, truth, who)][field] for record in records)


def is_within(value, wanted):
    if isinstance(wanted, list):
        low, high = wanted
        return (low is None or value >= low) and (high is None or value <= high)
    return value == wanted


def ask_record(truth, record):
    """(what, found, wanted) of one connection."""
    told = truth["truth"]
    yield "open", record["open"]["how"], OPEN[told["open"]]
    yield "close", record["close"]["how"], CLOSE[told["close"]]
    if told["first_closer"]:
        yield "first", record["close"]["first"], role_of(record, truth, told["first_closer"])
    reset = record["close"]["reset"]
    yield "resetter", reset and reset["by"], role_of(record, truth, told["resetter"])


def ask_counts(truth, records):
    wanted = truth["truth"]["expect"]
    for short, who in (("c", "client"), ("s", "server")):
        syns = [wanted[name] for name in (f"syn_{short}", f"synack_{short}") if name in wanted]
        if syns and all(isinstance(n, int) for n in syns):
            yield "syns", count(records, truth, who, "syns"), sum(syns)
        for field in ("fin", "rst"):
            if f"{field}_{short}" in wanted:
                yield f"{field}s", count(records, truth, who, f"{field}s"), wanted[
                    f"{field}_{short}"]
        if f"bytes_{short}" in wanted:
            yield "bytes", count(records, truth, who, "unique_bytes"), wanted[f"bytes_{short}"]
    for name, field in (("keepalive", "keep_alives"), ("zero_window", "zero_windows")):
        if name in wanted:
            total = sum(count(records, truth, who, field) for who in ("client", "server"))
            yield name, total, wanted[name]


def questions(truth, capture, records, end):
    yield "connections", len(records), truth["truth"]["expect"].get("conns", 1)
    if not capture.name.endswith(".srv.pcap"):
        yield "packets", end["packets"], truth["observed"]["packets"]
        yield from ask_counts(truth, records)
    for record in records:
        yield from ask_record(truth, record)


def main():
    synfin = sys.argv[1]
    folder = pathlib.Path(os.environ.get("SYNFIN_CAPTURES", "/nonexistent"), "kernel")
    if not folder.is_dir():
        print("skipped: SYNFIN_CAPTURES names no folder with captures of kernel sockets")
        return 77
    right, asked = collections.Counter(), collections.Counter()
    for path in sorted(folder.glob("*.json")):
        truth = json.loads(path.read_text())
        for capture in (path.with_suffix(".pcap"), path.with_suffix(".srv.pcap")):
            if not capture.exists():
                continue
            for what, found, wanted in questions(truth, capture, *run(synfin, capture)):
                asked[what] += 1
                right[what] += is_within(found, wanted)
                if not is_within(found, wanted):
                    print(f"{capture.name}: {what} is {found}, the sockets say {wanted}")
    for what in asked:
        print(f"{what}: {right[what]} of {asked[what]}")
    return 0 if right == asked and asked else 1


if __name__ == "__main__":
    sys.exit(main())
