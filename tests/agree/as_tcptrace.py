"""What tcptrace makes of the packets of a connection: its columns computed anew from synfin's
segment lines by tcptrace's definitions (its man page, its FAQ and trials), oddities included."""
import collections
import math

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
WORD = 1 << 32
LONG = 1 << 64
QUARTER = 1 << 30  # the sequence space is kept in four lists


def has(p, flag):
    return bool(p.flags & flag)


class Piece:
    """Octets that were sent together: the unit of retransmissions and of round trips."""

    def __init__(self, first, last, time):
        self.first, self.last, self.time = first, last, time
        self.sent_again = self.acks = 0


class Space:
    """The sequence numbers one end has used."""

    def __init__(self):
        self.quarters = {}

    def pieces(self, seq):
        """The list of the quarter that holds seq; the opposite quarter is forgotten, as soon as a
        quarter without both its neighbours is met."""
        index = seq // QUARTER
        around = {(index + step) % 4 for step in (-1, 0, 1)}
        if not around <= self.quarters.keys():
            self.quarters = {near: self.quarters.get(near, []) for near in around}
        return self.quarters[index]

    def add(self, seq, length, time):
        """(octets sent before, whether the segment came late) of a segment."""
        last = (seq + length - 1) % WORD
        pieces = self.pieces(seq)
        if last // QUARTER == seq // QUARTER:
            return self.add_within(pieces, seq, last, time)
        border = (seq // QUARTER + 1) * QUARTER - 1
        again, late = self.add_within(pieces, seq, border, time)
        beyond = self.add_within(self.quarters[last // QUARTER], last // QUARTER * QUARTER, last,
                                 time)
        return again + beyond[0], late or beyond[1]

    @staticmethod
    def add_within(pieces, first, last, time):
        again, late, is_split = 0, False, False
        at = len(pieces)
        if pieces and first <= pieces[-1].last:
            at = next(i for i, piece in enumerate(pieces) if first <= piece.last)
        while at < len(pieces):
            piece = pieces[at]
            if first < piece.first:
                late = late or last < piece.last
                pieces.insert(at, Piece(first, min(last, piece.first - 1), time))
                at += 1
                if last < piece.first:
                    return again, late
                first = piece.first
            piece.sent_again += 1
            if not is_split:
                piece.time = time
            if last <= piece.last:
                return again + last - first + 1, late
            is_split = True
            again += piece.last - first + 1
            first = piece.last + 1
            at += 1
        pieces.append(Piece(first, last, time))
        return again, late


def join_acknowledged(pieces):
    at = 0
    while at + 1 < len(pieces) and pieces[at].acks:
        here, after = pieces[at], pieces[at + 1]
        if after.acks and here.last + 1 == after.first:
            here.last, here.acks = after.last, after.acks
            here.time = max(here.time, after.time)
            del pieces[at + 1]
        else:
            at += 1


class End:
    """One direction."""

    def __init__(self):
        self.count = dict.fromkeys(
            "packets rsts acks pure_acks syns fins pushes urgents data_packets payload_bytes "
            "unique_bytes retransmitted_packets retransmitted_bytes zero_window_probes "
            "out_of_order_packets zero_windows initial_window_bytes in_flight_max duplicate_acks "
            "segment.max segment.min window.max window.min".split(), 0)
        self.space = Space()
        self.trips = []
        self.syn = self.fin = self.latest = 0
        self.ack = self.window = self.scale = 0
        self.announced = None
        self.last_time = self.idle = None
        self.peer_acked_data = self.is_scaled = False
        self.in_flight_total = 0


class Replay:
    """A connection as tcptrace keeps it; scales are what the ends' SYNs announced, by end."""

    def __init__(self, packets, scales):
        self.ends = {"client": End(), "server": End()}
        self.is_scaled = None not in scales.values()
        for packet in packets:  # evidence.Segment
            here = self.ends[packet.sender]
            there = self.ends["server" if packet.sender == "client" else "client"]
            if has(packet, SYN):
                here.announced = scales[packet.sender]
                here.scale = here.announced or here.scale
            elif None in (here.announced, there.announced):
                here.scale = there.scale = 0
            self.take(packet, int(packet.time * 1000000), here, there)
        self.is_closed = (all(end.count["fins"] for end in self.ends.values()) or
                          any(end.count["rsts"] for end in self.ends.values()))

    def take(self, p, now, here, there):
        self.take_flags(p, here)
        self.take_time(now, here)
        window = p.window if has(p, ACK) or has(p, SYN) else 0
        end = p.seq + p.length
        if has(p, SYN):
            here.syn = there.ack_of_syn = p.seq
            there.ack = p.seq
        if has(p, FIN):
            here.fin = end
        here.latest = end
        self.take_length(p, here)
        again, late = self.take_octets(p, now, here, there)
        if has(p, ACK):
            self.take_ack(p, now, here, there, window)
        if has(p, RST):
            here.count["acks"] += has(p, ACK)
            return
        self.take_window(p, here, window)
        self.take_initial(p, here, there, again)
        if not has(p, SYN) and not late and not again:
            held = p.length if there.ack == 0 else (end - (there.ack - 1)) % LONG
            here.count["in_flight_max"] = max(here.count["in_flight_max"], held)
            here.in_flight_total = (here.in_flight_total + held) % LONG

    @staticmethod
    def take_flags(p, here):
        here.count["syns"] += has(p, SYN)
        here.count["fins"] += has(p, FIN)
        here.count["rsts"] += has(p, RST)

    @staticmethod
    def take_time(now, here):
        if here.last_time is not None:
            here.idle = max(here.idle or 0, now - here.last_time)
        else:
            here.idle = 0
        here.last_time = now

    @staticmethod
    def take_length(p, here):
        count = here.count
        count["packets"] += 1
        if not p.length:
            return
        count["data_packets"] += 1
        count["pushes"] += has(p, PSH)
        count["urgents"] += has(p, URG)
        count["payload_bytes"] += p.length
        count["segment.max"] = max(count["segment.max"], p.length)
        count["segment.min"] = min(count["segment.min"] or p.length, p.length)

    @staticmethod
    def take_octets(p, now, here, there):
        """(octets sent before, whether it came late). SYN and FIN are octets here."""
        length = p.length + has(p, SYN) + has(p, FIN)
        if not length:
            return 0, False
        count = here.count
        if there.window == 0 and there.count["packets"] and not has(p, SYN):
            count["zero_window_probes"] += 1
            return 0, False
        again, late = here.space.add(p.seq, length, now)
        count["out_of_order_packets"] += late
        old = again - (has(p, SYN) and count["syns"] > 1) - (has(p, FIN) and count["fins"] > 1)
        count["unique_bytes"] += max(0, p.length - old)
        count["retransmitted_packets"] += again > 0
        count["retransmitted_bytes"] += again
        return again, late

    @staticmethod
    def take_ack(p, now, here, there, window):
        """The peer's octets below the ACK, with a round trip where the ACK ends at one of its
        segments that was sent once, and after all before it."""
        pieces = there.space.pieces(p.ack)
        before = there.space.quarters.get((p.ack // QUARTER - 1) % 4, [])
        newest = 0
        for piece in before:
            if not piece.acks:
                piece.acks = 1
                newest = max(newest, piece.time)
        join_acknowledged(before)
        for piece in pieces:
            if p.ack <= piece.first:
                break
            newest = max(newest, piece.time)
            piece.acks += 1
            ends_here = p.ack == piece.last + 1
            if piece.acks > 1:
                there.count["duplicate_acks"] += (
                    ends_here and p.ack == here.ack and not p.length and window == here.window
                    and there.in_flight_total > 0)
            elif ends_here and newest <= piece.time and not piece.sent_again:
                there.trips.append(max(0, now - piece.time))
        join_acknowledged(pieces)

    def take_window(self, p, here, window):
        count = here.count
        here.window = window
        if has(p, ACK) or has(p, SYN):
            count["window.max"] = max(count["window.max"], window)
            if window and self.is_scaled and not has(p, SYN) and not here.is_scaled:
                here.is_scaled = True
                count["window.max"] = count["window.min"] = window
            elif window:
                count["window.min"] = min(count["window.min"] or window, window)
        if has(p, ACK):
            count["zero_windows"] += window == 0
            count["acks"] += 1
            count["pure_acks"] += not p.length and not has(p, SYN) and not has(p, FIN)
            here.ack = p.ack

    @staticmethod
    def take_initial(p, here, there, again):
        if has(p, ACK) and there.syn + 1 != p.ack:
            there.peer_acked_data = True
        if p.length and not here.peer_acked_data and not again:
            here.count["initial_window_bytes"] += p.length

    def figures(self, name):
        """{field: value} of an end, in tcptrace's units; milliseconds for times."""
        end = self.ends[name]
        average = int(end.count["payload_bytes"] / (end.count["data_packets"] + 0.001))
        return {**end.count, **lengths(end), **trips(end.trips), "segment.avg": average,
                "window_scale": end.scale}

    def idle(self, name, file_end):
        """Milliseconds between two packets of the end or, in a connection that did not close, to
        the last packet of the file; file_end hands out its time, in microseconds."""
        end = self.ends[name]
        if self.is_closed or end.last_time is None:
            return None if end.idle is None else end.idle / 1000
        return max(end.idle, file_end() - end.last_time) / 1000


SILENCE = 240 * 1000000


class Side:
    """What tells one end of a connection from one of the next on the same ports."""

    def __init__(self):
        self.packets = self.syns = self.closings = self.syn = self.window_end = 0


class Connection:
    """A connection as tcptrace bounds it; begin in microseconds, first is the sender of the first
    packet."""

    def __init__(self, begin, first):
        self.begin = self.last_time = begin
        self.first = first
        self.sides = collections.defaultdict(Side)

    def is_over(self, p, now):
        """Whether this packet begins another: after four minutes, or a SYN after FIN or RST whose
        number lies beyond the window or below the SYN before, or a third SYN with another number."""
        here, there = self.side(p), self.other_side(p)
        if now - self.last_time > SILENCE:
            return True
        if not has(p, SYN):
            return False
        is_outside = p.seq > there.window_end or p.seq < here.syn
        return (here.closings + there.closings > 0 and is_outside) or (
            here.syns > 1 and here.syn != p.seq)

    def side(self, p):
        return self.sides[p.source]

    def other_side(self, p):
        return self.sides[p.target]

    def take(self, p, now):
        here = self.side(p)
        self.last_time = now
        here.packets += 1
        here.syns += has(p, SYN)
        here.closings += has(p, FIN) + has(p, RST)
        if has(p, SYN):
            here.syn = p.seq
        if has(p, ACK):
            here.window_end = p.ack + p.window

    def packets(self):
        """(of the first packet's sender, of the other end)"""
        total = sum(side.packets for side in self.sides.values())
        return self.sides[self.first].packets, total - self.sides[self.first].packets


def connections_of(packets):
    """The connections that tcptrace makes of the packets of two addresses and ports."""
    found = []
    for p in packets:
        now = int(p.time * 1000000)
        if not found or found[-1].is_over(p, now):
            found.append(Connection(now, p.source))
        found[-1].take(p, now)
    return found


def announced_mss(octets):
    """The maximum segment size as tcptrace prints it: of 16 bits with a sign, -1 for none."""
    if octets is None or octets == 0xffff:
        return 0
    return octets if octets < 0x8000 else octets - 0x10000 + WORD


def lengths(end):
    """Of the stream: from the last SYN to the last FIN, or to the last segment where a RST was
    sent."""
    if not end.count["syns"] or not end.count["fins"]:
        return {"stream_bytes": None, "missing_bytes": None}
    last = end.latest if end.count["rsts"] else end.fin
    octets = last - end.syn - 1 if last > end.syn else last + WORD - 1 - end.syn
    return {"stream_bytes": octets, "missing_bytes": (octets - end.count["unique_bytes"]) % LONG}


def trips(samples):
    """Milliseconds of the samples, in microseconds; the mean is of a ten thousandth more."""
    count, total = len(samples), sum(samples)
    since_zero = samples[len(samples) - samples[::-1].index(0):] if 0 in samples else samples
    spread = 0
    if count > 2:
        squares = sum(sample * sample for sample in samples)
        spread = math.sqrt(max(0, squares - total * total / count) / (count - 1))
    return {"rtt.samples": count, "rtt.min": min(since_zero, default=0) / 1000,
            "rtt.max": max(samples, default=0) / 1000, "rtt.avg": total / (count + 0.0001) / 1000,
            "rtt.stdev": spread / 1000}
