"""Why a figure of an end is not tcptrace's. Both are recomputed packet by packet: synfin's by the
words of the contract from tshark's view of the packets, tcptrace's by its own rules
(as_tcptrace.py). Where both come out as printed, the difference is one of definition."""
import bisect
import decimal

import as_tcptrace
import tools

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
BITS = {"F": FIN, "S": SYN, "R": RST, "P": PSH, ".": ACK, "U": URG}
ENDS = ("client", "server")
RESENT = {"retransmission", "fast_retransmission", "spurious_retransmission"}


def other(end):
    return ENDS[1 - ENDS.index(end)]


def ahead(to, since):
    """How far one sequence number lies after another, RFC 9293 §3.4; negative when before."""
    return (to - since + 0x80000000) % 0x100000000 - 0x80000000


def controls(p):
    """Sequence numbers of SYN and FIN."""
    return bool(p.flags & SYN) + bool(p.flags & FIN)


def is_probe(p):
    """A keep-alive or a probe of a closed window, by tshark: its octet is no payload. An octet not
    yet acknowledged is no keep-alive's (RFC 9293 §3.8.4)."""
    return (p.length <= 1 and bool(p.labels & {"keep_alive", "zero_window_probe"})
            and "retransmission" not in p.own_labels)


class Anchors:
    """What the number 0 of each end is: its latest SYN's, or what its first packet says."""

    def __init__(self, lines, senders, packets):
        self.numbers = {}
        for line, sender in zip(lines, senders):
            packet = packets.get(line["packet"])
            if packet:
                self.learn(sender, packet.seq, line["seq"])
                self.learn(other(sender), packet.ack, line["ack"])

    def learn(self, end, number, relative):
        if relative is not None:
            self.numbers.setdefault(end, (number - relative) % 2**32)

    def take_syn(self, end, line, packet):
        if packet and "S" in line["flags"] and line["seq"] == 0:
            self.numbers[end] = packet.seq

    def number(self, end, relative):
        return (self.numbers.get(end, 0) + (relative or 0)) % 2**32


class Octets:
    """Octets of a stream: disjoint [begin, end), sorted."""

    def __init__(self):
        self.begins, self.ends = [], []

    def add(self, begin, end):
        """How many of [begin, end) are new."""
        low = bisect.bisect_left(self.ends, begin)
        high = bisect.bisect_right(self.begins, end)
        known = sum(max(0, min(end, self.ends[i]) - max(begin, self.begins[i]))
                    for i in range(low, high))
        if low < high:
            first, last = min(begin, self.begins[low]), max(end, self.ends[high - 1])
        else:
            first, last = begin, end
        self.begins[low:high], self.ends[low:high] = [first], [last]
        return end - begin - known

    def below(self, edge):
        """How many of them lie before the edge."""
        return sum(min(end, edge) - begin
                   for begin, end in zip(self.begins, self.ends) if begin < edge)


class Segment:
    """One of synfin's segment lines, its numbers made absolute; labels are tshark's."""

    def __init__(self, line, sender, ends, time, seq, ack, labels):
        self.number, self.source, self.target = line["packet"], ends[sender], ends[other(sender)]
        self.sender, self.time, self.seq, self.ack = sender, time, seq, ack
        self.flags = sum(bit for letter, bit in BITS.items() if letter in line["flags"])
        self.length, self.window = line["len"], line["window"]
        self.labels, self.own_labels = labels, set(line["labels"])


