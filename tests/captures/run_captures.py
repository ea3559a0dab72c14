#!/usr/bin/env python3
"""Every capture of $SYNFIN_CAPTURES: no crash, a sound exit, and figures that add up.

usage: run_captures.py SYNFIN [FOLDER]      skipped (77) without $SYNFIN_CAPTURES and FOLDER
"""
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

# pcap in both orders, with nanoseconds, modified; pcapng; gzip, zstd, lz4
MAGICS = {bytes.fromhex(text) for text in (
    "a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "a1b2cd34", "34cdb2a1", "0a0d0d0a")}
PACKED = (b"\x1f\x8b", bytes.fromhex("28b52ffd"), bytes.fromhex("04224d18"))
TIME_LIMIT = 60
EPSILON = 1e-6


def is_capture(path):
    if not path.is_file() or "oracle" in path.parts:
        return False
    with open(path, "rb") as file:
        head = file.read(4)
    return head in MAGICS or head.startswith(PACKED) or path.suffix in (".pcap", ".pcapng", ".cap")


def numbers(value, path=""):
    """(path, number) of everything numeric."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from numbers(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner, path)
    else:
        yield path, value


def at_most(end, low, high):
    if end[low] is not None and end[high] is not None and end[low] > end[high]:
        yield f"{low} {end[low]} > {high} {end[high]}"


def check_times(name, times):
    samples = times["samples"]
    known = [times[key] for key in ("min", "avg", "max")]
    if (samples == 0) != all(value is None for value in known):
        yield f"{name}: {samples} samples and {known}"
    elif samples and not known[0] <= known[1] + EPSILON <= known[2] + 2 * EPSILON:
        yield f"{name}: min, avg, max are {known}"


def check_end(name, end):
    for low, high in (("unique_bytes", "payload_bytes"), ("data_packets", "packets"),
                      ("pure_acks", "acks"), ("acks", "packets"), ("syns", "packets"),
                      ("fins", "packets"), ("rsts", "packets"), ("payload_bytes", "ip_bytes"),
                      ("retransmitted_packets", "packets"), ("dsack_packets", "sack_packets"),
                      ("retransmitted_bytes", "payload_bytes"), ("keep_alives", "packets"),
                      ("zero_windows", "packets")):
        for fault in at_most(end, low, high):
            yield f"{name}: {fault}"
    causes = sum(end["retransmissions"].values())
    if causes > end["retransmitted_packets"]:
        yield f"{name}: {causes} causes for {end['retransmitted_packets']} retransmissions"
    for low, high in (("min", "max"), ("last", "max")):
        for fault in at_most(end["window"], low, high):
            yield f"{name}.window: {fault}"
    for fault in at_most(end["segment"], "min", "max"):
        yield f"{name}.segment: {fault}"
    yield from check_times(f"{name}.rtt", end["rtt"])
    yield from check_times(f"{name}.response_time", end["response_time"])
    if (end["state"] is None) != (end["state_proved"] is None):
        yield f"{name}: state {end['state']} proved {end['state_proved']}"


def check_connection(record):
    for path, value in numbers(record):
        if value < 0 and not path.endswith(".t"):
            yield f"{path} is {value}"
    for name in ("client", "server"):
        yield from check_end(name, record[name])
        last = [e for e in record["timeline"] if e["end"] == name]
        if last and last[-1]["to"] != record[name]["state"]:
            yield f"{name}: state {record[name]['state']}, timeline ends in {last[-1]['to']}"
    if record["first_packet"] > record["last_packet"]:
        yield "first packet behind the last"
    if (record["close"]["how"] == "reset") != (record["close"]["reset"] is not None):
        yield f"close.how {record['close']['how']}, reset {record['close']['reset']}"


def check_lines(lines):
    if not lines or lines[0]["type"] != "meta" or lines[-1]["type"] != "end":
        yield "no meta line first or no end line last"
        return
    end, packets = lines[-1], 0
    connections = [line for line in lines if line["type"] == "connection"]
    for record in connections:
        for fault in check_connection(record):
            yield f"connection {record['id']}: {fault}"
        packets += sum(record[name]["packets"] + record[name]["capture_duplicates"]
                       for name in ("client", "server"))
    if end["packets"] != end["tcp_packets"] + sum(end["undecoded"].values()):
        yield f"{end['packets']} packets, {end['tcp_packets']} of TCP, {end['undecoded']}"
    if packets != end["tcp_packets"]:
        yield f"{end['tcp_packets']} packets of TCP, {packets} in the connections"
    if len(connections) != end["connections"]:
        yield f"{len(connections)} connections, the end says {end['connections']}"
    if sorted(r["id"] for r in connections) != list(range(1, len(connections) + 1)):
        yield "ids are not 1, 2, 3 ..."


def check_exit(result):
    if result.returncode not in (0, 1, 3):
        yield f"exit {result.returncode}: {result.stderr[-1500:]}"
    elif result.returncode != 0 and not result.stderr.startswith("synfin: "):
        yield f"exit {result.returncode} without a diagnostic: {result.stderr[:200]!r}"


def check_capture(synfin, path):
    """(exit, packets, faults)"""
    try:
        result = subprocess.run([synfin, "--json", path], capture_output=True, timeout=TIME_LIMIT,
                                text=True, errors="surrogateescape")
    except subprocess.TimeoutExpired:
        return None, 0, [f"no end after {TIME_LIMIT} s"]
    faults = list(check_exit(result))
    lines = []
    try:
        lines = [json.loads(line) for line in result.stdout.splitlines()]
    except ValueError as error:
        faults.append(f"not JSON: {error}")
    if result.returncode in (0, 3) and not faults:
        faults += check_lines(lines)
    return result.returncode, lines[-1].get("packets", 0) if lines else 0, faults


def main():
    synfin = sys.argv[1]
    folder = sys.argv[2] if len(sys.argv) > 2 else os.environ.get("SYNFIN_CAPTURES")
    if not folder or not pathlib.Path(folder).is_dir():
        print("skipped: SYNFIN_CAPTURES names no folder of captures")
        return 77
    paths = sorted(path for path in pathlib.Path(folder).rglob("*") if is_capture(path))
    exits, packets, bad = {}, 0, 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for path, (code, count, faults) in zip(
                paths, pool.map(lambda p: check_capture(synfin, p), paths)):
            exits[code] = exits.get(code, 0) + 1
            packets += count
            bad += bool(faults)
            for fault in faults[:3]:
                print(f"{path.relative_to(folder)}: {fault}")
    print(f"{len(paths)} captures, {packets} packets, exits {exits}, {bad} with faults")
    return 1 if bad or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
