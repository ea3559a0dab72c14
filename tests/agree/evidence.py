"""An end's figures recomputed from tshark's view of its packets by the words of the contract: where
they equal synfin's and tcptrace differs, the difference is one of definition."""
import decimal

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
RESENT = {"retransmission", "fast_retransmission", "spurious_retransmission"}
# A longer stream is not told octet by octet.
LONGEST = 1 << 22


def ahead(to, since):
    """How far one sequence number lies after another, RFC 9293 §3.4; negative when before."""
    return (to - since + 0x80000000) % 0x100000000 - 0x80000000


class Evidence:
    """The packets of one connection, capture duplicates left out."""

    def __init__(self, record, segments, packets):
        self.record = record
        self.pairs = {}
        seen = (packets.get(segment["packet"]) for segment in segments
                if "capture_duplicate" not in segment["labels"])
        self.packets = [(self.sender(packet), packet) for packet in seen if packet]
        self.duplicated = any(record[end]["capture_duplicates"] for end in ("client", "server"))

    def sender(self, packet):
        """By address: `from` of a segment line may have been written before the roles were known."""
        client = (self.record["client"]["ip"], self.record["client"]["port"])
        return "client" if packet.ends[0] == client else "server"

    def of(self, end):
        return [packet for sender, packet in self.packets if sender == end]

    def rule_for(self, end, pairs):
        """The function that names the rule behind a difference at this end, or None; pairs is
        [(field, theirs, ours)] of the end."""
        self.pairs[end] = {field: (theirs, ours) for field, theirs, ours in pairs}
        peer = "server" if end == "client" else "client"

        def rule_of(field, theirs, ours):
            for name, holds in RULES.get(field, ()):
                if holds(self, end, peer, theirs, ours):
                    return name
            if not any(p.seq for _, p in self.packets):
                return "zero_numbers"
            if self.duplicated and field not in ALWAYS:
                return "capture_duplicates"
            if initial_numbers(self, end) > 1 or initial_numbers(self, peer) > 1:
                return "second_isn"
            return None
        return rule_of


def in_flight_max(self, end):
    """Most payload octets sent and not yet acknowledged."""
    if not any(sender != end and p.flags & ACK for sender, p in self.packets):
        return None
    highest = acked = None
    most = 0
    for sender, p in self.packets:
        if sender == end and p.length and not p.flags & RST:
            last = p.seq + p.length + bool(p.flags & SYN)
            if highest is None or ahead(last, highest) > 0:
                highest = last % 2**32
            if acked is None:
                acked = (p.seq + bool(p.flags & SYN)) % 2**32
            most = max(most, ahead(highest, acked))
        elif sender != end and p.flags & ACK:
            if acked is None or ahead(p.ack, acked) > 0:
                acked = p.ack
    return most


def idle_max(self, end):
    times = [p.time for p in self.of(end)]
    return max((b - a for a, b in zip(times, times[1:])), default=None)


def duplicate_acks(self, end):
    """RFC 5681 §2: no data, no SYN or FIN, the acknowledgement and window of the packet before,
    while the peer has octets outstanding; answers to probes are none."""
    last = sent = None
    count, probed = 0, False
    for sender, p in self.packets:
        if sender != end:
            probed = is_probe(p)
            top = (p.seq + p.length + bool(p.flags & SYN) + bool(p.flags & FIN)) % 2**32
            if not p.flags & RST and (sent is None or ahead(top, sent) > 0):
                sent = top
            continue
        plain = p.flags & ACK and not p.length and not p.flags & (SYN | FIN | RST)
        if (plain and not probed and last and p.ack == last.ack and p.raw_window == last.raw_window
                and not last.flags & SYN and sent is not None and ahead(sent, p.ack) > 0):
            count += 1
        if p.flags & ACK and not p.flags & RST and (last is None or ahead(p.ack, last.ack) >= 0):
            last = p
    return count


