#!/usr/bin/env python3
"""Connections without end through standard input: synfin grows no more once its table has its size.
memory.py SYNFIN GENERATE [PACKETS]"""
import re
import subprocess
import sys

import lab

PACKETS = 2000000
GROWTH = 1.04  # from the first quarter to the end; it stands still but for the heap's page or two

# Short connections: the same few addresses and ports again, closed ones waiting for late segments;
# and ports that are seen once, forgotten after 2 s.
RUNS = {"churn": [], "web": ["--linger", "2"]}


def resident(process):
    """KiB."""
    with open(f"/proc/{process.pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1])


def pump(source, process):
    """Hands over all there is; synfin's memory at each mebibyte."""
    sizes = []
    with process.stdin:
        while part := source.read(1 << 20):
            process.stdin.write(part)
            sizes.append(resident(process))
    return sizes


def check_flat(synfin, generate, packets, mix, options):
    with subprocess.Popen([generate, mix, str(packets), "/dev/stdout"],
                          stdout=subprocess.PIPE) as writer:
        with subprocess.Popen([synfin, "--json", *options, "-"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=False) as process:
            with subprocess.Popen(["tail", "-n", "1"], stdin=process.stdout, text=True,
                                  stdout=subprocess.PIPE) as last:
                process.stdout.close()
                sizes = pump(writer.stdout, process)
                end = last.stdout.read()
    lab.check("exit status", [writer.returncode, process.returncode], [0, 0])
    lab.check("packets", int(re.search(r'"packets":(\d+)', end)[1]), packets)
    connections = int(re.search(r'"connections":(\d+)', end)[1])
    quarter, whole = sizes[len(sizes) // 4], sizes[-1]
    print(f"{mix}: {connections} connections, {quarter} KiB after a quarter, {whole} KiB at the "
          f"end, at most {max(sizes)} KiB")
    assert whole <= GROWTH * quarter, "it grows"


def test(synfin):
    packets = int(sys.argv[3]) if len(sys.argv) > 3 else PACKETS
    for mix, options in RUNS.items():
        check_flat(synfin, sys.argv[2], packets, mix, options)


lab.run(test)
