"""Reads a trace that Kapok exported with the protobuf classes of PyPI's `perfetto`, and holds every slice
against Kapok's CSV tables of the same run.

    perfetto_decode.py TRACE [--tables FOLDER]

Prints what is in the trace; with tables (instructions.csv, stalls.csv, segments.csv) also how many slices
were compared: names, begin and end in ticks, rows, order, source lines, instruction numbers, culprits. Any
difference ends it with an error.
"""

import argparse
import collections
import csv
import os
import re
import sys
import zlib

from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb

NEEDS_STATE = pb.TracePacket.SEQ_NEEDS_INCREMENTAL_STATE
CLEARED = pb.TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
BOOT_TIME = pb.BUILTIN_CLOCK_BOOTTIME

# begin and end are exact ticks; file is None where there is no source line.
Slice = collections.namedtuple(
    "Slice", "name begin end file line instruction culprit is_shared flows terminating")


class TraceError(Exception):
    """The trace breaks a rule of its format or of docs/profile-formats.md."""


def require(condition, what):
    if not condition:
        raise TraceError(what)


def varint(data, at):
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def packets(data):
    """The packets of a trace, one block in memory at a time; compressed ones are unpacked."""
    at = 0
    while at < len(data):
        require(data[at] == 0x0A, f"byte {at} begins no packet")
        length, start = varint(data, at + 1)
        at = start + length
        require(at <= len(data), "the last packet is cut")
        packet = pb.TracePacket.FromString(data[start:at])
        if packet.WhichOneof("data") == "compressed_packets":
            yield from pb.Trace.FromString(zlib.decompress(packet.compressed_packets)).packet
        else:
            yield packet


class Sequence:
    """The incremental state of one packet sequence."""

    def __init__(self):
        self.is_valid = False

    def clear(self, packet):
        defaults = packet.trace_packet_defaults
        self.is_valid = True
        self.clock = defaults.timestamp_clock_id
        self.track = defaults.track_event_defaults.track_uuid
        self.names, self.annotations, self.lines = {}, {}, {}
        clocks = {clock.clock_id: clock for clock in packet.clock_snapshot.clocks}
        require(clocks[self.clock].is_incremental, "the sequence's clock is not incremental")
        require(clocks[BOOT_TIME].timestamp == 0, "the trace does not begin at 0")
        self.time = clocks[self.clock].timestamp

    def intern(self, data):
        for table, entries in (
                (self.names, data.event_names), (self.annotations, data.debug_annotation_names),
                (self.lines, data.source_locations)):
            for entry in entries:
                require(entry.iid not in table, f"name {entry.iid} is interned twice")
                table[entry.iid] = entry

    def advance(self, packet):
        require(packet.HasField("timestamp"), "an event has no time")
        require(packet.sequence_flags & NEEDS_STATE, "an event does not ask for its state")
        require(not packet.timestamp_clock_id, "an event has a clock of its own")
        self.time += packet.timestamp
        return self.time


