"""tshark's labels packet by packet, its completeness stream by stream, its idea of what is TCP."""
import collections

import tools

# On fast and spurious retransmissions tshark sets the plain label too.
SUBSUMES = {"fast_retransmission", "spurious_retransmission"}


def plain_labels(labels):
    labels = set(labels)
    if labels & SUBSUMES:
        labels.discard("retransmission")
    return labels


def misread_streams(synfin, packets):
    """Streams with a frame shorter than its IP length says: tshark believes the frame."""
    return {packets[segment["packet"]].stream for segment in synfin["segments"]
            if segment["packet"] in packets
            and packets[segment["packet"]].length != segment["len"]}


def merged_streams(synfin, packets):
    """Streams that hold connections of several tunnels: tshark knows addresses and ports only."""
    tunnels = {c["id"]: str(c.get("tunnel")) for c in synfin["connections"]}
    seen = {}
    for segment in synfin["segments"]:
        if segment["packet"] in packets:
            seen.setdefault(packets[segment["packet"]].stream, set()).add(tunnels[segment["conn"]])
    return {stream for stream, names in seen.items() if len(names) > 1}


def compare_labels(sheet, synfin, packets):
    misread, merged = misread_streams(synfin, packets), merged_streams(synfin, packets)
    for segment in synfin["segments"]:
        packet = packets.get(segment["packet"])
        if packet is None:
            continue
        theirs, ours = plain_labels(packet.labels), plain_labels(segment["wireshark"])
        rule = "frame_length" if packet.stream in misread else None
        rule = "tunnels" if packet.stream in merged else rule
        sheet.compare("tshark labels", f"packet {segment['packet']} stream {packet.stream}",
                      [(label, label in theirs, label in ours) for label in sorted(theirs | ours)],
                      lambda *pair, rule=rule: rule if pair[0] != "reused_ports" else None)


def compare_presence(sheet, synfin, packets, unread):
    """One row per packet that either program takes for TCP."""
    ours = {segment["packet"] for segment in synfin["segments"]}
    for number in sorted((ours | set(packets)) - unread):
        sheet.compare("tshark packets", f"packet {number}",
                      [("is_tcp", number in packets, number in ours)])


def compare_numbers(sheet, synfin, packets):
    """One row per segment: what it says of the header is what tshark reads there. Sequence numbers
    are relative to a number that each end's SYN, else its first packet, settles anew. Where a SYN
    was not captured tshark takes the scale of the other for granted, synfin does not."""
    misread, zeros = misread_streams(synfin, packets), {}
    whole = {connection["id"] for connection in synfin["connections"]
             if None not in (connection[end]["isn"] for end in ("client", "server"))}
    backwards = turned_back(synfin, packets)
    starts = {connection["id"]: tools.seconds(connection["start"])
              for connection in synfin["connections"]}
    for segment in synfin["segments"]:
        packet = packets.get(segment["packet"])
        if packet is None:
            continue
        source, target = ((segment["conn"], end) for end in packet.ends)
        if segment["seq"] == 0 and "S" in segment["flags"]:
            zeros[source] = packet.seq
        zero = zeros.setdefault(source, (packet.seq - segment["seq"]) % 2**32)
        pairs = [("flags", packet.flags & 0x3f, bits(segment["flags"])),
                 ("len", packet.length, segment["len"]),
                 ("seq", packet.seq, (zero + segment["seq"]) % 2**32),
                 ("t", packet.time, starts[segment["conn"]] + segment["t"])]
        if segment["conn"] in whole:
            pairs.append(("window", packet.window, segment["window"]))
        if segment["ack"] is not None:
            zero = zeros.setdefault(target, (packet.ack - segment["ack"]) % 2**32)
            pairs.append(("ack", packet.ack, (zero + segment["ack"]) % 2**32))
        # Told before an earlier packet moved the start of its connection.
        rule = "clock" if segment["conn"] in backwards else None
        rule = "frame_length" if packet.stream in misread else rule
        sheet.compare("tshark numbers", f"packet {segment['packet']} stream {packet.stream}", pairs,
                      lambda *_, rule=rule: rule)


def turned_back(synfin, packets):
    """The connections that hold a packet earlier than the one before it."""
    latest, found = {}, set()
    for segment in synfin["segments"]:
        if segment["packet"] in packets:
            time = packets[segment["packet"]].time
            if time < latest.get(segment["conn"], time):
                found.add(segment["conn"])
            latest[segment["conn"]] = time
    return found


def bits(flags):
    """A segment line's letters as the header's bits, without those of ECN."""
    return sum(1 << "FSRP.U".index(letter) for letter in set(flags) & set("FSRP.U"))


def compare_completeness(sheet, synfin, packets, completeness):
    merged = merged_streams(synfin, packets)
    held = collections.Counter(
        stream for stream, _ in {(packets[segment["packet"]].stream, segment["conn"])
                                 for segment in synfin["segments"]
                                 if segment["packet"] in packets})

    def rule_of(connection, theirs, ours):
        packet = packets.get(connection["first_packet"])
        if packet and packet.stream in merged:
            return "tunnels"
        if packet and held[packet.stream] > 1:
            return "stream_lives_on"
        return "foretold" if theirs == ours - 1 else None

    for connection in synfin["connections"]:
        theirs = completeness.get(connection["first_packet"])
        if theirs is not None:
            where = f"connection {connection['id']} packet {connection['first_packet']}"
            sheet.compare("tshark completeness", where, [
                ("completeness", theirs, connection["wireshark"]["completeness"])],
                lambda _, a, b, connection=connection: rule_of(connection, a, b))
