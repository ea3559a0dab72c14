#!/usr/bin/env python3
"""How soon lines come: an event within 200 ms of its packet, a connection within 1 s of its close,
interim records while it is open; what comes after its record is counted; -c ends with its last
packet: prompt.py SYNFIN"""
import random
import socket
import statistics
import time

import lab

EVENT_LIMIT, RECORD_LIMIT = 0.2, 1.0  # seconds
ATTEMPTS = 3  # other work on the machine may hold up a line; then all is measured again
PORT = 5000
ETH_P_ALL, PACKET_OUTGOING = 3, 4  # linux/if_ether.h, linux/if_packet.h


def talk(host, count, port):
    """Connections whose packets come at all distances from the moments at which a ring is read."""
    pauses = random.Random(port)
    with host.server(port) as server:
        for _ in range(count):
            near = host.connect(port)
            far, _ = server.accept()
            for sender, receiver in ((near, far), (far, near), (near, far)):
                sender.sendall(b"x" * 10)
                receiver.recv(10)
                time.sleep(pauses.uniform(0, 0.06))
            near.close()
            time.sleep(pauses.uniform(0, 0.06))
            far.close()


def delays(watch, port):
    """Seconds from packet to line of the events, and from close to line of the connections."""
    offset = time.time() - time.monotonic()  # packets are stamped by the clock of the day
    records = {line["id"]: line for line in watch.of_type("connection")
               if line["server"]["port"] == port}
    events, closes = [], []
    for line, arrival in zip(watch.lines, watch.arrivals):
        record = records.get(line.get("conn", line.get("id")))
        if record and line["type"] == "event":
            events.append(arrival + offset - lab.moment(record["start"]) - line["t"])
        elif record and line["type"] == "connection":
            closes.append(arrival + offset - lab.moment(line["end"]))
    return events, closes


def measure(host, watch, port, connections):
    talk(host, connections, port)
    lab.wait_until("all records", lambda: sum(lab.is_of_port(line, port) for line in
                                              list(watch.lines)) == connections)
    events, closes = delays(watch, port)
    assert len(events) >= 8 * connections and min(events) >= 0, (len(events), min(events))
    for what, values in (("event", events), ("connection", closes)):
        print(f"{what} lines: {len(values)}, median {1e3 * statistics.median(values):.0f} ms, "
              f"latest {1e3 * max(values):.0f} ms")
    return max(events) <= EVENT_LIMIT and max(closes) <= RECORD_LIMIT


def check_interim(host, watch):
    """What is open gets a line each second, of what is known by then."""
    with host.server(PORT) as server:
        near = host.connect(PORT)
        far, _ = server.accept()

    def updates():
        return [line for line in list(watch.lines) if line["type"] == "connection.update"]

    for count in (1, 2):
        near.sendall(b"x" * 100)
        far.recv(100)
        lab.wait_until(f"interim record {count}", lambda: len(updates()) == count)
    time.sleep(1.5)  # silence has no interim record
    near.close()
    far.close()
    record = watch.connection(PORT)
    for line in updates():
        lab.check("fields of an interim record", line.keys(), record.keys())
    told = [(line["id"], line["ended_by"], line["close"]["how"], line["client"]["state"],
             line["client"]["unique_bytes"]) for line in [*updates(), record]]
    lab.check("interim records and the last", told,
              [(record["id"], None, "none", "ESTABLISHED", 100),
               (record["id"], None, "none", "ESTABLISHED", 200),
               (record["id"], "closed", "fin", "TIME-WAIT", 200)])


class Tap:
    """The frames of an interface at the far end, and frames put there."""

    def __init__(self, host, name):
        with host.place(far=True):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.sock.bind((name, ETH_P_ALL))
        self.sock.settimeout(1)

    def last_sent(self):
        last = None
        try:
            while True:
                frame, address = self.sock.recvfrom(1 << 16)
                last = frame if address[2] == PACKET_OUTGOING else last
        except TimeoutError:
            return last


def check_late(host, watch, count):
    """Segments after the record: counted at the end, and in no second record."""
    tap = Tap(host, "vb")
    talk(host, 1, PORT + 1)
    record = watch.connection(PORT + 1)
    frame = tap.last_sent()
    nobody = bytes.fromhex("020000000099")  # for the tap only, the hosts answer nothing
    for _ in range(count):
        tap.sock.send(nobody + frame[6:])
    watch.settle()
    return record


def check_count(host, synfin, port):
    """No packet follows the third until synfin has ended."""
    watch = lab.Watch(host, synfin, "-c", "3", "tcp")
    with host.server(port) as server:
        near = host.connect(port)
        far, _ = server.accept()
        end = watch.finish()
        lab.check("packets of -c 3", end["packets"], 3)
        near.close()
        far.close()


def test(synfin):
    host = lab.Lab()
    watch = lab.Watch(host, synfin, "--events", "--update-interval", "1", "tcp")
    check_interim(host, watch)
    check_late(host, watch, 3)
    ports = range(PORT + 2, PORT + 2 + ATTEMPTS)
    assert any(measure(host, watch, port, 20) for port in ports), "too late"
    end = watch.stop()
    lab.check_schema(synfin, watch.lines)
    records = watch.of_type("connection")
    lab.check("records, late segments", [len(records), end["late_segments"]],
              [end["connections"], 3])
    lab.check("records of a connection", len({line["id"] for line in records}), len(records))
    check_count(host, synfin, PORT + 2 + ATTEMPTS)


lab.run(test)
