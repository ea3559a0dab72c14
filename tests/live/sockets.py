#!/usr/bin/env python3
"""What real sockets did, beside what synfin said of it while it watched: sockets.py SYNFIN"""
import contextlib
import select
import socket
import struct
import threading
import time

import lab

FIRST_PORT = 5000
FAR_LEAVING = "10.9.0.3"                           # goes away during the test
NEAR_UNKNOWN, FAR_UNKNOWN = "10.9.0.5", "10.9.0.4"  # link-layer address: told by the test only


def linger_zero(sock):
    """close() then sends a RST: socket(7), SO_LINGER."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def pair(host, port):
    """A connection, near end and far end, and nothing left of the listener."""
    with host.server(port) as server:
        near = host.connect(port)
        far, _ = server.accept()
    return near, far


def receive(sock, count):
    """That many octets, or fewer when the peer closed."""
    octets = b""
    while len(octets) < count and (more := sock.recv(count - len(octets))):
        octets += more
    return len(octets)


def resent_segments(sock):
    """The kernel's own count: linux/tcp.h, tcpi_total_retrans."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return struct.unpack_from("I", info, 100)[0]


def near_closes_first(host, port):
    near, far = pair(host, port)
    near.sendall(b"x" * 300)
    receive(far, 300)
    far.sendall(b"y" * 2000)
    receive(near, 2000)
    near.close()
    receive(far, 1)
    far.close()


def far_closes_first(host, port):
    near, far = pair(host, port)
    far.sendall(b"y" * 700)
    far.close()
    receive(near, 701)
    near.close()


def half_close(host, port):
    near, far = pair(host, port)
    near.sendall(b"request")
    near.shutdown(socket.SHUT_WR)
    receive(far, 8)
    far.sendall(b"y" * 5000)
    receive(near, 5000)
    far.close()
    receive(near, 1)
    near.close()


def near_resets(host, port):
    near, far = pair(host, port)
    near.sendall(b"x" * 100)
    receive(far, 100)
    linger_zero(near)
    near.close()
    far.close()


def far_resets(host, port):
    near, far = pair(host, port)
    near.sendall(b"x" * 100)
    receive(far, 100)
    linger_zero(far)
    far.close()
    near.close()


def far_leaves_octets_unread(host, port):
    """RFC 2525 §2.17: a close() that leaves octets unread is told by a RST."""
    near, far = pair(host, port)
    near.sendall(b"x" * 100)
    receive(far, 40)
    far.close()
    near.close()


def refused(host, port):
    sock = host.socket()
    assert sock.connect_ex((lab.FAR, port)) != 0


def black_holed(host, port):
    sock = host.socket()
    sock.settimeout(2.5)  # SYNs leave in whole seconds: none is near
    assert sock.connect_ex((lab.NOBODY, port)) != 0
    return dict(resent=[resent_segments(sock), 0])


def zero_window(host, port):
    """The far end reads nothing until its buffer and then the near end's are full."""
    near, far = pair(host, port)
    near.settimeout(1)
    octets = 0
    with contextlib.suppress(TimeoutError):
        while True:
            octets += near.send(bytes(65536))
    receive(far, octets)
    resent = resent_segments(near)
    near.close()
    receive(far, 1)
    far.close()
    names = ["retransmission"] * (resent > 0) + ["window_full", "zero_window", "zero_window_probe"]
    return dict(octets=[octets, 0], resent=[resent, 0], anomalies=names)


def forget(sock):
    """close() without a word, as a machine that lost its power: tcp_repair."""
    TCP_REPAIR = 19
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    sock.close()


def keep_alive(sock, probes):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in dict(TCP_KEEPIDLE=1, TCP_KEEPINTVL=1, TCP_KEEPCNT=probes).items():
        sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def far_forgets(host, port):
    near, far = pair(host, port)
    near.sendall(b"x" * 100)
    receive(far, 100)
    forget(far)
    time.sleep(1.2)  # a machine that spoke within a second is not taken for one that began anew
    near.sendall(b"x" * 100)
    near.close()


