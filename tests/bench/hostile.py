"""Traffic made to be dear: hostile.py GENERATE SYNFIN counts instructions a packet for each kind
and fails where one costs more than three times what ordinary traffic (the mix `web`) costs with the
same output.
hostile.py --write KIND PACKETS OUT.pcap writes one kind, to look at it."""

import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import measure

PACKETS = 30_000
TIMES_ORDINARY = 3
CLIENT, SERVER = 0x0A000001, 0x0A000002
MSS = 1000
OUTSTANDING = 4000  # segments
LABELLED = 9_990  # segments: of 10 000 the labels know
NOP = b"\x01"


class Capture:
    """Frames cut behind their headers, a microsecond apart or as told."""

    def __init__(self, packets):
        self.frames = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)]
        self.packets = packets
        self.time_us = 1_700_000_000_000_000
        self.ip_id = 0

    def is_full(self):
        return len(self.frames) > self.packets

    def add(self, from_client, flags, seq, ack, length=0, options=b"", port=40000, gap_us=10):
        ports = (port, 80) if from_client else (80, port)
        tcp = struct.pack(">HHIIBBHHH", *ports, seq % 2**32, ack % 2**32,
                          (20 + len(options)) // 4 << 4, flags, 65000, 0, 0) + options
        self.ip_id = (self.ip_id + 1) % 65536
        self.add_ip(from_client, tcp, length, self.ip_id, 0x4000, gap_us)

    def add_ip(self, from_client, octets, length, ip_id, fragment, gap_us=10):
        """`length` octets follow that are not captured."""
        ends = (CLIENT, SERVER) if from_client else (SERVER, CLIENT)
        ip = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(octets) + length, ip_id, fragment, 64, 6,
                         0, *ends)
        frame = bytes(12) + b"\x08\x00" + ip + octets
        self.time_us += gap_us
        self.frames.append(struct.pack("<IIII", self.time_us // 10**6, self.time_us % 10**6,
                                       len(frame), len(frame) + length) + frame)

    def open(self, port=40000, scale=14):
        """A handshake; both ends start at 1 after it."""
        options = struct.pack(">BBHBBBB", 2, 4, MSS, 3, 3, scale, 1) + b"\x04\x02\x01\x01"
        self.add(True, 0x02, 0, 0, options=options, port=port)
        self.add(False, 0x12, 0, 1, options=options, port=port)
        self.add(True, 0x10, 1, 1, port=port)

    def open_and_send(self, segments):
        """Nothing of it is acknowledged. Returns the number after the last octet."""
        self.open()
        for i in range(segments):
            self.add(True, 0x10, 1 + i * MSS, 1, MSS)
        return 1 + segments * MSS

    def octets(self):
        return b"".join(self.frames[:self.packets + 1])


def sack_option(blocks):
    body = b"".join(struct.pack(">II", begin % 2**32, end % 2**32) for begin, end in blocks)
    return NOP * 2 + struct.pack(">BB", 5, 2 + len(body)) + body


def holes(capture, rng):
    """Every second segment is never captured, and nothing is acknowledged."""
    capture.open()
    seq = 1
    while not capture.is_full():
        capture.add(True, 0x10, seq, 1, MSS)
        seq += 2 * MSS
        if rng.random() < 0.01:
            capture.add(False, 0x10, 1, 1)


def acknowledged_holes(capture, rng):
    """Every second segment is never captured; all is acknowledged, soon."""
    capture.open()
    seq = 1
    while not capture.is_full():
        for _ in range(rng.randrange(1, 40)):
            capture.add(True, 0x10, seq, 1, MSS)
            seq += 2 * MSS
        capture.add(False, 0x10, 1, seq)


def backwards(capture, rng):
    """Flights whose segments come last one first, each in pieces."""
    capture.open()
    begin = 1
    while not capture.is_full():
        pieces = list(range(begin, begin + 200 * 100, 100))
        for seq in reversed(pieces):
            capture.add(True, 0x10, seq, 1, 100)
        begin += 200 * 100
        capture.add(False, 0x10, 1, begin)


