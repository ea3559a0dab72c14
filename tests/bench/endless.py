#!/usr/bin/env python3
"""Memory over a run without end: one generated capture again and again, each time later and from
other addresses, through standard input. What synfin holds must not grow with what has passed.

usage: endless.py SYNFIN GENERATE [ROUNDS [PACKETS]]     exit 1 when it grows
"""
import os
import struct
import subprocess
import sys
import tempfile

ETHERNET_IPV4 = b"\x08\x00"
SETTLED = 0.4  # part of the run after which nothing may grow
SLACK_KIB = 4096


def records(capture):
    """(offset of the record, its length) of each packet after the file header."""
    at = 24
    while at < len(capture):
        length = struct.unpack_from("<I", capture, at + 8)[0]
        yield at, 16 + length
        at += 16 + length


def rewrite(capture, places, seconds, network):
    """The same packets so many seconds later, in another network."""
    for at in places:
        struct.pack_into("<I", capture, at, struct.unpack_from("<I", capture, at)[0] + seconds)
        frame = at + 16
        if capture[frame + 12:frame + 14] == ETHERNET_IPV4:
            for address in (frame + 26, frame + 30):
                capture[address] = network


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def run(synfin, capture, rounds):
    capture = bytearray(capture)
    places = [at for at, _ in records(capture)]
    first, last = (struct.unpack_from("<I", capture, at)[0] for at in (places[0], places[-1]))
    # What each round leaves open would stay open.
    command = [synfin, "--idle-timeout", "60", "-o", "none", "-o", "json:/dev/null", "-o", "zeek:/dev/null", "-"]
    sizes = []
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        process.stdin.write(capture[:24])
        for n in range(rounds):
            rewrite(capture, places, last - first + 61 if n > 0 else 0, 11 + n % 89)
            process.stdin.write(memoryview(capture)[24:])
            process.stdin.flush()
            sizes.append(resident_kib(process.pid))
        process.stdin.close()
    return process.returncode, sizes


def main():
    synfin, generate = (os.path.abspath(path) for path in sys.argv[1:3])
    rounds, packets = (*map(int, sys.argv[3:]), *(12, 60000)[len(sys.argv[3:]):])
    failed = False
    for mix in ("churn", "mixed"):
        with tempfile.NamedTemporaryFile() as file:
            subprocess.run([generate, mix, str(packets), file.name], check=True,
                           stdout=subprocess.DEVNULL)
            status, sizes = run(synfin, file.read(), rounds)
        settled = max(sizes[:int(rounds * SETTLED) + 1])
        grows = max(sizes) > settled + SLACK_KIB
        print(f"{mix}: {rounds} times {packets} packets, {settled} KiB, then at most {max(sizes)}")
        if grows or status != 0:
            print(f"{mix}: exit {status}, sizes in KiB after each round: {sizes}")
            failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main())
