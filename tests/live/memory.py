#!/usr/bin/env python3
"""Connections without end through standard input, and a day of them: synfin grows no more once its
table has its size. memory.py SYNFIN GENERATE [PACKETS]"""
import json
import re
import struct
import subprocess
import sys
import tempfile

import lab

PACKETS = 2000000
GROWTH = 1.04  # from the first quarter to the end; it stands still but for the heap's page or two

# Short connections: the same few addresses and ports again, closed ones waiting for late segments;
# and ports that are seen once, forgotten after 2 s.
RUNS = {"churn": [], "web": ["--linger", "2"]}
DAY = 86400


def resident(process):
    """KiB."""
    with open(f"/proc/{process.pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1])


def pump(parts, process):
    """Hands over all there is; synfin's memory after each part."""
    sizes = []
    with process.stdin:
        for part in parts:
            process.stdin.write(part)
            sizes.append(resident(process))
    return sizes


def generated(generate, mix, packets):
    """A capture, a mebibyte at a time."""
    with subprocess.Popen([generate, mix, str(packets), "/dev/stdout"],
                          stdout=subprocess.PIPE) as writer:
        yield from iter(lambda: writer.stdout.read(1 << 20), b"")
    lab.check("exit status of the generator", writer.returncode, 0)


def a_day(generate, packets, times):
    """The same second's traffic that often, each at its own time: pcap, seconds first."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run([generate, "web", str(packets), file.name], check=True)
        octets = bytearray(file.read())
    yield octets[:24]
    at, seconds = 24, {}
    while at < len(octets):
        seconds[at], length = struct.unpack_from("I4xI", octets, at)
        at += 16 + length
    for turn in range(times):
        for at, second in seconds.items():
            struct.pack_into("I", octets, at, second + turn * DAY // (times - 1))
        yield octets[24:]


def check_flat(synfin, what, parts, packets, options):
    """The last line, when memory was flat."""
    with subprocess.Popen([synfin, "--json", *options, "-"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=False) as process:
        with subprocess.Popen(["tail", "-n", "1"], stdin=process.stdout, text=True,
                              stdout=subprocess.PIPE) as last:
            process.stdout.close()
            sizes = pump(parts, process)
            end = json.loads(last.stdout.read())
    lab.check("exit status", process.returncode, 0)
    lab.check("packets", end["packets"], packets)
    quarter, whole = sizes[len(sizes) // 4], sizes[-1]
    print(f"{what}: {end['connections']} connections, {quarter} KiB after a quarter, {whole} KiB at "
          f"the end, at most {max(sizes)} KiB")
    assert whole <= GROWTH * quarter, "it grows"
    return end


def test(synfin):
    generate = sys.argv[2]
    packets = int(sys.argv[3]) if len(sys.argv) > 3 else PACKETS
    for mix, options in RUNS.items():
        check_flat(synfin, mix, generated(generate, mix, packets), packets, options)
    times = packets // 5000
    end = check_flat(synfin, "a day", a_day(generate, 5000, times), 5000 * times, [])
    span = lab.moment(end["last_time"]) - lab.moment(end["first_time"])
    assert span >= DAY, span


lab.run(test)