def shuffled(capture, rng):
    """Flights whose segments come in any order, some of them twice."""
    capture.open()
    begin = 1
    while not capture.is_full():
        pieces = list(range(begin, begin + 400 * 100, 100)) + rng.choices(
            range(begin, begin + 400 * 100, 100), k=50)
        rng.shuffle(pieces)
        for seq in pieces:
            capture.add(True, 0x10, seq, 1, 100)
        begin += 400 * 100
        capture.add(False, 0x10, 1, begin)


def sack_storm(capture, rng):
    """Thousands of segments outstanding, and four new SACK blocks in each ACK."""
    seq = capture.open_and_send(OUTSTANDING)
    while not capture.is_full():
        edges = sorted(rng.randrange(1, seq) for _ in range(8))
        blocks = [(edges[2 * i], edges[2 * i + 1] + 1) for i in range(4)]
        rng.shuffle(blocks)
        capture.add(False, 0x10, 1, 1, options=sack_option(blocks))


def resent(capture, rng):
    """Thousands of segments outstanding, sent again in any order."""
    capture.open_and_send(OUTSTANDING)
    while not capture.is_full():
        capture.add(True, 0x10, 1 + MSS * rng.randrange(OUTSTANDING), 1, MSS * rng.randrange(1, 3))


def duplicate_acks(capture, rng):
    """Thousands of segments outstanding, and the same ACK again and again."""
    capture.open_and_send(OUTSTANDING)
    while not capture.is_full():
        capture.add(False, 0x10, 1, 1)


def one_octet(capture, rng):
    """Each octet a segment, each acknowledged."""
    capture.open()
    seq = 1
    while not capture.is_full():
        capture.add(True, 0x18, seq, 1, 1)
        seq += 1
        capture.add(False, 0x10, 1, seq)


def syns_again(capture, rng):
    """SYNs with ever new numbers on a live connection, answered by challenge ACKs."""
    capture.open()
    while not capture.is_full():
        capture.add(True, 0x02, rng.randrange(2**32), 0)
        capture.add(False, 0x10, 1, 1)


def resets_outside(capture, rng):
    """RSTs that nobody believes, between octets that go on."""
    capture.open()
    seq = 1
    while not capture.is_full():
        capture.add(False, 0x04, rng.randrange(2**31) + 2**30, 0)
        capture.add(True, 0x18, seq, 1, 10)
        seq += 10


