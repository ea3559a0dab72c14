"""tcptrace's columns end by end, for the connections whose packets both programs agree on."""
import collections
import decimal
import functools

import as_tcptrace
import tools
from evidence import Evidence

ENDS = ("client", "server")
DASH = ("NA", "")


def number(text):
    """A column's number; None where tcptrace has none."""
    return None if text in DASH else decimal.Decimal(text)


def whole(text):
    value = number(text)
    return None if value is None else int(value)


def yes(text):
    return text == "Y"


def half(which):
    """One of the two values of a column like 1/0."""
    return lambda text: int(text.split("/")[which])


def lookup(end, path):
    for name in path.split("."):
        end = None if end is None else end[name]
    return end


def milliseconds(value):
    return None if value is None else value * 1000


class Near:
    """Equal to what rounds or truncates to the printed value."""

    def __init__(self, value, within):
        self.value, self.within = value, within

    def __eq__(self, other):
        other = other.value if isinstance(other, Near) else other
        return other is not None and abs(self.value - other) <= self.within

    def __str__(self):
        return str(self.value)


class Tenths(Near):
    """A time in milliseconds as printed; equal too to the microseconds, a float, that print so."""

    def __init__(self, value):
        super().__init__(value, decimal.Decimal("0.06"))

    def __eq__(self, other):
        if isinstance(other, float):
            return decimal.Decimal(f"{other:.1f}") == self.value
        return super().__eq__(other)


def near_ms(text):
    value = number(text)
    return None if value is None else Tenths(value)


# (field, column, reader of the column, path or function of the record's end). ~ is the peer's: what
# tcptrace prints of an end's data, not of its packets.
COLUMNS = [
    ("packets", "total_packets", whole, lambda e: e["packets"] + e["capture_duplicates"]),
    ("rsts", "resets_sent", whole, "rsts"),
    ("acks", "ack_pkts_sent", whole, "acks"),
    ("pure_acks", "pure_acks_sent", whole, "pure_acks"),
    ("sack_packets", "sack_pkts_sent", whole, "sack_packets"),
    ("dsack_packets", "dsack_pkts_sent", whole, "dsack_packets"),
    ("unique_bytes", "unique_bytes_sent", whole, "unique_bytes"),
    ("data_packets", "actual_data_pkts", whole, "data_packets"),
    ("payload_bytes", "actual_data_bytes", whole, "payload_bytes"),
    ("retransmitted_packets", "rexmt_data_pkts", whole, "retransmitted_packets"),
    ("retransmitted_bytes", "rexmt_data_bytes", whole, "retransmitted_bytes"),
    ("zero_window_probes", "zwnd_probe_pkts", whole, "zero_window_probes"),
    ("out_of_order_packets", "outoforder_pkts", whole, "out_of_order_packets"),
    ("pushes", "pushed_data_pkts", whole, "pushes"),
    ("syns", "SYN/FIN_pkts_sent", half(0), "syns"),
    ("fins", "SYN/FIN_pkts_sent", half(1), "fins"),
    ("window_scale", "adv_wind_scale", whole, "window_scale"),
    ("sack_permitted", "req_sack", yes, lambda e: bool(e["sack_permitted"])),
    ("urgents", "urgent_data_pkts", whole, "urgents"),
    ("mss", "mss_requested", whole, "mss"),
    ("segment.max", "max_segm_size", whole, "segment.max"),
    ("segment.min", "min_segm_size", whole, "segment.min"),
    ("segment.avg", "avg_segm_size", lambda t: Near(number(t), 1), "segment.avg"),
    ("window.max", "max_win_adv", whole, "window.max"),
    ("window.min", "min_win_adv", whole, "window.min"),
    ("zero_windows", "zero_win_adv", whole, "zero_windows"),
    ("in_flight_max", "max_owin", whole, "in_flight_max"),
    ("initial_window_bytes", "initial_window_bytes", whole,
     "initial_window_bytes"),
    ("stream_bytes", "ttl_stream_length", whole, "stream_bytes"),
    ("missing_bytes", "missed_data", whole, "missing_bytes"),
    ("idle_max", "idletime_max", near_ms, lambda e: milliseconds(e["idle_max"])),
    ("rtt.samples", "RTT_samples", whole, "rtt.samples"),
    ("rtt.min", "RTT_min", near_ms, lambda e: milliseconds(lookup(e, "rtt.min"))),
    ("rtt.max", "RTT_max", near_ms, lambda e: milliseconds(lookup(e, "rtt.max"))),
    ("rtt.avg", "RTT_avg", near_ms, lambda e: milliseconds(lookup(e, "rtt.avg"))),
    ("rtt.stdev", "RTT_stdev", near_ms, lambda e: milliseconds(lookup(e, "rtt.stdev"))),
    ("duplicate_acks", "duplicate_acks", whole, "~duplicate_acks"),
]


