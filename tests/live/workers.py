#!/usr/bin/env python3
"""Several workers, each with a part of the packets, tell what one alone does of the same packets at
the same time, whatever they travel in: workers.py SYNFIN GENERATE"""
import json
import pathlib
import re
import struct
import tempfile

import lab
import load

PACKETS = 6000
TRIES = 3
MTU = 3000  # of the link: tunnels and tags come on top of full segments
ETHERNET, VLAN, IPV4, IPV6, TCP, UDP, ICMP, GRE, FRAGMENT = 14, 0x8100, 0x800, 0x86dd, 6, 17, 1, 47, 44
ROUTER = bytes([10, 99, 0, 1])


# What frames travel in. Each takes a frame of IPv4 and TCP and gives those that are sent in its place.

def plain(frame):
    return [frame]


def in_vlan(frame):
    return [frame[:12] + struct.pack(">HH", VLAN, 7) + frame[12:]]


def checksum(octets):
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def ipv4(protocol, source, target, payload):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0, source,
                       target)
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ends_of(frame):
    """Outer addresses for each direction of what the frame belongs to."""
    forth = frame[ETHERNET + 12:ETHERNET + 16] < frame[ETHERNET + 16:ETHERNET + 20]
    ends = bytes([10, 98, 0, 1]), bytes([10, 98, 0, 2])
    return ends if forth else ends[::-1]


def in_vxlan(frame):
    """RFC 7348: each end chooses the source port of its packets, so that both ways hash apart."""
    source, target = ends_of(frame)
    port = 50000 + frame[ETHERNET + 15] + 256 * (source < target)
    packet = struct.pack(">BxxxI", 8, 42 << 8) + frame
    datagram = struct.pack(">HHHH", port, 4789, 8 + len(packet), 0) + packet
    return [frame[:ETHERNET] + ipv4(UDP, source, target, datagram)]


def in_gre(frame):
    source, target = ends_of(frame)
    return [frame[:ETHERNET] + ipv4(GRE, source, target, struct.pack(">HH", 0, IPV4) +
                                    frame[ETHERNET:])]


def over_ipv6(frame):
    """The same segment between other addresses: its checksum is wrong now."""
    size = 4 * (frame[ETHERNET] & 15)
    length = struct.unpack_from(">H", frame, ETHERNET + 2)[0] - size
    addresses = b"".join(bytes([0x20, 1, 0xd, 0xb8]) + bytes(8) + frame[at:at + 4]
                         for at in (ETHERNET + 12, ETHERNET + 16))
    segment = frame[ETHERNET + size:ETHERNET + size + length]
    return [frame[:12] + struct.pack(">HIHBB", IPV6, 6 << 28, length, TCP, 64) + addresses +
            segment]


def in_fragments(frame):
    """Over IPv6, what is longer than a few options in two pieces: only the first has the ports."""
    whole, = over_ipv6(frame)
    head, segment = whole[:ETHERNET + 40], whole[ETHERNET + 40:]
    if len(segment) < 200:
        return [whole]
    in_fragments.number += 1
    cut = 96
    pieces = (0, 1, segment[:cut]), (cut, 0, segment[cut:])
    return [head[:ETHERNET + 4] + struct.pack(">HB", 8 + len(piece), FRAGMENT) +
            head[ETHERNET + 7:] + struct.pack(">BxHI", TCP, offset | more, in_fragments.number) +
            piece for offset, more, piece in pieces]


in_fragments.number = 0


def with_errors(frame):
    """A router answers every SYN, beside the host: type 3, code 1."""
    flags = frame[ETHERNET + 4 * (frame[ETHERNET] & 15) + 13]
    if flags != 0x02:
        return [frame]
    quote = struct.pack(">BBHI", 3, 1, 0, 0) + frame[ETHERNET:ETHERNET + 28]
    error = ipv4(ICMP, ROUTER, frame[ETHERNET + 12:ETHERNET + 16], quote)
    return [frame, frame[:ETHERNET] + error]


def rewrite(path, source, change):
    """A capture (pcap, microseconds or nanoseconds, this machine's order) changed frame by frame."""
    octets = source.read_bytes()
    with open(path, "wb") as out:
        out.write(octets[:16] + struct.pack("I", 1 << 16) + octets[20:24])
        at = 24
        while at < len(octets):
            seconds, fraction, length, _ = struct.unpack_from("IIII", octets, at)
            frame = octets[at + 16:at + 16 + length]
            is_ipv4 = struct.unpack_from(">H", frame, 12)[0] == IPV4
            for frame in change(frame) if is_ipv4 else [frame]:
                out.write(struct.pack("IIII", seconds, fraction, len(frame), len(frame)) + frame)
            at += 16 + length


class Replay(load.Traffic):
    def __init__(self, path):
        self.path = path


def told(line):
    """Without what is counted over all connections and packets."""
    if isinstance(line, list):
        return [told(item) for item in line]
    if isinstance(line, str):
        return re.sub(r"packets? \d+((,| to| and) \d+)*", "packets", line)
    if not isinstance(line, dict):
        return line
    out = {"id", "conn", "packet", "first_packet", "last_packet"}
    if line.get("kind") == "anomaly":
        out |= {"time", "t"}  # of some it is the end of the capture
    line = {name: told(value) for name, value in line.items() if name not in out}
    if isinstance(line.get("anomalies"), list):  # what a router said comes a tenth of a second later
        line["anomalies"] = sorted(map(json.dumps, line["anomalies"]))
    return line


def lines_of(watch, name):
    return sorted(json.dumps(told(line)) for line in watch.of_type(name))