def round_trips(self, end):
    """Of the segment that an ACK ends at, when neither it nor an earlier octet was sent later:
    then the ACK may have waited (Karn; RFC 6298 §3). RST acknowledges nothing."""
    sent, samples = [], []  # [begin, end, time, sent again?] of what is not acknowledged
    acked = None
    for sender, p in self.packets:
        length = p.length + bool(p.flags & SYN) + bool(p.flags & FIN)
        if sender == end and length and not p.flags & RST:
            last = (p.seq + length) % 2**32
            if acked is not None and ahead(last, acked) <= 0:
                continue
            again = bool(p.labels & (RESENT | {"out_of_order"}))  # it fills a hole
            for other in sent:
                if ahead(last, other[0]) > 0 and ahead(other[1], p.seq) > 0:
                    other[3] = again = True
            sent.append([p.seq, last, p.time, again])
        elif sender != end and p.flags & ACK and not p.flags & RST:
            if acked is not None and ahead(p.ack, acked) <= 0:
                continue
            acked = p.ack
            covered = [other for other in sent if ahead(other[1], p.ack) <= 0]
            sent = [other for other in sent if ahead(other[1], p.ack) > 0]
            exact = [other for other in covered if other[1] == p.ack]
            if len(exact) == 1 and not exact[0][3] and all(
                    other[2] <= exact[0][2] and not (other[3] and other[2] > exact[0][2])
                    for other in covered) and covered[-1] is exact[0]:
                samples.append(p.time - exact[0][2])
    return samples


def spread(samples):
    if len(samples) < 2:
        return decimal.Decimal(0)
    mean = sum(samples) / len(samples)
    return (sum((x - mean) ** 2 for x in samples) / (len(samples) - 1)).sqrt()


def figures(samples):
    """What the record says of such samples, in milliseconds."""
    if not samples:
        return {"samples": 0}
    return {"samples": len(samples), "min": min(samples) * 1000, "max": max(samples) * 1000,
            "avg": sum(samples) * 1000 / len(samples), "stdev": spread(samples) * 1000}


def rtt_is_ours(name):
    def holds(self, end, peer, theirs, ours):
        value = figures(round_trips(self, end)).get(name)
        return value == ours if value is None or name == "samples" else close(value, ours)
    return holds


def is_probe(p):
    """A keep-alive or a probe of a closed window, by tshark: its octet is no payload."""
    return p.length <= 1 and bool(p.labels & {"keep_alive", "zero_window_probe"})


def data_lengths(self, end):
    return [p.length for p in self.of(end)
            if p.length and not p.flags & RST and not is_probe(p)]


def windows(self, end):
    return [p.window for p in self.of(end) if p.flags & (ACK | SYN) and not p.flags & RST]


def count(self, end, flag):
    return sum(bool(p.flags & flag) for p in self.of(end))


def probes_of_closed_window(self, end):
    """Linux probes with an empty segment below SND.NXT, which tshark calls keep-alive."""
    closed, probes = False, 0
    for sender, p in self.packets:
        if sender == end:
            probes += closed and is_probe(p)
        elif p.flags & ACK and not p.flags & RST:
            closed = p.raw_window == 0
    return probes


def initial_window(self, end):
    """Octets sent, repeats left out, before the peer acknowledged any."""
    first, sent = None, set()
    for sender, p in self.packets:
        if sender == end and not p.flags & RST and not is_probe(p):
            begin = p.seq + bool(p.flags & SYN)
            if first is None and not p.flags & SYN:
                return None
            first = begin if first is None or p.flags & SYN else first
            sent.update(range(ahead(begin, first), ahead(begin, first) + p.length))
        elif sender != end and p.flags & ACK and first is not None and ahead(p.ack, first) > 0:
            break
    return len(sent)


