"""What was compared, what was equal, what is explained; and the table of it."""
import collections
import csv
import fnmatch
import pathlib

EXPLAINED = pathlib.Path(__file__).parent / "explained.tsv"

Difference = collections.namedtuple(
    "Difference", "comparison file where field theirs ours rule reason")


class Sheet:
    """The comparisons of one capture: plain data, so that a worker process can hand it back."""

    def __init__(self, name):
        self.name = name
        self.rows = collections.Counter()
        self.equal = collections.Counter()
        self.fields = collections.Counter()
        self.equal_fields = collections.Counter()
        self.differences = []
        self.notes = []

    def compare(self, comparison, where, pairs, rule_of=None):
        """One row: pairs is [(field, theirs, ours)]; rule_of(field, theirs, ours) names the class
        of differences, if any, that the harness has recognised; =NAME is a conversion: by each
        side's own definition both values came out of the packets exactly."""
        self.rows[comparison] += 1
        unequal = [pair for pair in pairs if not pair[1] == pair[2]]
        self.equal[comparison] += not unequal
        for field, theirs, ours in pairs:
            self.fields[comparison, field] += 1
            self.equal_fields[comparison, field] += theirs == ours
        for field, theirs, ours in unequal:
            rule = rule_of(field, theirs, ours) if rule_of else None
            self.differences.append(
                Difference(comparison, self.name, where, field, theirs, ours, rule, None))


def read_explained():
    """Rows of explained.tsv: comparison, file, where, field are patterns; reason is a sentence.
    `where` may be @RULE: all differences that the harness recognises as of that class; or
    =CONVERSION: those that it has recomputed."""
    with open(EXPLAINED, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def explains(row, difference):
    if not (fnmatch.fnmatch(difference.comparison, row["comparison"])
            and fnmatch.fnmatch(difference.file, row["file"])
            and fnmatch.fnmatch(difference.field, row["field"])):
        return False
    if row["where"].startswith("="):
        return difference.rule == row["where"]
    if row["where"].startswith("@"):
        return difference.rule == row["where"][1:]
    return fnmatch.fnmatch(difference.where, row["where"])


def is_converted(difference):
    return difference.reason is not None and (difference.rule or "").startswith("=")


def explain(difference, table, used):
    for number, row in enumerate(table):
        if explains(row, difference):
            used[number] += 1
            return difference._replace(reason=row["reason"])
    return difference


class Ledger:
    """All sheets together."""

    def __init__(self):
        self.table = read_explained()
        self.used = collections.Counter()
        self.total = Sheet("")
        self.explained, self.unexplained, self.notes = [], [], []
        self.captures = 0
        # Rows with an unexplained, with an only explained difference, by comparison.
        self.open_rows = collections.defaultdict(set)
        self.told_rows = collections.defaultdict(set)

    def add(self, sheet):
        self.captures += 1
        for name in ("rows", "equal", "fields", "equal_fields"):
            getattr(self.total, name).update(getattr(sheet, name))
        self.notes += [f"{sheet.name}: {note}" for note in sheet.notes]
        for difference in sheet.differences:
            difference = explain(difference, self.table, self.used)
            row = (difference.file, difference.where)
            (self.explained if difference.reason else self.unexplained).append(difference)
            if not difference.reason:
                self.open_rows[difference.comparison].add(row)
            elif not is_converted(difference):
                self.told_rows[difference.comparison].add(row)

    def comparisons(self):
        """[(comparison, rows, equal, converted, explained, unexplained)]; the last four add up to
        rows."""
        for name, rows in sorted(self.total.rows.items()):
            equal = self.total.equal[name]
            unexplained = len(self.open_rows[name])
            explained = len(self.told_rows[name] - self.open_rows[name])
            yield name, rows, equal, rows - equal - explained - unexplained, explained, unexplained

    def field_rows(self, comparison):
        """[(field, compared, equal, converted, explained, unexplained)] of one comparison."""
        counts = {kind: collections.Counter(d.field for d in differences
                                            if d.comparison == comparison)
                  for kind, differences in self.kinds().items()}
        for (name, field), count in sorted(self.total.fields.items()):
            if name == comparison:
                yield (field, count, self.total.equal_fields[name, field],
                       *(counts[kind][field] for kind in ("converted", "told", "open")))

    def kinds(self):
        return {"converted": [d for d in self.explained if is_converted(d)],
                "told": [d for d in self.explained if not is_converted(d)],
                "open": self.unexplained}

    def idle_rows(self):
        """Rows of explained.tsv that no difference needed."""
        return [row for number, row in enumerate(self.table) if not self.used[number]]

    def classes(self, kind):
        """[(comparison, reason, count, example)] of the differences of a kind, most first."""
        groups = collections.defaultdict(list)
        for difference in self.kinds()[kind]:
            groups[difference.comparison, difference.reason].append(difference)
        for (comparison, reason), group in sorted(groups.items(), key=lambda g: -len(g[1])):
            yield comparison, reason, len(group), f"{group[0].file} {group[0].where}"


def percent(part, whole):
    """Never 100.00 unless all are equal."""
    if part == whole:
        return "100"
    return f"{int(10000 * part / whole) / 100:.2f}"


def markdown(book, folders):
    """The table as docs/agreement.md holds it."""
    yield "# Agreement"
    yield ""
    yield f"{book.captures} captures ({', '.join(folders)}), written by `scripts/agree --markdown`."
    yield ("Every difference that is not listed by class below, or by name in "
           "`tests/agree/explained.tsv`, fails the run.")
    yield ""
    yield ("*Converted* are values of two definitions, both recomputed from the segment lines of "
           "`--json --segments`:")
    yield ("tcptrace's by tcptrace's rules, synfin's by the words of its field table. Each must "
           "come out exactly as printed.")
    yield "Why synfin defines otherwise: [tcptrace.md](tcptrace.md)."
    yield ""
    yield "| comparison | rows | equal | % | converted | % with these | explained | unexplained |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for name, *numbers in book.comparisons():
        yield markdown_row(name, *numbers)
    for name, *_ in book.comparisons():
        yield from markdown_fields(book, name)
    yield from markdown_classes("Conversions", book.classes("converted"))
    yield from markdown_classes("Differences, by class", book.classes("told"))


def markdown_row(name, count, equal, converted, explained, unexplained):
    return (f"| {name} | {count} | {equal} | {percent(equal, count)} | {converted} | "
            f"{percent(equal + converted, count)} | {explained} | {unexplained} |")


def markdown_fields(book, name):
    rows = list(book.field_rows(name))
    if len(rows) < 2:
        return
    yield ""
    yield f"## {name}, field by field"
    yield ""
    yield "| field | values | equal | % | converted | % with these | explained | unexplained |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for row in [*rows, ("all", *map(sum, zip(*(numbers for _, *numbers in rows))))]:
        yield markdown_row(*row)


def markdown_classes(title, classes):
    yield ""
    yield f"## {title}"
    yield ""
    yield "| comparison | values | reason | example |"
    yield "|---|--:|---|---|"
    for comparison, reason, count, example in classes:
        yield f"| {comparison} | {count} | {reason} | `{example}` |"


def show(difference):
    return (f"{difference.comparison}: {difference.file}: {difference.where}: {difference.field}: "
            f"theirs {difference.theirs}, ours {difference.ours}")
