#!/usr/bin/env python3
"""Script -> pcap -> program -> JSON: the same story as straight through the tracker.

usage: run_cli_script.py RUN_SCRIPT SEG2PCAP SYNFIN SCRIPT
"""
import decimal
import json
import pathlib
import re
import subprocess
import sys
import tempfile

# (transform of the script, form of the file)
VARIANTS = [
    ("plain", []), ("plain", ["--nano"]), ("plain", ["--big"]), ("plain", ["--big", "--nano"]),
    ("plain", ["--sll2"]), ("ipv6", []), ("ipv6", ["--sll2"]), ("vlan", []), ("swap", []),
    ("iss0", []), ("iss1", []), ("iss7fffffff", []), ("issfffffffe", []), ("snap96", []),
]

# Averages are printed to three decimals.
TOLERANCE = {"throughput": decimal.Decimal("0.0005"), "avg": decimal.Decimal("0.0005")}

ALIASES = {"conn": "zeek.conn_state", "history": "zeek.history"}


def nanoseconds(value):
    return int((decimal.Decimal(value) * 10 ** 9).to_integral_value())


def read_dump(text):
    """What run_script --dump tells: events, and fields, timeline, anomalies by record."""
    story = {"events": [], "records": {}}
    for line in text.splitlines():
        kind, *words = line.split("\t")
        if kind == "event":
            packet, t, conn, end, what, *rest = words
            story["events"].append([int(packet), int(t), int(conn), end, what, *rest])
            continue
        if kind not in ("field", "timeline", "anomaly"):
            continue
        record = story["records"].setdefault(
            int(words[0]), {"fields": {}, "timeline": [], "anomalies": []})
        if kind == "field":
            record["fields"][words[1]] = words[2]
        elif kind == "timeline":
            record["timeline"].append([int(words[1]), int(words[2]), *words[3:]])
        else:
            record["anomalies"].append([*words[1:4], *map(int, words[4:7]), words[7]])
    return story


def word(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def lookup(record, path):
    for name in path.split("."):
        if record is None:
            return None
        record = record[name]
    return record


def json_event(line):
    head = [line["packet"], nanoseconds(line["t"]), line["conn"], word(line["end"]), line["kind"]]
    names = ("from", "to", "proved", "cause") if line["kind"] == "state" else (
        "name", "severity", "detail")
    return head + [word(line[name]) for name in names]


def json_timeline(record):
    return [[e["packet"], nanoseconds(e["t"]), word(e["end"]), word(e["from"]), word(e["to"]),
             word(e["proved"]), e["cause"]] for e in record["timeline"]]


def json_anomalies(record):
    return [[a["name"], word(a["end"]), a["severity"], a["count"], a["first_packet"],
             a["last_packet"], a["detail"]] for a in record["anomalies"]]


def same(text, value, tolerance=0):
    """A dumped value and a JSON value."""
    if text == word(value):
        return True
    try:
        return abs(decimal.Decimal(text) - decimal.Decimal(word(value))) <= tolerance
    except decimal.InvalidOperation:
        return False


def compare_record(number, dumped, record):
    for path, text in dumped["fields"].items():
        try:
            value = lookup(record, path)
        except (KeyError, TypeError):
            yield f"record {number}: {path} is missing"
            continue
        if not same(text, value, TOLERANCE.get(path.rsplit(".")[-1], 0)):
            yield f"record {number}: {path} is {word(value)}, the tracker says {text}"
    for name, told in (("timeline", json_timeline(record)), ("anomalies", json_anomalies(record))):
        if told != dumped[name]:
            yield f"record {number}: {name} {told}, the tracker says {dumped[name]}"


def view_results(script):
    """(line, record, path, value) of what a script says of the views' fields."""
    for number, line in enumerate(script.read_text().splitlines(), 1):
        match = re.match(r"=(\d*)\s+([^#]*)", line)
        words = match[2].split() if match else []
        for path, value in zip(words[::2], words[1::2]):
            path = ALIASES.get(path, path)
            if path.startswith(("zeek.", "wireshark.")):
                yield number, int(match[1] or 1), path, value


def misdated_changes(number, record, events):
    """Changes to which the timeline gives another time than their event."""
    told = {(packet, conn, *change): t for packet, t, conn, *change in events}
    for packet, t, end, *change in json_timeline(record):
        at = told.get((packet, number, end, "state", *change), t)
        if at != t:
            yield f"record {number}: {change} of packet {packet} at {t}, its event at {at}"


def run(command):
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if result.returncode not in (0, 1) or result.returncode == 1 and "synfin" in str(command[0]):
        raise RuntimeError(f"{pathlib.Path(command[0]).name} ended with {result.returncode}: "
                           f"{result.stderr[-2000:]}")
    return result.stdout


def check_variant(tools, script, transform, form, folder):
    run_script, seg2pcap, synfin = tools
    capture = f"{folder}/capture.pcap"
    run([seg2pcap, "--transform", transform, *form, script, capture])
    direct = read_dump(run([run_script, "--transform", transform, "--dump", script]))
    output = run([synfin, "--json", "--events", capture])
    lines = [json.loads(line, parse_float=decimal.Decimal) for line in output.splitlines()]
    records = {line["id"]: line for line in lines if line["type"] == "connection"}
    if sorted(records) != sorted(direct["records"]):
        yield f"connections {sorted(records)}, the tracker says {sorted(direct['records'])}"
        return
    for number, dumped in direct["records"].items():
        yield from compare_record(number, dumped, records[number])
    events = [json_event(line) for line in lines if line["type"] == "event"]
    if events != direct["events"]:
        pairs = list(zip(events, direct["events"]))
        first = next((p for p in pairs if p[0] != p[1]), (len(events), len(direct["events"])))
        yield f"events differ first at {first[0]}, the tracker says {first[1]}"
    for number, record in records.items():
        yield from misdated_changes(number, record, events)
    for line, number, path, value in view_results(script):
        if not same(value, lookup(records[number], path)):
            yield f"line {line}: {path} is {word(lookup(records[number], path))}, not {value}"


def main():
    *tools, script = sys.argv[1:]
    script = pathlib.Path(script)
    faults = 0
    has_vlan = re.search(r"^[^#]*\bvlan \d", script.read_text(), re.M)
    needs_ipv4 = re.search(r"^ip4\b", script.read_text(), re.M)
    for transform, form in VARIANTS:
        if needs_ipv4 and transform == "ipv6":
            continue
        if has_vlan and "--sll2" in form:
            continue  # a cooked header has no place for a tag
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = list(check_variant(tools, script, transform, form, folder))
            except (RuntimeError, ValueError, KeyError) as error:
                found = [f"{type(error).__name__}: {error}"]
        for fault in found:
            print(f"{script}: [{' '.join([transform, *form])}] {fault}")
        faults += len(found)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