class Evidence:
    """The segments of one connection; `seen` are those that are no capture duplicates."""

    def __init__(self, record, lines, packets, file_end):
        self.record, self.file_end = record, file_end
        self.pairs = {}
        senders = [self.sender(line, packets) for line in lines]
        anchors = Anchors(lines, senders, packets)
        start = tools.seconds(record["start"])
        ends = {end: (record[end]["ip"], record[end]["port"]) for end in ENDS}
        self.everything = everything = []
        for line, sender in zip(lines, senders):
            packet = packets.get(line["packet"])
            anchors.take_syn(sender, line, packet)
            everything.append(Segment(
                line, sender, ends, packet.time if packet else start + line["t"], anchors.number(sender, line["seq"]),
                anchors.number(other(sender), line["ack"]),
                packet.labels if packet else set(line["wireshark"])))
        self.seen = [p for p in everything if "capture_duplicate" not in p.own_labels]
        self.duplicated = len(self.seen) < len(everything)
        self.replay = as_tcptrace.Replay(
            everything, {end: record[end]["window_scale"] for end in ENDS})

    def sender(self, line, packets):
        """By address: `from` of a line may have been written before the roles were known."""
        source = packets[line["packet"]].ends[0] if line["packet"] in packets else None
        ends = {(self.record[end]["ip"], self.record[end]["port"]): end for end in reversed(ENDS)}
        return ends.get(source, line["from"])

    def of(self, end):
        return [p for p in self.seen if p.sender == end]

    def base(self, end):
        """The number of the end's first octet; None when it sent none."""
        packets = self.of(end)
        syns = [(p.seq + 1) % 2**32 for p in packets if p.flags & SYN and not p.flags & RST]
        return syns[-1] if syns else next((p.seq for p in packets if not p.flags & RST), None)

    def converted(self, end, field, theirs, ours):
        """The name of the conversion between the two definitions, where tcptrace's rules give its
        value and the contract's give ours; else None."""
        if field not in CONVERSIONS:
            return None
        name, own = CONVERSIONS[field]
        if field == "mss":
            value = as_tcptrace.announced_mss(ours)
        elif field == "idle_max":
            value = self.replay.idle(end, self.file_end)
        else:
            value = self.replay.figures(end)[field]
        return name if theirs == value and same(own(self, end), ours) else None

    def rule_for(self, end, pairs):
        """The function that names the conversion or the rule behind a difference at this end, or
        None; pairs is [(field, theirs, ours)] of the end."""
        self.pairs[end] = {field: (theirs, ours) for field, theirs, ours in pairs}

        def rule_of(field, theirs, ours):
            name = self.converted(end, field, theirs, ours)
            if name:
                return "=" + name
            for name, holds in RULES.get(field, ()):
                if holds(self, end, theirs, ours):
                    return name
            if self.duplicated and field not in ALWAYS:
                return "capture_duplicates"
            if any(initial_numbers(self, each) > 1 for each in ENDS):
                return "second_isn"
            return None
        return rule_of


def same(a, b):
    if isinstance(a, decimal.Decimal) and b is not None:
        return abs(a - b) < decimal.Decimal("0.001")
    return a == b


# --- synfin's figures -----------------------------------------------------------------------------


def in_flight_max(self, end):
    """Most payload octets sent and not yet acknowledged; null without a packet of the peer."""
    if not self.of(other(end)) or not self.of(end):
        return None
    highest = acked = None
    most = 0
    for p in self.seen:
        if p.flags & RST:
            continue
        if p.sender == end:
            begin = (p.seq + bool(p.flags & SYN)) % 2**32
            if acked is None or p.flags & SYN and ahead(begin, acked) > 0:
                acked = begin
            last = (begin + p.length) % 2**32
            if not is_probe(p) and (highest is None or ahead(last, highest) > 0):
                highest = last
            if p.length and not is_probe(p):
                most = max(most, ahead(highest, acked))
        elif p.flags & ACK and (acked is None or ahead(p.ack, acked) > 0):
            acked = p.ack
            if highest is not None and ahead(acked, highest) > 1:
                highest = acked
    return most


def idle_max(self, end):
    times = [p.time for p in self.of(end)]
    gaps = [max(b - a, 0) for a, b in zip(times, times[1:])]
    return max(gaps) * 1000 if gaps else None