def far_vanishes(host, port):
    with host.server(port, address=FAR_LEAVING) as server:
        near = host.connect(port, FAR_LEAVING)
        far, _ = server.accept()
    near.sendall(b"x" * 100)
    receive(far, 100)
    host.ip("addr del", FAR_LEAVING + "/32 dev vb", far=True)
    keep_alive(near, 2)
    try:
        near.recv(1)
    except TimeoutError:
        pass


def both_open(host, port):
    """Each SYN waits for the peer's link-layer address; both are on their way when it is told."""
    near, far = host.socket(), host.socket(far=True)
    near.bind((NEAR_UNKNOWN, port))
    far.bind((FAR_UNKNOWN, port))
    for sock, peer in ((near, FAR_UNKNOWN), (far, NEAR_UNKNOWN)):
        sock.setblocking(False)
        sock.connect_ex((peer, port))
    host.ip("neigh replace", FAR_UNKNOWN, "lladdr", lab.lladdr(lab.FAR), "dev va")
    host.ip("neigh replace", NEAR_UNKNOWN, "lladdr", lab.lladdr(lab.NEAR), "dev vb", far=True)
    for sock in (near, far):
        sock.settimeout(lab.PATIENCE)
        select.select([], [sock], [], lab.PATIENCE)
    far.sendall(b"y" * 50)
    receive(near, 50)
    far.close()
    receive(near, 1)
    near.close()


def again_after_reset(host, port):
    with host.server(port) as server:
        for _ in range(2):
            near = host.socket()
            near.bind((lab.NEAR, port))
            near.connect((lab.FAR, port))
            far, _ = server.accept()
            near.sendall(b"x" * 10)
            receive(far, 10)
            linger_zero(near)
            near.close()
            far.close()


def again_in_time_wait(host, port):
    with host.server(port) as server:
        for _ in range(2):
            near = host.socket()
            near.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            near.bind((lab.NEAR, port))
            near.connect((lab.FAR, port))
            far, _ = server.accept()
            far.close()
            receive(near, 1)
            near.close()


def life(open="handshake", close="fin", first=None, reset=None, states=("CLOSED", "CLOSED"),
         octets=(0, 0), resent=(0, 0), anomalies=(), ended_by="closed"):
    return dict(open=open, close=close, first=first, reset=reset, states=list(states),
                octets=list(octets), resent=list(resent), anomalies=sorted(anomalies),
                ended_by=ended_by)


def reset_by(who, kind="abort", octets=(100, 0), anomalies=("reset",), **others):
    reset = dict(by=who, kind=kind, validity="exact")
    return life(close="reset", reset=reset, octets=octets, anomalies=anomalies, **others)


CLIENT_LAST = ("CLOSED", "TIME-WAIT")
SERVER_LAST = ("TIME-WAIT", "CLOSED")

# What synfin must tell of the connections of each case.
CASES = {
    near_closes_first: [life(first="client", states=SERVER_LAST, octets=(300, 2000))],
    far_closes_first: [life(first="server", states=CLIENT_LAST, octets=(0, 700))],
    half_close: [life(first="client", states=SERVER_LAST, octets=(7, 5000),
                      anomalies=["half_closed"])],
    near_resets: [reset_by("client")],
    far_resets: [reset_by("server")],
    far_leaves_octets_unread: [reset_by("server")],
    refused: [reset_by("server", kind="refused", open="refused", octets=(0, 0),
                       anomalies=["refused"])],
    black_holed: [life(open="unanswered", close="none", states=("SYN-SENT", None),
                       anomalies=["syn_retransmitted", "unanswered"], ended_by="capture_end")],
    zero_window: [life(first="client", states=SERVER_LAST)],
    far_forgets: [reset_by("server", kind="no_connection", octets=(200, 0),
                           anomalies=["half_open"])],
    far_vanishes: [reset_by("client",
                            anomalies=["keep_alive", "keep_alive_unanswered", "reset"])],
    both_open: [life(open="simultaneous", first="server", states=CLIENT_LAST, octets=(0, 50),
                     anomalies=["simultaneous_open"])],
    again_after_reset: [reset_by("client", octets=(10, 0)),
                        reset_by("client", octets=(10, 0), anomalies=["port_reused", "reset"])],
    again_in_time_wait: [life(first="server", states=CLIENT_LAST),
                         life(first="server", states=CLIENT_LAST, anomalies=["port_reused"])],
}


