#!/usr/bin/env python3
"""A conversion must refuse any other figure: each value that is converted is changed by a little,
synfin's and tcptrace's, and no conversion may hold then.

usage: test_conversions.py SYNFIN DIR    without tcptrace or tshark: skipped, exit 77
"""
import decimal
import pathlib
import shutil
import sys

sys.dont_write_bytecode = True  # the source folder stays as it is

import against_tcptrace
import agree
import tools
from evidence import CONVERSIONS, Evidence

CAPTURES = 24


def changed(value):
    """The least that shows: an octet, a packet, a tenth of a millisecond."""
    if value is None:
        return 1
    if isinstance(value, against_tcptrace.Tenths):
        return against_tcptrace.Tenths(value.value + decimal.Decimal("0.1"))
    if isinstance(value, against_tcptrace.Near):
        return against_tcptrace.Near(value.value + 1, value.within)
    return value + (decimal.Decimal("0.1") if isinstance(value, decimal.Decimal) else 1)


def evidences(synfin, capture):
    """[(evidence, end, [(field, tcptrace's value, synfin's)])] of a capture."""
    told = tools.synfin(synfin, capture, "--segments")
    packets, _ = tools.tshark_packets(capture)
    for row in tools.tcptrace(capture):
        record, client_is_a = against_tcptrace.find(row, told["connections"])
        if record is None or against_tcptrace.packets_of(record) != against_tcptrace.total_of(row):
            continue
        lines = [line for line in told["segments"] if line["conn"] == record["id"]]
        evidence = Evidence(record, lines, packets,
                            lambda: int(tools.last_time(capture) * 1000000))
        ends = against_tcptrace.ENDS if client_is_a else reversed(against_tcptrace.ENDS)
        for side, end in zip("ab", ends):
            yield evidence, end, against_tcptrace.pairs_of(row, side, record, end)


def faults(evidence, end, field, theirs, ours):
    if evidence.converted(end, field, theirs, ours) is None:
        return
    if evidence.converted(end, field, changed(theirs), ours):
        yield f"{field}: tcptrace's {changed(theirs)} passes for {theirs}"
    if evidence.converted(end, field, theirs, changed(ours)):
        yield f"{field}: {changed(ours)} passes for {ours}"


def main():
    synfin, folder = sys.argv[1:]
    missing = [tool for tool in ("tcptrace", "tshark") if not shutil.which(tool)]
    if missing:
        print("skipped: no", *missing)
        return 77
    met, failures = set(), []
    for capture in list(agree.captures_of(pathlib.Path(folder)))[:CAPTURES]:
        for evidence, end, pairs in evidences(synfin, capture):
            for field, theirs, ours in pairs:
                if theirs == ours:
                    continue
                met.add(field)
                failures += [f"{capture.name} {end} {fault}"
                             for fault in faults(evidence, end, field, theirs, ours)]
    for failure in failures:
        print(failure)
    unmet = {"in_flight_max", "idle_max", "initial_window_bytes", "retransmitted_bytes"} - met
    for field in sorted(unmet):
        print(f"no {field} was converted: nothing was tested")
    print(f"{len(met & CONVERSIONS.keys())} fields converted")
    return 1 if failures or unmet else 0


if __name__ == "__main__":
    sys.exit(main())
