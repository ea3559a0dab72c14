"""Records that cannot be, whatever the capture holds. One row per end and per capture."""

ENDS = ("client", "server")

# One wrong acknowledgement must not make gigabytes: what an end sent and lost, beyond this many
# octets, is at most ten times what passed.
FREE_BYTES = 1 << 24

PARTS = [  # (part, whole): never more
    ("unique_bytes", "payload_bytes"), ("unique_bytes", "stream_bytes"),
    ("retransmitted_bytes", "payload_bytes"), ("payload_bytes", "ip_bytes"),
    ("data_packets", "packets"), ("acks", "packets"), ("pure_acks", "acks"), ("syns", "packets"),
    ("fins", "packets"), ("rsts", "packets"), ("pushes", "packets"),
    ("retransmitted_packets", "packets"), ("sack_packets", "packets"),
    ("out_of_order_packets", "packets"), ("duplicate_acks", "pure_acks"),
    ("dsack_packets", "sack_packets"), ("keep_alives", "packets"),
    ("zero_window_probes", "packets"), ("zero_windows", "packets"), ("window_full", "packets"),
]
# A group without samples is unknown: null, never 0.
UNKNOWN = [("rtt", "samples", ("min", "avg", "max", "stdev", "p50", "p95")),
           ("response_time", "samples", ("min", "avg", "max"))]
ORDERED = [("segment", ("min", "avg", "max")), ("window", ("min", "max")),
           ("rtt", ("min", "avg", "max")), ("rtt", ("min", "p50", "max")), ("ttl", ("min", "max"))]


def negatives(value, path=""):
    if isinstance(value, dict):
        for name, part in value.items():
            yield from negatives(part, f"{path}.{name}".lstrip("."))
    elif not isinstance(value, (str, list, bool)) and value is not None and value < 0:
        yield path


def faults_of_end(end):
    for part, whole in PARTS:
        if end[part] > end[whole]:
            yield part, f"{end[part]} of {end[whole]} {whole}"
    for group, count, names in UNKNOWN:
        for name in names:
            if (end[group][count] == 0) != (end[group][name] is None):
                yield f"{group}.{name}", f"{end[group][name]} of {end[group][count]} samples"
    for group, names in ORDERED:
        values = [end[group][name] for name in names if end[group][name] is not None]
        if values != sorted(values):
            yield group, f"{names} are {values}"
    if (end["packets"] < 2) != (end["idle_max"] is None):
        yield "idle_max", f"{end['idle_max']} of {end['packets']} packets"
    for name in ("segment", "window"):
        if not end["packets"] and end[name]["max"] is not None:
            yield f"{name}.max", f"{end[name]['max']} of no packet"
    if (end["data_packets"] == 0) != (end["segment"]["max"] is None):
        yield "segment.max", f"{end['segment']['max']} of {end['data_packets']} data packets"
    for name in ("stream_bytes", "missing_bytes"):
        if end[name] > FREE_BYTES + 10 * end["ip_bytes"]:
            yield name, f"{end[name]} with {end['ip_bytes']} octets on the wire"
    if end["state"] is None and end["packets"]:
        yield "state", f"null after {end['packets']} packets"


def faults_of_record(record):
    for path in negatives(record):
        yield path, "negative"
    if record["zeek"] is not None:
        wire = sum(record[end]["ip_bytes"] for end in ENDS)
        if record["zeek"]["missed_bytes"] > FREE_BYTES + 10 * wire:
            yield "zeek.missed_bytes", record["zeek"]["missed_bytes"]
    if record["first_packet"] > record["last_packet"]:
        yield "last_packet", f"{record['last_packet']} before {record['first_packet']}"


def faults_of_run(synfin):
    records, end = synfin["connections"], synfin["end"]
    yield "ids", list(range(1, len(records) + 1)), [record["id"] for record in records]
    yield "connections", len(records), end["connections"]
    counted = sum(record[e]["packets"] + record[e]["capture_duplicates"]
                  for record in records for e in ENDS)
    yield "tcp_packets", end["tcp_packets"], counted
    yield "packets", end["packets"], end["tcp_packets"] + sum(end["undecoded"].values())
    yield "capture_duplicates", end["capture_duplicates"], sum(
        record[e]["capture_duplicates"] for record in records for e in ENDS)
    for kind in ("open", "close"):
        told = {how: n for how, n in end[f"{kind}_how"].items() if n}
        yield f"{kind}_how", told, count_how(records, kind)


def count_how(records, kind):
    counts = {}
    for record in records:
        counts[record[kind]["how"]] = counts.get(record[kind]["how"], 0) + 1
    return counts


def check(sheet, synfin):
    if synfin["end"] is None:
        return
    pairs = [(what, told, found) for what, told, found in faults_of_run(synfin)]
    sheet.compare("sanity", "run", pairs)
    for record in synfin["connections"]:
        groups = [("record", faults_of_record(record))]
        groups += [(end, faults_of_end(record[end])) for end in ENDS]
        for name, faults in groups:
            pairs = [(field, None, text) for field, text in faults]
            sheet.compare("sanity", f"connection {record['id']} {name}", pairs)