def stream(self, end):
    """(octets from the SYN to the highest sent, those below the peer's highest acknowledgement that
    no packet carried), or None."""
    syns = [p for p in self.of(end) if p.flags & SYN]
    if not syns:
        return None
    first = (syns[-1].seq + 1) % 2**32
    spans = [(ahead(p.seq + bool(p.flags & SYN), first), p.length) for p in self.of(end)
             if not p.flags & RST and not is_probe(p)]
    acked = max((ahead(p.ack, first) for sender, p in self.packets
                 if sender != end and p.flags & ACK and not p.flags & RST), default=0)
    fins = {begin + length for (begin, length), p in zip(spans, [
        p for p in self.of(end) if not p.flags & RST and not is_probe(p)]) if p.flags & FIN}
    top = max((begin + length for begin, length in spans), default=0)
    if not 0 <= top < LONGEST or acked > LONGEST:
        return None
    held = {octet for begin, length in spans for octet in range(begin, begin + length)}
    return top, sum(octet not in held and octet not in fins for octet in range(acked))


def stream_octets(self, end):
    return (stream(self, end) or (None, None))[0]


def missing_octets(self, end):
    return (stream(self, end) or (None, None))[1]


def repeated_controls(self, end):
    """Repeated SYN and FIN: octets for tcptrace."""
    return sum(max(0, count(self, end, flag) - 1) for flag in (SYN, FIN))


def initial_numbers(self, end):
    return len({p.seq for p in self.of(end) if p.flags & SYN})


def close(a, b):
    return a is not None and b is not None and abs(a - b) < decimal.Decimal("0.001")


def recomputed(name, value_of):
    """The rule that holds where value_of(evidence, end, peer) is synfin's value."""
    def holds(self, end, peer, theirs, ours):
        value = value_of(self, end, peer)
        return value == ours or (isinstance(value, decimal.Decimal) and close(value, ours))
    return name, holds


def resent(self, end):
    """Segments that tshark too takes for sent again, by time."""
    return [p for p in self.of(end) if p.labels & RESENT and not is_probe(p)]


def empty_ahead(self, end, peer, theirs, ours):
    """A bare acknowledgement beyond the last octet seen proves that octets were sent before."""
    return any("lost_segment" in p.labels and not p.length for p in self.of(end))


def rtt_figure(name):
    return lambda s, e, p: figures(round_trips(s, e)).get(name)


def truncated_average(self, end, peer, theirs, ours):
    octets, packets = (self.record[end][k] for k in ("payload_bytes", "data_packets"))
    return (packets and int(octets / (packets + 0.001)) == theirs.value
            and abs(decimal.Decimal(octets) / packets - ours) < decimal.Decimal("0.01"))


def less_probes(self, end, peer, theirs, ours):
    """The record's own octets and packets, which leave probes and the payload of RST out."""
    octets, packets = (self.record[end][k] for k in ("payload_bytes", "data_packets"))
    left_out = any(is_probe(p) or p.flags & RST for p in self.of(end))
    return left_out and (ours is None if not packets else
                         abs(decimal.Decimal(octets) / packets - ours) < decimal.Decimal("0.01"))


def at_most_more(name, bound):
    """The rule that holds where tcptrace counts up to bound(evidence, end) more."""
    return name, lambda self, end, peer, theirs, ours: 0 < theirs - (ours or 0) <= bound(self, end)


def late_or_resent(self, end, peer, theirs, ours):
    """The same segments: tcptrace takes for late what we take for sent again, or the reverse."""
    resent, late = (self.pairs[end][f] for f in ("retransmitted_packets", "out_of_order_packets"))
    return resent[0] + late[0] == resent[1] + late[1] and resent[0] != resent[1]


CONTROL = at_most_more("control_octets", repeated_controls)
PROBES = at_most_more("probes", lambda s, e: sum(is_probe(p) for p in s.of(e)))
RST_COUNTS = ("rst_counts", lambda s, e, p, theirs, ours:
              s.record[e]["rsts"] and theirs == (ours or 0) + 1)
RST_DATA = at_most_more("probes", lambda s, e: sum(
    p.length for p in s.of(e) if p.flags & RST))
