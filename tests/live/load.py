#!/usr/bin/env python3
"""Many packets at once, and signals meanwhile: load.py SYNFIN GENERATE

What the kernel hands out and what it drops is what was sent; where nothing is dropped, synfin tells
what the generator wrote; tcpdump beside it takes no more.
"""
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import lab

PACKETS = 200000


class Traffic:
    """A capture of made-up traffic and what is in it. No host answers its addresses."""

    def __init__(self, folder, mix, packets):
        self.path, truth = pathlib.Path(folder, mix + ".pcap"), pathlib.Path(folder, mix + ".json")
        subprocess.run([sys.argv[2], mix, str(packets), self.path, truth], check=True)
        self.truth = json.loads(truth.read_text())

    def play(self, host, *options):
        return host.start("tcpreplay", "-K", *options, "-i", "vb", self.path, far=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def play_all(self, host, *options):
        """The number of packets sent."""
        process = self.play(host, *options)
        text, _ = process.communicate(timeout=lab.PATIENCE)
        lab.check(f"tcpreplay ({text})", process.returncode, 0)
        rate = re.search(r"([\d.]+) pps", text)[1]
        print(f"{self.path.stem}: {rate} packets a second")
        return int(re.search(r"Successful packets:\s+(\d+)", text)[1])


class Tcpdump:
    """It drops rights that nobody has in a user namespace: only where the test is real root."""

    def __init__(self, host):
        self.process = host.start("tcpdump", "-i", "va", "-n", "-w", "-", "-Z", "root", text=True,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.process.stderr.readline()  # "listening on va": capture has begun

    def stop(self):
        """Packets (taken, dropped)."""
        self.process.send_signal(signal.SIGINT)
        _, text = self.process.communicate(timeout=lab.PATIENCE)
        return tuple(int(re.search(rf"(\d+) packets? {what}", text)[1])
                     for what in ("captured", "dropped by kernel"))


def end_of(watch):
    """Ends the capture when all has come; the end line, when status and complaints are right."""
    watch.settle()
    return end_of_running(watch)


def end_of_running(watch):
    watch.process.send_signal(signal.SIGTERM)
    watch.process.wait(lab.PATIENCE)
    end = watch.finish(code=watch.process.returncode)
    lab.check("exit status", watch.process.returncode, 3 if end["dropped"] else 0)
    lab.check("dropped packets are told", "were dropped" in watch.complaints(), end["dropped"] > 0)
    return end


def check_top_speed(host, synfin, traffic):
    watch = lab.Watch(host, synfin)
    tcpdump = Tcpdump(host) if host.is_root else None
    sent = traffic.play_all(host, "--topspeed")
    end = end_of(watch)
    print(f"synfin took {end['packets']}, dropped {end['dropped']}")
    lab.check("packets taken and dropped", end["packets"] + end["dropped"], sent)
    if tcpdump:
        taken, dropped = tcpdump.stop()
        print(f"tcpdump took {taken}, dropped {dropped}")
        assert end["dropped"] <= dropped, "tcpdump dropped fewer"
    if end["dropped"] == 0:
        told = {"packets": end["tcp_packets"], "connections": end["connections"]}
        for name in ("open_how", "close_how"):
            told[name] = {key: count for key, count in end[name].items() if count > 0}
            traffic.truth[name] = {k: n for k, n in traffic.truth[name].items() if n > 0}
        lab.check("what was played", told, {name: traffic.truth[name] for name in told})
    lab.check("records", len(watch.of_type("connection")), end["connections"])


def check_drops(host, synfin, traffic):
    """A reader that sleeps while its ring overflows."""
    watch = lab.Watch(host, synfin, "-B", "1")
    watch.process.send_signal(signal.SIGSTOP)
    sent = traffic.play_all(host, "--topspeed")
    watch.process.send_signal(signal.SIGCONT)
    end = end_of(watch)
    print(f"after a sleep: took {end['packets']}, dropped {end['dropped']}")
    assert end["dropped"] > 0, "the ring did not overflow"
    lab.check("packets taken and dropped", end["packets"] + end["dropped"], sent)
    told = {line["capture"]["dropped_during"] for line in watch.of_type("connection")
            if line["ended_by"] == "capture_end"}
    lab.check("drops told with connections that were open", told, {end["dropped"]})


def statistics_of(watch):
    """The number of packets in each statistics line."""
    lines = re.findall(r"^synfin: (\d+) packets, ", watch.complaints(), re.M)
    return [int(count) for count in lines]


def check_signals(host, synfin, traffic):
    """USR1 prints a line and nothing else happens; TERM under load ends with a whole end line."""
    watch = lab.Watch(host, synfin, "--events")
    player = traffic.play(host, "--pps", "10000", "--loop", "100")
    for count in (1, 2):
        watch.wait("records", lambda line: line["type"] == "connection" and line["id"] > 50 * count)
        watch.process.send_signal(signal.SIGUSR1)
        lab.wait_until("a statistics line", lambda: len(statistics_of(watch)) == count)
    counts = statistics_of(watch)
    end = end_of_running(watch)
    player.kill()
    lab.check("records", len(watch.of_type("connection")), end["connections"])
    assert 0 < counts[0] < counts[1] <= end["packets"], (counts, end["packets"])


def check_last_packets(host, synfin, traffic):
    """TERM comes when the kernel still holds what was sent: it is read before the end."""
    for _ in range(3):
        watch = lab.Watch(host, synfin)
        sent = traffic.play_all(host, "--pps", "20000", "--limit", "1000")
        end = end_of_running(watch)
        lab.check("packets before TERM", end["packets"] + end["dropped"], sent)


def test(synfin):
    lab.need("tcpreplay", "tcpdump")
    host = lab.Lab()
    with tempfile.TemporaryDirectory() as folder:
        web = Traffic(folder, "web", PACKETS)
        check_top_speed(host, synfin, web)
        check_drops(host, synfin, web)
        check_signals(host, synfin, web)
        check_last_packets(host, synfin, web)


if __name__ == "__main__":
    lab.run(test)
