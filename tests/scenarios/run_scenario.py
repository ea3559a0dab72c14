#!/usr/bin/env python3
"""Runs the program over one scenario and checks every column of expected.tsv.

usage: run_scenario.py SYNFIN SCENARIO      (SCENARIO is the name without .pcap)
"""
import csv
import decimal
import json
import pathlib
import subprocess
import sys

FOLDER = pathlib.Path(__file__).parent
PLAIN_COLUMNS = ("open.how", "close.how", "close.first")
RESET_COLUMNS = ("by", "kind", "validity")


def lookup(record, path):
    for name in path.split("."):
        if record is None:
            return None
        record = record[name]
    return record


def check_word(name, expected, value):
    if expected == "*" or expected == ("-" if value is None else value):
        return
    yield f"{name} is {value}, expected {expected}"


def check_state(end, expected, record):
    state, proved = record[end]["state"], record[end]["state_proved"]
    if expected == "*":
        return
    wanted = expected.rstrip("?*")
    yield from check_word(f"{end}.state", wanted, state)
    if state is not None and not expected.endswith("*") and proved == expected.endswith("?"):
        yield f"{end}.state {state} is {'proved' if proved else 'assumed'}"


def check_value(text, record):
    path, expected = text.split("=", 1)
    value = lookup(record, path)
    if expected == "null" or value is None or isinstance(value, str):
        yield from check_word(path, "-" if expected == "null" else expected, value)
    elif abs(decimal.Decimal(expected) - value) >= decimal.Decimal("0.0000005"):
        yield f"{path} is {value}, expected {expected}"


def check_row(row, record):
    for column in PLAIN_COLUMNS:
        yield from check_word(column, row[column], lookup(record, column))
    for column in RESET_COLUMNS:
        yield from check_word(f"close.reset.{column}", row[f"reset.{column}"],
                              lookup(record, f"close.reset.{column}"))
    for end in ("client", "server"):
        yield from check_state(end, row[f"{end}.state"], record)
    found = {anomaly["name"] for anomaly in record["anomalies"]}
    for name in set(row["anomalies"].split()) - {"-", "*"} - found:
        yield f"no {name} among {sorted(found)}"
    for name in found & set(row["not_anomalies"].split()):
        yield f"{name} is reported"
    if row["values"] not in ("-", "*"):
        for text in row["values"].split():
            yield from check_value(text, record)


def main():
    synfin, scenario = sys.argv[1:]
    with open(FOLDER / "expected.tsv", newline="") as file:
        rows = [r for r in csv.DictReader(file, delimiter="\t") if r["scenario"] == scenario]
    run = subprocess.run([synfin, "--json", FOLDER / f"{scenario}.pcap"], capture_output=True,
                         text=True, timeout=60)
    faults = [] if run.returncode == 0 and not run.stderr else [
        f"exit {run.returncode}: {run.stderr}"]
    lines = [json.loads(line, parse_float=decimal.Decimal) for line in run.stdout.splitlines()]
    records = sorted((line for line in lines if line["type"] == "connection"),
                     key=lambda line: line["id"])
    if not rows or len(records) != int(rows[0]["connections"]):
        faults.append(f"{len(records)} connections, expected {rows and rows[0]['connections']}")
    for row, record in zip(rows, records):
        faults += [f"connection {row['index']}: {fault}" for fault in check_row(row, record)]
    for fault in faults:
        print(f"{scenario}: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