def microseconds(text):
    """tcptrace prints 7.012019 s as 7.12019: seconds, a point, microseconds without zeros."""
    whole_part, fraction = text.strip().split(".")
    return int(whole_part) * 1000000 + int(fraction)


def start_of(record):
    """The record's start, cut to tcptrace's microseconds."""
    return int(tools.seconds(record["start"]) * 1000000)


def find(row, records):
    """(record, whether its client is tcptrace's end a) of the row, by its ends and first packet;
    tcptrace misprints IPv6 addresses, there the ports must do. (None, False) without one."""
    begin = microseconds(row["first_packet"])
    theirs = [(row[f"host_{side}"], int(row[f"port_{side}"])) for side in "ab"]
    for record in records:
        ours = [(record[end]["ip"], record[end]["port"]) for end in ENDS]
        if ":" in row["host_a"]:
            ours, theirs = ([("", port) for _, port in ends] for ends in (ours, theirs))
        if abs(start_of(record) - begin) <= 1 and sorted(ours) == sorted(theirs):
            return record, ours[0] == theirs[0]
    return None, False


def total_of(row):
    return int(row["total_packets_a2b"]) + int(row["total_packets_b2a"])


def packets_of(record):
    return sum(record[end]["packets"] + record[end]["capture_duplicates"]
               for end in ("client", "server"))


def pairs_of(row, side, record, end):
    """[(field, tcptrace's value, synfin's)] of one end; side is its letter in tcptrace. tcptrace
    prints 0 for what is unknown, so 0 agrees with null."""
    peer = ENDS[1 - ENDS.index(end)]
    suffix, pairs = {"a": "_a2b", "b": "_b2a"}[side], []
    for field, column, read, path in COLUMNS:
        theirs = read(row[column + suffix]) if column + suffix in row else None
        if theirs is None:
            continue
        if callable(path):
            ours = path(record[end])
        else:
            ours = lookup(record[peer if path.startswith("~") else end], path.lstrip("~"))
        pairs.append((field, theirs, 0 if ours is None and theirs == 0 else ours))
    return pairs


def compare_ends(sheet, row, record, client_is_a, evidence):
    for side, end in zip("ab", ENDS if client_is_a else reversed(ENDS)):
        pairs = pairs_of(row, side, record, end)
        sheet.compare("tcptrace ends", f"connection {record['id']} {end}", pairs,
                      evidence.rule_for(end, pairs))


def boundary_rule(rows, records, evidences):
    """Why tcptrace draws another line between the connections of two ports, if both count the same
    packets; rows and records are all of these ports. The function of a row names the conversion
    where tcptrace's rules, on synfin's segments, give the row's time and packets."""
    if sum(total_of(row) for row in rows) != sum(packets_of(record) for record in records):
        return lambda row: None
    if any(start_of(record) == 0 for record in records):
        return lambda row: "time_zero"
    packets = collections.defaultdict(list)
    for record in records:
        for packet in evidences(record).everything:
            packets[frozenset((packet.source, packet.target))].append(packet)
    made = set()
    for group in packets.values():
        group.sort(key=lambda packet: packet.number)
        made.update((connection.begin, connection.packets())
                    for connection in as_tcptrace.connections_of(group))

    def rule_of(row):
        begin = microseconds(row["first_packet"])
        sides = tuple(int(row[f"total_packets_{side}"]) for side in ("a2b", "b2a"))
        return "=boundaries" if (begin, sides) in made else None
    return rule_of


def compare(sheet, synfin, rows, packets, capture):
    @functools.cache
    def file_end():
        return int(tools.last_time(capture) * 1000000)

    segments, kept = collections.defaultdict(list), {}
    for segment in synfin["segments"]:
        segments[segment["conn"]].append(segment)

    def evidence_of(record):
        if record["id"] not in kept:
            kept[record["id"]] = Evidence(record, segments[record["id"]], packets, file_end)
        return kept[record["id"]]

    records_of, rows_of = collections.defaultdict(list), collections.defaultdict(list)
    for record in synfin["connections"]:
        records_of[frozenset(record[end]["port"] for end in ENDS)].append(record)
    for row in rows:
        rows_of[frozenset((int(row["port_a"]), int(row["port_b"])))].append(row)
    for ports, group in rows_of.items():
        compare_group(sheet, group, records_of[ports], evidence_of)


def compare_group(sheet, rows, records, evidence_of):
    """The rows and records of two ports."""
    rule_of = None
    for row in rows:
        record, client_is_a = find(row, records)
        ours, theirs = packets_of(record) if record else None, total_of(row)
        if ours != theirs and rule_of is None:
            rule_of = boundary_rule(rows, records, evidence_of)
        sheet.compare("tcptrace connections", f"connection {row['conn_#']}",
                      [("packets", theirs, ours)], lambda *_, row=row: rule_of(row))
        if ours == theirs:
            compare_ends(sheet, row, record, client_is_a, evidence_of(record))
