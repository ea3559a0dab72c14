"""Real Linux sockets: NAME.json tells what they did, NAME.pcap and NAME.srv.pcap what a tap at the
client and at the server saw of it."""
import json

OPEN = {"full": "handshake", "half_open": "incomplete", "midstream": "midstream",
        "refused": "refused", "simultaneous_open": "simultaneous", "syn_only": "unanswered"}
CLOSE = {"fin": "fin", "simultaneous_fin": "simultaneous", "rst": "reset", "none": "none",
         "timeout": "none"}
ENDS = ("client", "server")


class Between:
    """Equal to any number of [low, high]."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def __eq__(self, other):
        return self.low <= other <= self.high

    def __str__(self):
        return f"{self.low}..{self.high}"


def truth_of(capture):
    """The truth beside a capture, or None."""
    path = capture.parent / (capture.name.split(".")[0] + ".json")
    if not path.is_file():
        return None
    truth = json.loads(path.read_text())
    return truth if "kernel_counters_client" in truth else None


def role(record, truth, who):
    """The record's end that is the truth's client or server."""
    if who is None or record["client"]["ip"] == truth[f"{who}_ip"]:
        return who and "client"
    return "server"


def compare_life(sheet, truth, record):
    told, reset = truth["truth"], record["close"]["reset"]
    pairs = [("open", OPEN[told["open"]], record["open"]["how"]),
             ("close", CLOSE[told["close"]], record["close"]["how"]),
             ("resetter", role(record, truth, told["resetter"]), reset and reset["by"])]
    if told["close"] != "simultaneous_fin":
        pairs.append(("first_closer", role(record, truth, told["first_closer"]),
                      record["close"]["first"]))
    sheet.compare("kernel lives", f"connection {record['id']}", pairs)


def drops(truth, who):
    way = {"client": "c2s", "server": "s2c"}[who]
    return [entry for entry in truth.get("relay_log", ())
            if entry["dir"] == way and entry["what"] == "drop"]


def compare_resent(sheet, truth, records, who, is_near):
    """At the sender's own tap every resending passes; at the other those that the relay left."""
    counted = truth[f"kernel_counters_{who}"].get("TcpRetransSegs", 0)
    ends = [record[role(record, truth, who)] for record in records]
    lost = drops(truth, who)
    pairs = [("retransmitted_packets",
              counted if is_near else Between(max(0, counted - len(lost)), counted),
              sum(end["retransmitted_packets"] for end in ends))]
    octets = truth["kernel_tcp_info"].get(who, {}).get("bytes_retrans")
    if octets is not None:
        gone = sum(entry["len"] for entry in lost)
        pairs.append(("retransmitted_bytes",
                      octets if is_near else Between(max(0, octets - gone), octets),
                      sum(end["retransmitted_bytes"] for end in ends)))
    sheet.compare("kernel counters", who, pairs)


def compare(sheet, truth, capture, synfin):
    records = synfin["connections"]
    for record in records:
        compare_life(sheet, truth, record)
    near = "server" if ".srv." in capture.name else "client"
    for who in ENDS:
        compare_resent(sheet, truth, records, who, who == near)