def check_numbers(watch, end):
    """Each connection has its id, each packet its number."""
    records = watch.of_type("connection")
    ids = sorted(line["id"] for line in records)
    lab.check("ids", ids, list(range(1, end["connections"] + 1)))
    firsts = {line["first_packet"] for line in records}
    lab.check("first packets", len(firsts), len(records))
    for line in records:
        packets = [entry["packet"] for entry in line["timeline"]]
        lab.check(f"packets of connection {line['id']} in order", packets, sorted(packets))
        assert 1 <= line["first_packet"] <= line["last_packet"] <= end["packets"], line


def check_same(one, others):
    """Of several captures that ran at the same time."""
    ends = [load.end_of(watch) for watch in (one, *others)]
    for watch, end in zip((one, *others), ends):
        check_numbers(watch, end)
    for watch, end in zip(others, ends[1:]):
        for name in "connection", "event":
            found, wanted = lines_of(watch, name), lines_of(one, name)
            lab.check(f"{name} lines", len(found), len(wanted))
            for pair in zip(found, wanted):
                lab.check(f"{name} line", *pair)
        names = set(ends[0]) - {"inputs"}
        lab.check("end", *({name: told(line[name]) for name in names} for line in (end, ends[0])))
        lab.check("packets of the input", end["inputs"][0]["packets"],
                  ends[0]["inputs"][0]["packets"])
    return ends[0]


def check_kind(host, synfin, source, change, folder):
    path = pathlib.Path(folder, "replay.pcap")
    rewrite(path, source, change)
    one, *others = (lab.Watch(host, synfin, "--events", "-j", count) for count in "123")
    sent = Replay(path).play_all(host, "--pps", "20000")
    end = check_same(one, others)
    lab.check(f"{change.__name__}: packets, dropped", (end["packets"], end["dropped"]), (sent, 0))
    print(f"{change.__name__}: {end['connections']} connections of {sent} packets")


def busy_threads(watch):
    """Nanoseconds that each thread has run, the busiest first."""
    tasks = pathlib.Path(f"/proc/{watch.process.pid}/task").iterdir()
    return sorted((int((task / "schedstat").read_text().split()[0]) for task in tasks),
                  reverse=True)


def play_load(host, synfin, traffic):
    """At top speed nothing is lost or split. Nanoseconds that the two busiest threads have run."""
    watch = lab.Watch(host, synfin, "-j", "2")
    sent = traffic.play_all(host, "--topspeed")
    watch.settle()
    first, second, *_ = busy_threads(watch)
    end = load.end_of_running(watch)
    print(f"top speed: took {end['packets']}, dropped {end['dropped']}; two threads ran "
          f"{first / 1e6:.0f} and {second / 1e6:.0f} ms")
    lab.check("packets taken and dropped", end["packets"] + end["dropped"], sent)
    check_numbers(watch, end)
    if end["dropped"] == 0:
        lab.check("connections", end["connections"], traffic.truth["connections"])
    return first, second


def check_load(host, synfin, traffic):
    """Two workers share the work. What the kernel does between sender and receiver is charged to
    the thread that it interrupts, sometimes to one of them three times its own work: another try
    tells that from a worker that does it all each time."""
    for _ in range(TRIES):
        first, second = play_load(host, synfin, traffic)
        if second > first / 4:
            return
    raise AssertionError("one worker did it all")


def check_limit(host, synfin, traffic):
    """-c counts the packets of all."""
    watch = lab.Watch(host, synfin, "-j", "3", "-c", "1000")
    player = traffic.play(host, "--pps", "20000")
    end = watch.finish()
    player.wait(lab.PATIENCE)
    lab.check("packets", [end["packets"], end["tcp_packets"]], [1000, 1000])
    check_numbers(watch, end)


def watch_outputs(host, synfin, traffic, folder, kinds, *options):
    """The lines of one watch that also writes each of `kinds` to `folder`, and how many connections
    it told."""
    for kind in kinds:
        options += "-o", f"{kind}:{folder}/{kind}"
    watch = lab.Watch(host, synfin, "-j", "2", *options)
    traffic.play_all(host, "--pps", "20000")
    count = load.end_of(watch)["connections"]
    return watch.of_type("connection"), count


def check_outputs(host, synfin, traffic):
    """Formats whose lines the workers do not print themselves; rows of zeek are chosen by --where
    in files alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o777)
        _, count = watch_outputs(host, synfin, traffic, folder, ("csv", "prom", "text"),
                                 "--where", "client.port > 0")
        rows = (folder / "csv").read_text().splitlines()
        lab.check("rows of csv", len(rows), count + 1)
        metrics = (folder / "prom").read_text()
        lab.check("records of prom", re.search(r"^synfin_records_written_total (\d+)", metrics,
                                               re.M)[1], str(count))
        assert f"{count} connections" in (folder / "text").read_text().replace(" ", " "), "text"
        connections, _ = watch_outputs(host, synfin, traffic, folder, ("zeek",))
        conns = [line for line in (folder / "zeek").read_text().splitlines() if line[0] != "#"]
        lab.check("rows of zeek", len(conns), sum(line["zeek"]["records"] for line in connections))


def test(synfin):
    lab.need("tcpreplay")
    host = lab.Lab()
    host.ip(f"link set va mtu {MTU}")
    host.ip(f"link set vb mtu {MTU}", far=True)
    with tempfile.TemporaryDirectory() as folder:
        mixed = load.Traffic(folder, "mixed", PACKETS)
        for change in (plain, in_vlan, over_ipv6, in_fragments, in_vxlan, in_gre, with_errors):
            check_kind(host, synfin, mixed.path, change, folder)
        check_limit(host, synfin, mixed)
        check_outputs(host, synfin, mixed)
        check_load(host, synfin, load.Traffic(folder, "web", load.PACKETS))


lab.run(test)