def one_tuple(capture, rng):
    """The same addresses and ports for connection after connection."""
    isn = 0
    while not capture.is_full():
        isn += 100_000
        capture.add(True, 0x02, isn, 0)
        capture.add(False, 0x12, isn + 7, isn + 1)
        capture.add(True, 0x10, isn + 1, isn + 8)
        for step in range(12):
            capture.add(step % 2 == 0, 0x18, isn + 1 + step // 2 if step % 2 == 0 else
                        isn + 8 + step // 2, isn + 8 + step // 2 if step % 2 == 0 else
                        isn + 2 + step // 2, 1)
        capture.add(True, 0x14, isn + 7, isn + 14)


def near_tuples(capture, rng):
    """Tuples that differ in one bit each, a segment each in turn."""
    ports = [40000 ^ bit for bit in (0, *(1 << i for i in range(10)))]
    for port in ports:
        capture.open(port)
    seq = 1
    while not capture.is_full():
        for port in ports:
            capture.add(True, 0x18, seq, 1, 100, port=port)
            capture.add(False, 0x10, 1, seq + 100, port=port)
        seq += 100


def large_fragments(capture, rng):
    """Fragments of nearly 64 KiB, each of a new datagram"""
    while not capture.is_full():
        capture.ip_id = (capture.ip_id + 1) % 65536
        capture.add_ip(True, bytes(8), 65472, capture.ip_id, 0x2000)


def same_fragment(capture, rng):
    """One fragment of nearly 64 KiB again and again"""
    while not capture.is_full():
        capture.add_ip(True, bytes(8), 65472, 7, 0x2000)


def resets_inside(capture, rng):
    """Thousands of segments outstanding, and RSTs within them"""
    capture.open_and_send(OUTSTANDING)
    while not capture.is_full():
        capture.add(True, 0x04, 2 + MSS * rng.randrange(OUTSTANDING), 0)


def octets_resent(capture, rng):
    """Thousands of octets outstanding, a segment each, sent again as one"""
    capture.open()
    for i in range(OUTSTANDING):
        capture.add(True, 0x10, 1 + i, 1, 1)
    while not capture.is_full():
        capture.add(True, 0x10, 1, 1, OUTSTANDING)


def octets_resent_in_part(capture, rng):
    """The same, and a few dozen of them are sent again at a time, while others are new"""
    capture.open()
    for i in range(OUTSTANDING):
        capture.add(True, 0x10, 1 + i, 1, 1)
    end = 1 + OUTSTANDING
    while not capture.is_full():
        begin = rng.randrange(end - OUTSTANDING, end - 40)
        capture.add(True, 0x10, begin, 1, 33)
        for _ in range(10):
            capture.add(True, 0x10, end, 1, 1)
            end += 1


def labelled(capture, rng):
    """Ten thousand segments outstanding while each line has its labels, and each ACK takes one"""
    capture.open_and_send(LABELLED)
    end = 1 + LABELLED * MSS
    while not capture.is_full():
        capture.add(False, 0x10, 1, end - (LABELLED - 1) * MSS)
        capture.add(True, 0x10, end, 1, MSS)
        end += MSS


KINDS = (holes, acknowledged_holes, backwards, shuffled, sack_storm, resent, duplicate_acks,
         one_octet, syns_again, resets_outside, one_tuple, near_tuples,
         large_fragments, same_fragment, resets_inside, octets_resent,
         octets_resent_in_part, labelled)
NOTHING = ("-o", "none")
OUTPUTS = {labelled: ("-o", "json", "--segments")}  # of the others: nothing


def write(kind, packets, path):
    capture = Capture(packets)
    kind(capture, random.Random(1))
    path.write_bytes(capture.octets())


def instructions(synfin, path, output):
    return measure.instructions([synfin, "-q", "-j1", "--no-sandbox", *output, path])


class Ordinary:
    """What the start costs, and then a packet of the mix web, for each output."""

    def __init__(self, generate, synfin, packets, folder):
        self.synfin, self.packets, self.costs = synfin, packets, {}
        self.one, self.all = Path(folder, "one.pcap"), Path(folder, "web.pcap")
        subprocess.run([generate, "web", "1", self.one], check=True)
        subprocess.run([generate, "web", str(packets), self.all], check=True)

    def cost(self, output):
        if output not in self.costs:
            start = instructions(self.synfin, self.one, output)
            whole = instructions(self.synfin, self.all, output)
            self.costs[output] = start, (whole - start) / self.packets
        return self.costs[output]


def costs(generate, synfin, packets=PACKETS):
    """Instructions a packet of ordinary traffic, with no output; then by the name of each kind the
    same and how many times as dear as ordinary traffic it is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.pcap")
        ordinary = Ordinary(generate, synfin, packets, folder)
        found = {}
        for kind in KINDS:
            write(kind, packets, path)
            output = OUTPUTS.get(kind, NOTHING)
            start, usual = ordinary.cost(output)
            cost = (instructions(synfin, path, output) - start) / packets
            found[kind.__name__] = cost, cost / usual
        return ordinary.cost(NOTHING)[1], found


def main():
    if sys.argv[1] == "--write":
        kinds = {kind.__name__: kind for kind in KINDS}
        write(kinds[sys.argv[2]], int(sys.argv[3]), Path(sys.argv[4]))
        return
    ordinary, found = costs(*sys.argv[1:])
    print(f"ordinary              {ordinary:6.0f} instructions a packet")
    dear = [name for name, (_, times) in found.items() if times > TIMES_ORDINARY]
    for name, (cost, times) in found.items():
        print(f"{name:21} {cost:6.0f}  {times:.2f} times"
              + (f"  more than {TIMES_ORDINARY}" if name in dear else ""))
    sys.exit(1 if dear else 0)


if __name__ == "__main__":
    main()