class Trace:
    """All rows of a trace: `slices` by name of the row, `counters` by name of the row."""

    def __init__(self, path):
        self.tracks, self.slices, self.counters = {}, {}, {}
        self.packet_count = 0
        sequences = collections.defaultdict(Sequence)
        open_slices = {}
        with open(path, "rb") as file:
            data = file.read()
        self.size = len(data)
        for packet in packets(data):
            self.packet_count += 1
            require(packet.trusted_packet_sequence_id, "a packet belongs to no sequence")
            sequence = sequences[packet.trusted_packet_sequence_id]
            if packet.HasField("track_descriptor"):
                self.describe(packet.track_descriptor)
                continue
            if packet.sequence_flags & CLEARED:
                sequence.clear(packet)
            require(sequence.is_valid, "a packet before its sequence began")
            if packet.HasField("interned_data"):
                sequence.intern(packet.interned_data)
            if packet.HasField("track_event"):
                self.event(packet, sequence, open_slices)
        require(not open_slices, f"slices without an end: {open_slices}")
        self.slice_count = sum(len(slices) for slices in self.slices.values())

    def describe(self, track):
        require(track.uuid not in self.tracks, f"track {track.uuid} is described twice")
        self.tracks[track.uuid] = track
        if not track.HasField("parent_uuid"):
            # What ticks are stands in the description of the outermost row.
            facts = dict(re.findall(r"(\w+)=(\d+)", track.description))
            require(facts["version"] == "1", f"version {facts['version']}")
            self.makespan = int(facts["makespanTicks"])
            self.remainders = int(facts["remainders"])
            self.ticks_per_second = int(facts["ticksPerSecond"])

    def first_tick(self, nanosecond):
        return -(-nanosecond * self.ticks_per_second // 1_000_000_000)

    def event(self, packet, sequence, open_slices):
        event = packet.track_event
        time = sequence.advance(packet)
        require(sequence.track in self.tracks, "an event on no track")
        row = self.tracks[sequence.track].name
        if event.type == event.TYPE_SLICE_BEGIN:
            require(row not in open_slices, f"{row}: a slice begins inside of another")
            open_slices[row] = (time, event)
        elif event.type == event.TYPE_SLICE_END:
            require(row in open_slices, f"{row}: an end without a begin")
            begin, opening = open_slices.pop(row)
            self.slices.setdefault(row, []).append(
                self.slice(begin, time, opening, sequence))
        else:
            require(event.type == event.TYPE_COUNTER, f"an event of type {event.type}")
            value = (event.double_counter_value if event.HasField("double_counter_value")
                     else event.counter_value)
            self.counters.setdefault(row, []).append((time, value))

    def slice(self, begin, end, event, sequence):
        number, at_end = divmod(event.name_iid - 1, self.remainders)
        at_begin = number % self.remainders
        values = {}
        for annotation in event.debug_annotations:
            name = sequence.annotations[annotation.name_iid].name
            values[name] = (annotation.bool_value if annotation.HasField("bool_value")
                            else annotation.uint_value)
        file, line = None, None
        if event.source_location_iid:
            place = sequence.lines[event.source_location_iid]
            file, line = place.file_name, place.line_number
        return Slice(
            sequence.names[event.name_iid].name, self.first_tick(begin) + at_begin,
            self.first_tick(end) + at_end, file, line, values.get("instruction"),
            values.get("culprit"), values.get("another cause lasts as long", False),
            tuple(event.flow_ids), tuple(event.terminating_flow_ids))


# What Kapok's tables say


def rows(folder, table):
    with open(os.path.join(folder, f"{table}.csv"), newline="") as file:
        head = file.readline()
        require(head.startswith(f"# kapok.profile.{table} version 1;"), head)
        yield from csv.DictReader(file)


def row_name(unit):
    return "tensor" if unit == "tensorMultiply" else unit


def number(text):
    return int(text) if text else None


class Expected:
    """The slices that the tables promise, and the waits between instructions."""

    def __init__(self, folder):
        self.slices = collections.defaultdict(list)
        self.waits = []
        places, opcodes = {}, {}
        for row in rows(folder, "instructions"):
            index = int(row["index"])
            places[index] = (row["file"] or None, number(row["line"]))
            opcodes[index] = row["opcode"]
            self.slices[row_name(row["unit"])].append(self.slice(
                row["opcode"], row["start_ticks"], row["busy_end_ticks"], places[index], index))
            for wait in row["waits_for"].split():
                self.waits.append((int(wait.split(":")[0]), index))
        for row in rows(folder, "stalls"):
            self.slices[row_name(row["unit"]) + " stalls"].append(self.slice(
                row["reason"], row["start_ticks"], row["end_ticks"], (None, None),
                culprit=number(row["culprit"]), is_shared=row["is_shared"] == "1"))
        for row in rows(folder, "segments"):
            index = int(row["instruction"])
            self.slices[row["unit"]].append(self.slice(
                opcodes[index], row["start_ticks"], row["end_ticks"], places[index], index))

    @staticmethod
    def slice(name, begin, end, place, instruction=None, culprit=None, is_shared=False):
        return Slice(
            name, int(begin), int(end), place[0], place[1], instruction, culprit, is_shared, (), ())


def compare(trace, expected):
    """Raises what differs first; returns how many slices and arrows were compared."""
    require(set(trace.slices) == set(expected.slices),
            f"rows {sorted(trace.slices)} for {sorted(expected.slices)}")
    compared = 0
    for row, slices in expected.slices.items():
        found = trace.slices[row]
        require(len(found) == len(slices), f"{row}: {len(found)} slices for {len(slices)}")
        for index, (one, other) in enumerate(zip(found, slices)):
            one = one._replace(flows=(), terminating=())
            require(one == other, f"{row}, slice {index}: {one} for {other}")
            compared += 1
    return compared, compare_flows(trace, expected)


def compare_flows(trace, expected):
    begins, ends = {}, {}
    for row, slices in trace.slices.items():
        for slice in slices:
            for flow in slice.flows:
                require(flow not in begins, f"arrow {flow} begins twice")
                begins[flow] = (row, slice)
            for flow in slice.terminating:
                require(flow not in ends, f"arrow {flow} ends twice")
                ends[flow] = (row, slice)
    require(set(begins) == set(ends), "arrows without an end or a begin")
    waits = collections.Counter()
    for flow, (row, slice) in begins.items():
        other_row, other = ends[flow]
        require(slice.begin <= other.begin, f"arrow {flow} leads back in time")
        if other_row.startswith("dma"):
            # From a trigger to the first packets of its transfer.
            require(slice.instruction == other.instruction, f"arrow {flow} to another transfer")
        else:
            waits[(slice.instruction, other.instruction)] += 1
    require(waits == collections.Counter(expected.waits), "arrows are not the waits")
    return len(begins)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("trace")
    parser.add_argument("--tables")
    arguments = parser.parse_args()
    trace = Trace(arguments.trace)
    print(f"{trace.size} bytes, {trace.packet_count} packets, {trace.slice_count} slices, "
          f"{trace.size / max(1, trace.slice_count):.2f} bytes a slice, "
          f"{len(trace.tracks)} tracks, counters: {', '.join(trace.counters) or 'none'}")
    if arguments.tables:
        slices, arrows = compare(trace, Expected(arguments.tables))
        print(f"{slices} slices and {arrows} arrows are as the tables say")


if __name__ == "__main__":
    try:
        main()
    except TraceError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