CROSSING = ("crossing_syns", lambda s, e, p, theirs, ours:
            s.record["open"]["how"] in ("simultaneous", "split") and theirs == ours + 1)
CROSSING_RTT = ("crossing_syns", lambda s, e, p, theirs, ours:
                s.record["open"]["how"] in ("simultaneous", "split"))
BY_TIME = ("by_time", late_or_resent)
AHEAD = ("ack_ahead", empty_ahead)
LOST = ("capture_loss", lambda s, e, p, theirs, ours: s.record[e]["missing_bytes"] > 0)
BACKWARDS = ("clock", lambda s, e, p, theirs, ours: any(
    b.time < a.time for (_, a), (_, b) in zip(s.packets, s.packets[1:])))

# Not touched by packets that the tap saw twice.
ALWAYS = {"mss", "window_scale"}

RULES = {
    "mss": [("mss_sign", lambda s, e, p, theirs, ours: ours is not None and ours > 0x7fff)],
    "window_scale": [("scale_announced", lambda s, e, p, theirs, ours:
                      theirs == 0 and s.record[p]["window_scale"] is None),
                     ("last_syn", lambda s, e, p, theirs, ours:
                      ours is None and count(s, e, SYN) > 1)],
    "data_packets": [recomputed("probes", lambda s, e, p: len(data_lengths(s, e))), PROBES],
    "payload_bytes": [recomputed("probes", lambda s, e, p: sum(data_lengths(s, e))), PROBES],
    "segment.max": [recomputed("probes", lambda s, e, p: max(data_lengths(s, e), default=None))],
    "segment.min": [recomputed("probes", lambda s, e, p: min(data_lengths(s, e), default=None))],
    "segment.avg": [("truncated_average", truncated_average),
                    ("probes", less_probes)],
    "unique_bytes": [CONTROL, PROBES, RST_DATA],
    "retransmitted_bytes": [
        CONTROL, PROBES, BY_TIME,
        recomputed("by_time", lambda s, e, p: sum(packet.length for packet in resent(s, e))), AHEAD],
    "retransmitted_packets": [
        CROSSING, BY_TIME, PROBES, recomputed("by_time", lambda s, e, p: len(resent(s, e))), AHEAD],
    "out_of_order_packets": [BY_TIME, AHEAD],
    "pushes": [recomputed("empty_pushes", lambda s, e, p: count(s, e, PSH))],
    "urgents": [recomputed("empty_pushes", lambda s, e, p: count(s, e, URG))],
    "window.min": [recomputed("zeros_count", lambda s, e, p: min(windows(s, e), default=None))],
    "window.max": [recomputed("zeros_count", lambda s, e, p: max(windows(s, e), default=None))],
    "zero_window_probes": [recomputed("empty_probes",
                                      lambda s, e, p: probes_of_closed_window(s, e))],
    "in_flight_max": [
        ("owin_plus_one", lambda s, e, p, theirs, ours: theirs == (ours or 0) + 1),
        recomputed("in_flight_payload", lambda s, e, p: in_flight_max(s, e))],
    "idle_max": [recomputed("idle_to_file_end", lambda s, e, p: (
        None if idle_max(s, e) is None else idle_max(s, e) * 1000))],
    "stream_bytes": [RST_COUNTS, recomputed("stream", lambda s, e, p: stream_octets(s, e))],
    "missing_bytes": [RST_COUNTS, recomputed("stream", lambda s, e, p: missing_octets(s, e))],
    "initial_window_bytes": [
        ("midstream", lambda s, e, p, theirs, ours: ours is None and s.record[e]["isn"] is None),
        recomputed("initial_octets", lambda s, e, p: initial_window(s, e))],
    **{f"rtt.{name}": [recomputed("round_trips", rtt_figure(name)), CROSSING_RTT, LOST,
                        BACKWARDS]
       for name in ("samples", "min", "max", "avg", "stdev")},
    "duplicate_acks": [recomputed("rfc5681", lambda s, e, p: duplicate_acks(s, p))],
}