def duplicate_acks(self, peer):
    """RFC 5681 §2: no data, no SYN or FIN, the acknowledgement and window of the packet before,
    while the peer has octets outstanding; answers to probes are none."""
    end = other(peer)
    last = sent = None
    count, probed = 0, False
    for p in self.seen:
        if p.sender != end:
            probed = is_probe(p)
            top = (p.seq + p.length + controls(p)) % 2**32
            if not p.flags & RST and (sent is None or ahead(top, sent) > 0):
                sent = top
            continue
        plain = p.flags & ACK and not p.length and not p.flags & (SYN | FIN | RST)
        if (plain and not probed and last and p.ack == last.ack and p.window == last.window
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
    for p in self.seen:
        length = p.length + controls(p)
        if p.sender == end and length and not p.flags & RST:
            last = (p.seq + length) % 2**32
            if acked is not None and ahead(last, acked) <= 0:
                continue
            again = bool(p.labels & (RESENT | {"out_of_order"}))  # it fills a hole
            for piece in sent:
                if ahead(last, piece[0]) > 0 and ahead(piece[1], p.seq) > 0:
                    piece[3] = again = True
            sent.append([p.seq, last, p.time, again])
        elif p.sender != end and p.flags & ACK and not p.flags & RST:
            if acked is not None and ahead(p.ack, acked) <= 0:
                continue
            acked = p.ack
            covered = [piece for piece in sent if ahead(piece[1], p.ack) <= 0]
            sent = [piece for piece in sent if ahead(piece[1], p.ack) > 0]
            exact = [piece for piece in covered if piece[1] == p.ack]
            if len(exact) == 1 and not exact[0][3] and all(
                    piece[2] <= exact[0][2] for piece in covered) and covered[-1] is exact[0]:
                samples.append(p.time - exact[0][2])
    return samples


def spread(samples):
    if len(samples) < 2:
        return decimal.Decimal(0)
    mean = sum(samples) / len(samples)
    return (sum((x - mean) ** 2 for x in samples) / (len(samples) - 1)).sqrt()


def round_trip(name):
    """What the record says of such samples, in milliseconds."""
    def figure(self, end):
        samples = round_trips(self, end)
        if name == "samples" or not samples:
            return len(samples) if name == "samples" else None
        return {"min": min(samples), "max": max(samples), "avg": sum(samples) / len(samples),
                "stdev": spread(samples)}[name] * 1000
    return figure


def data_lengths(self, end):
    return [p.length for p in self.of(end)
            if p.length and not p.flags & RST and not is_probe(p)]


def of_lengths(figure):
    def value(self, end):
        lengths = data_lengths(self, end)
        return figure(lengths) if lengths else None
    return value


def windows(self, end):
    """Those of SYNs only as long as no scaled one came."""
    packets = [p for p in self.of(end) if p.flags & (ACK | SYN) and not p.flags & RST]
    if None not in (self.record[each]["window_scale"] for each in ENDS):
        packets = [p for p in packets if not p.flags & SYN] or packets
    return [p.window for p in packets]


def count(flag):
    return lambda self, end: sum(bool(p.flags & flag) for p in self.of(end))


def syns(self, end):
    return sum(p.flags & (SYN | RST) == SYN for p in self.of(end))


def pure_acks(self, end):
    return sum(p.flags & (ACK | SYN | FIN | RST) == ACK and not p.length for p in self.of(end))


def zero_windows(self, end):
    return sum(p.flags & (ACK | RST) == ACK and p.window == 0 for p in self.of(end))


def probes_of_closed_window(self, end):
    """Linux probes with an empty segment below SND.NXT, which tshark calls keep-alive."""
    closed, probes = False, 0
    for p in self.seen:
        if p.sender == end:
            probes += closed and is_probe(p)
        elif p.flags & ACK and not p.flags & RST:
            closed = p.window == 0
    return probes


def initial_window(self, end):
    """Octets sent, repeats left out, before the peer acknowledged any; null without a SYN."""
    if not any(p.flags & SYN for p in self.of(end)):
        return None
    base, sent, octets = self.base(end), Octets(), 0
    for p in self.seen:
        if p.sender == end and not p.flags & RST and not is_probe(p):
            begin = max(0, ahead(p.seq + bool(p.flags & SYN), base))
            last = ahead(p.seq + bool(p.flags & SYN), base) + p.length
            octets += sent.add(begin, last) if p.length and last > begin else 0
        elif p.sender != end and p.flags & ACK and ahead(p.ack, base) > 0:
            break
    return octets


class Stream:
    """The octets of an end from its first on, and what became of each segment. next is the number
    after the highest that was sent or acknowledged, a FIN's included."""

    def __init__(self, evidence, end):
        self.base, self.octets = evidence.base(end), Octets()
        self.unique = self.resent_packets = self.resent_octets = self.late = 0
        self.next = self.acked = 0
        self.fin, self.seen_syn = None, False
        for p in evidence.seen:
            if p.flags & RST or self.base is None:
                continue
            if p.sender == end and not is_probe(p):
                self.take(p)
            elif p.sender != end and p.flags & ACK:
                self.acked = max(self.acked, ahead(p.ack, self.base))
                self.next = max(self.next, self.acked)

    def take(self, p):
        begin = ahead(p.seq + bool(p.flags & SYN), self.base)
        last = begin + p.length
        again = p.flags & FIN and last == self.fin
        if p.flags & SYN:
            again = "retransmission" in p.own_labels if p.flags & ACK else self.seen_syn
            self.seen_syn = True
        if p.length:
            again = self.take_octets(p, begin, last) or again
        self.resent_packets += bool(again)
        if p.flags & FIN:
            self.fin = last
        self.next = max(self.next, last + bool(p.flags & FIN))

    def take_octets(self, p, begin, last):
        """Whether octets were sent again. What fills a hole is late or sent again by time, IP-ID
        and timestamp: for that the segment's label is believed."""
        # Where the SYN was seen its number holds no octet.
        new = self.octets.add(max(begin, 0) if self.seen_syn else begin, last)
        self.unique += new
        below = max(0, min(last, self.next) - begin)
        if below and ("retransmission" in p.own_labels or new < below):
            self.resent_octets += below
            return True
        self.late += "out_of_order" in p.own_labels
        return False

    def length(self):
        fin = self.fin is not None and self.next == self.fin + 1
        return max(self.unique, self.next - fin)

    def missing(self):
        """Octets that the peer acknowledged and no packet carried."""
        edge = self.acked - (self.fin is not None and self.fin < self.acked)
        return max(0, edge) - self.octets.below(edge)


def of_stream(figure):
    return lambda self, end: figure(Stream(self, end))


def initial_numbers(self, end):
    return len({p.seq for p in self.of(end) if p.flags & SYN})


def own(field):
    """Of the record alone: what the SYN said."""
    return lambda self, end: self.record[end][field]


# field: (conversion, synfin's value by the contract). tcptrace's is as_tcptrace's.
CONVERSIONS = {
    "mss": ("mss_sign", own("mss")),
    "window_scale": ("scale_announced", own("window_scale")),
    "syns": ("capture_duplicates", syns),
    **{field: ("capture_duplicates", value) for field, value in [
        ("acks", count(ACK)), ("pure_acks", pure_acks), ("fins", count(FIN)),
        ("rsts", count(RST)), ("zero_windows", zero_windows)]},
    "pushes": ("empty_pushes", count(PSH)),
    "urgents": ("empty_pushes", count(URG)),
    "data_packets": ("probes", lambda s, e: len(data_lengths(s, e))),
    "payload_bytes": ("probes", lambda s, e: sum(data_lengths(s, e))),
    "segment.max": ("probes", of_lengths(max)),
    "segment.min": ("probes", of_lengths(min)),
    "segment.avg": ("truncated_average",
                    of_lengths(lambda l: decimal.Decimal(sum(l)) / len(l))),
    "unique_bytes": ("unique", of_stream(lambda s: s.unique)),
    "retransmitted_packets": ("resent", of_stream(lambda s: s.resent_packets)),
    "retransmitted_bytes": ("resent", of_stream(lambda s: s.resent_octets)),
    "out_of_order_packets": ("resent", of_stream(lambda s: s.late)),
    "stream_bytes": ("stream", of_stream(Stream.length)),
    "missing_bytes": ("stream", of_stream(Stream.missing)),
    "window.min": ("windows", lambda s, e: min(windows(s, e), default=None)),
    "window.max": ("windows", lambda s, e: max(windows(s, e), default=None)),
    "zero_window_probes": ("empty_probes", probes_of_closed_window),
    "in_flight_max": ("in_flight", in_flight_max),
    "idle_max": ("idle_to_file_end", idle_max),
    "initial_window_bytes": ("initial_window", initial_window),
    "duplicate_acks": ("rfc5681", duplicate_acks),
    **{f"rtt.{name}": ("round_trips", round_trip(name))
       for name in ("samples", "min", "max", "avg", "stdev")},
}


# --- what is only recognised ----------------------------------------------------------------------


def late_or_resent(self, end, theirs, ours):
    """The same segments: tcptrace takes for late what we take for sent again, or the reverse."""
    resent, late = (self.pairs[end][f] for f in ("retransmitted_packets", "out_of_order_packets"))
    return resent[0] + late[0] == resent[1] + late[1] and resent[0] != resent[1]


CROSSING = ("crossing_syns", lambda s, e, theirs, ours:
            s.record["open"]["how"] in ("simultaneous", "split"))
LOST = ("capture_loss", lambda s, e, theirs, ours: s.record[e]["missing_bytes"] > 0)
BACKWARDS = ("clock", lambda s, e, theirs, ours: any(
    b.time < a.time for a, b in zip(s.seen, s.seen[1:])))
LAST_SYN = ("last_syn", lambda s, e, theirs, ours: ours is None and syns(s, e) > 1)

# Not touched by packets that the tap saw twice.
ALWAYS = {"mss", "window_scale"}

RULES = {
    "window_scale": [LAST_SYN],
    "retransmitted_packets": [CROSSING],
    **{f"rtt.{name}": [CROSSING, LOST, BACKWARDS]
       for name in ("samples", "min", "max", "avg", "stdev")},
}
