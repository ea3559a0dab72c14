"""Runs synfin, tshark and tcptrace over one capture and hands back their answers as plain values.

The peers' answers do not change with our code, so they are kept in the folder that $AGREE_CACHE
names, under the hash of the capture and of the command.
"""
import collections
import csv
import datetime
import decimal
import hashlib
import io
import json
import os
import pathlib
import subprocess

TIMEOUT = 300

LABELS = ("retransmission fast_retransmission spurious_retransmission out_of_order duplicate_ack "
          "lost_segment ack_lost_segment zero_window zero_window_probe zero_window_probe_ack "
          "window_update window_full keep_alive keep_alive_ack reused_ports").split()

# The analysis runs on sequence numbers alone, as synfin's view of it does.
TSHARK = ["tshark", "-n", "-o", "tcp.desegment_tcp_streams:FALSE", "-o", "ip.defragment:TRUE",
          "-o", "tcp.check_checksum:FALSE", "-o", "ip.check_checksum:FALSE",
          "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,"]
ONE_PASS_FIELDS = (
    "frame.number frame.time_epoch frame.protocols tcp.stream ip.src ip.dst ipv6.src ipv6.dst "
    "tcp.srcport tcp.dstport tcp.flags tcp.seq_raw tcp.ack_raw tcp.len tcp.window_size_value "
    "tcp.window_size tcp.options.sack_le tcp.options.sack_re ip.id").split() + [
        f"tcp.analysis.{label}" for label in LABELS]
TWO_PASS_FIELDS = "frame.number tcp.stream tcp.completeness".split()

# Fields that a single packet may hold several of; the others are one per TCP header.
LISTS = {"tcp.options.sack_le", "tcp.options.sack_re"}


class ToolError(Exception):
    """A tool could not read the capture; the text says why."""


def run(command, timeout=TIMEOUT):
    """Exit status, standard output and error of a command."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as late:
        raise ToolError(f"{command[0]}: no end after {timeout} s") from late
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def cached(command, capture):
    """Standard output of `command capture`, from the cache when it is there."""
    folder = os.environ.get("AGREE_CACHE")
    if not folder:
        return run([*command, str(capture)])[1]
    key = hashlib.sha256("\0".join(map(str, command)).encode() + b"\0" + capture.read_bytes())
    kept = pathlib.Path(folder) / key.hexdigest()[:2] / key.hexdigest()
    if kept.is_file():
        return kept.read_bytes()
    output = run([*command, str(capture)])[1]
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_suffix(f".{os.getpid()}")
    part.write_bytes(output)
    part.rename(kept)
    return output


def synfin(program, capture, *options):
    """The lines of `synfin --json`: connections by id, segments by packet, the end line."""
    status, output, errors = run([program, "--json", *options, str(capture)])
    if status < 0 or "Sanitizer" in errors or "runtime error" in errors:
        raise ToolError(f"synfin died with status {status}: {errors[:300]}")
    answer = {"connections": [], "segments": [], "end": None, "status": status}
    for line in output.splitlines():
        # Through float all values but whole ones lose digits that the comparisons need.
        value = json.loads(line, parse_float=decimal.Decimal)
        if value["type"] == "connection":
            answer["connections"].append(value)
        elif value["type"] == "segment":
            answer["segments"].append(value)
        elif value["type"] == "end":
            answer["end"] = value
    answer["connections"].sort(key=lambda connection: connection["id"])
    return answer


def seconds(time):
    """An RFC 3339 time of a record as decimal seconds since 1970."""
    whole, fraction = time.rstrip("Z").split(".")
    moment = datetime.datetime.fromisoformat(whole + "+00:00")
    return decimal.Decimal(int(moment.timestamp())) + decimal.Decimal("0." + fraction)


def tshark_table(capture, fields, *options):
    command = [*TSHARK, "-Y", "tcp && !icmp && !icmpv6", *options]
    for field in fields:
        command += ["-e", field]
    text = cached([*command, "-r"], capture).decode(errors="replace")
    for line in text.splitlines():
        values = line.split("\t")
        if len(values) == len(fields):
            yield dict(zip(fields, values))


Packet = collections.namedtuple(
    "Packet", "number time stream ends flags seq ack length raw_window window sacks ip_id labels")


def tshark_packet(row):
    """One TCP segment of tshark's one-pass run."""
    addresses = (row["ipv6.src"] or row["ip.src"], row["ipv6.dst"] or row["ip.dst"])
    if row["ip.src"] and row["ipv6.src"]:
        # One family inside the other: the inner header is named last in the protocols.
        family = "ipv6" if row["frame.protocols"].rfind(":ipv6") > row["frame.protocols"].rfind(
            ":ip:") else "ip"
        addresses = (row[f"{family}.src"], row[f"{family}.dst"])
    source, target = (text.split(",")[-1] for text in addresses)
    lefts, rights = (row[f"tcp.options.sack_{edge}"].split(",") for edge in ("le", "re"))
    return Packet(
        number=int(row["frame.number"]), time=decimal.Decimal(row["frame.time_epoch"]),
        stream=int(row["tcp.stream"]),
        ends=((source, int(row["tcp.srcport"])), (target, int(row["tcp.dstport"]))),
        flags=int(row["tcp.flags"], 16), seq=int(row["tcp.seq_raw"]),
        ack=int(row["tcp.ack_raw"] or 0), length=int(row["tcp.len"]),
        raw_window=int(row["tcp.window_size_value"] or 0), window=int(row["tcp.window_size"] or 0),
        sacks=[(int(left), int(right)) for left, right in zip(lefts, rights) if left and right],
        ip_id=row["ip.id"].split(",")[-1],
        labels={label for label in LABELS if row[f"tcp.analysis.{label}"]})


def tshark_packets(capture):
    """(segments by packet number, numbers of packets whose TCP header it could not read alone: cut,
    or several in one packet)."""
    packets, unread = {}, set()
    for row in tshark_table(capture, ONE_PASS_FIELDS):
        if row["tcp.len"] and row["tcp.flags"] and "," not in row["tcp.stream"]:
            packet = tshark_packet(row)
            packets[packet.number] = packet
        else:
            unread.add(int(row["frame.number"]))
    return packets, unread


def tshark_completeness(capture):
    """{packet number: completeness of its stream}, by tshark's two passes. A packet is printed
    before its own bits are added in the second pass, hence the largest value of the stream."""
    streams, values = {}, {}
    for row in tshark_table(capture, TWO_PASS_FIELDS, "-2"):
        stream = row["tcp.stream"]
        if stream.isdigit() and row["tcp.completeness"].isdigit():
            streams[int(row["frame.number"])] = stream
            values[stream] = max(values.get(stream, 0), int(row["tcp.completeness"]))
    return {number: values[stream] for number, stream in streams.items()}


def tcptrace(capture):
    """The connections of `tcptrace -n -l -r -W --csv`, one dict of columns each; [] when it cannot
    read the capture."""
    command = ["tcptrace", "-n", "-l", "-r", "-W", "--csv"]
    text = cached(command, capture).decode(errors="replace")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    if not lines or not lines[0].startswith("conn_#"):
        return []
    rows = csv.reader(io.StringIO("\n".join(lines)))
    names = [name.strip().replace(" ", "_") for name in next(rows)]
    return [dict(zip(names, (value.strip() for value in row)))
            for row in rows if len(row) == len(names)]


def last_time(capture):
    """The time of the last packet of the capture, of any kind, in decimal seconds since 1970."""
    command = ["tshark", "-n", "-T", "fields", "-e", "frame.time_epoch", "-r"]
    times = cached(command, capture).split()
    return decimal.Decimal(times[-1].decode())
