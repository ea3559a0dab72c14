#!/usr/bin/env python3
"""Several interfaces, all of them, and one that goes away: interfaces.py SYNFIN"""
import time

import lab

NEAR_2, FAR_2 = "10.9.1.1", "10.9.1.2"  # a second link, vc to vd
PORT = 5000


def talk(host, port, address=lab.FAR):
    """A connection with ten octets each way."""
    with host.server(port, address) as server:
        near = host.connect(port, address)
        far, _ = server.accept()
    for sender, receiver in ((near, far), (far, near)):
        sender.sendall(b"x" * 10)
        receiver.recv(10)
    near.close()
    far.recv(1)
    far.close()


def check_two(host, synfin):
    """Packets of both links are numbered in the order of their times."""
    watch = lab.Watch(host, synfin, "--segments", "tcp", interfaces=("va", "vc"))
    count = 10
    for port in range(PORT, PORT + count):
        talk(host, port, lab.FAR if port % 2 else FAR_2)
        time.sleep(0.03)
    watch.settle()
    end = watch.stop()
    records = {line["id"]: line for line in watch.of_type("connection")}
    lab.check("records", [(line["server"]["ip"], line["server"]["port"], line["close"]["how"])
                          for line in records.values()],
              [(lab.FAR if port % 2 else FAR_2, port, "fin") for port in range(PORT, PORT + count)])
    times = {line["packet"]: lab.moment(records[line["conn"]]["start"]) + line["t"]
             for line in watch.of_type("segment")}
    lab.check("packets in the order of their times", sorted(times, key=times.get), sorted(times))
    lab.check("packets of each input", [line["packets"] for line in end["inputs"]],
              [end["packets"] // 2] * 2)


def check_down(host, synfin):
    """One of two links goes away: that is said at once, the other is watched on."""
    watch = lab.Watch(host, synfin, "tcp", interfaces=("va", "vc"))
    talk(host, PORT, FAR_2)
    watch.connection(PORT)
    host.ip("link set vc down")
    lab.wait_until("a complaint", lambda: "synfin: vc: " in watch.complaints())
    talk(host, PORT + 1)
    watch.connection(PORT + 1)
    end = watch.stop(code=3)
    lab.check("damaged inputs", [(line["name"], line["damaged"]) for line in end["inputs"]],
              [("va", False), ("vc", True)])
    print(watch.complaints(), end="")


def check_all_gone(host, synfin):
    """The only link goes away: what was open is reported, and synfin ends by itself."""
    watch = lab.Watch(host, synfin, "tcp", interfaces=("vc",))
    with host.server(PORT, FAR_2), host.connect(PORT, FAR_2):
        watch.settle()
        host.ip("link del vc")
        end = watch.finish(code=3)
    lab.check("what was open", [(line["server"]["port"], line["ended_by"])
                                for line in watch.of_type("connection")], [(PORT, "capture_end")])
    lab.check("connections", end["connections"], 1)
    print(watch.complaints(), end="")


def check_any(host, synfin):
    """The packets of a bridge pass its own interface and that of its port: copies."""
    host.ip("link add br0 address", lab.lladdr(lab.NEAR), "type bridge")
    host.ip("addr del", lab.NEAR + "/24 dev va")
    host.ip("link set va master br0")
    host.ip("link set br0 addrgenmode none up")
    host.ip("addr add", lab.NEAR + "/24 dev br0")
    host.ip("neigh add", lab.FAR, "lladdr", lab.lladdr(lab.FAR), "dev br0")
    watch = lab.Watch(host, synfin, "tcp", interfaces=("any",))
    talk(host, PORT)
    record = watch.connection(PORT)
    end = watch.stop()
    copies = sum(record[name]["capture_duplicates"] for name in ("client", "server"))
    packets = sum(record[name]["packets"] for name in ("client", "server"))
    lab.check("copies", [copies, packets, end["capture_duplicates"], end["packets"]],
              [packets, packets, packets, 2 * packets])
    lab.check("what went wrong", {line["name"] for line in record["anomalies"]},
              {"capture_duplicate", "bad_checksum"})  # the bridge leaves checksums to its ports


def test(synfin):
    host = lab.Lab()
    host.join("vc", "vd", NEAR_2, FAR_2)
    check_two(host, synfin)
    check_down(host, synfin)
    host.ip("link set vc up")
    host.ip("neigh replace", FAR_2, "lladdr", lab.lladdr(FAR_2), "dev vc")
    check_all_gone(host, synfin)
    check_any(host, synfin)


lab.run(test)