def told(record):
    """A record in the words of the cases."""
    reset = record["close"]["reset"]
    ends = record["client"], record["server"]
    return life(open=record["open"]["how"], close=record["close"]["how"],
                first=record["close"]["first"],
                reset=reset and {name: reset[name] for name in ("by", "kind", "validity")},
                states=[end["state"] for end in ends],
                octets=[end["unique_bytes"] for end in ends],
                resent=[end["retransmitted_packets"] for end in ends],
                anomalies=[anomaly["name"] for anomaly in record["anomalies"]],
                ended_by=record["ended_by"])


def prepare(host):
    host.ip("addr add", FAR_LEAVING + "/32 dev vb", far=True)
    host.ip("neigh add", FAR_LEAVING, "lladdr", lab.lladdr(lab.FAR), "dev va")
    for own, name, peer, far in ((NEAR_UNKNOWN, "va", FAR_UNKNOWN, False),
                                 (FAR_UNKNOWN, "vb", NEAR_UNKNOWN, True)):
        host.ip("addr add", own + "/32 dev", name, far=far)
        host.ip("route replace", peer, "dev", name, "src", own, far=far)
        host.set(f"net/ipv4/conf/{name}/arp_ignore", 8, far=far)  # no request is answered


def play(host):
    """Plays all cases; what the kernel or the sockets say beyond the table, by port. The slow ones
    come last, at the same time.
    """
    found = {}

    def play_case(case, port):
        found[port] = case(host, port) or {}

    slow = []
    for port, case in enumerate(CASES, FIRST_PORT):
        if case in (black_holed, zero_window, far_forgets, far_vanishes):
            slow.append(threading.Thread(target=play_case, args=(case, port)))
        else:
            play_case(case, port)
    for thread in slow:
        thread.start()
    for thread in slow:
        thread.join()
    return found


def check_events(watch, record):
    """The events that were printed as they happened are those of the record at the end."""
    events = [line for line in watch.of_type("event") if line["conn"] == record["id"]]
    fields = "packet", "t", "end", "from", "to", "proved", "cause"
    states = [{name: line[name] for name in fields} for line in events
              if line["kind"] == "state"]
    lab.check(f"states of connection {record['id']}", states, record["timeline"])
    names = {line["name"] for line in events if line["kind"] == "anomaly"}
    missing = {anomaly["name"] for anomaly in record["anomalies"]} - names
    lab.check(f"anomalies of connection {record['id']} without an event", missing, set())


def test(synfin):
    host = lab.Lab()
    prepare(host)
    watch = lab.Watch(host, synfin, "--events", "tcp")
    found = play(host)
    closed = sum(map(len, CASES.values())) - 1  # one stays open
    lab.wait_until("a record of each that has closed",
                   lambda: len(watch.of_type("connection")) == closed)
    end = watch.stop()
    lab.check_schema(synfin, watch.lines)
    for port, (case, lives) in enumerate(CASES.items(), FIRST_PORT):
        records = [line for line in watch.of_type("connection") if line["server"]["port"] == port]
        lab.check(case.__name__, [told(record) for record in records],
                  [life | found[port] for life in lives])
        for record in records:
            check_events(watch, record)
    lab.check("end", [end["connections"], end["dropped"], end["packets"] - end["tcp_packets"]],
              [sum(map(len, CASES.values())), 0, 0])


lab.run(test)
