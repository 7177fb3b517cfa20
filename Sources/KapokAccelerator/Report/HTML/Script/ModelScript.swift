extension ReportScript {
    /// The run as columns, and what is looked up in them.
    static let model = #"""
        // The run: columns as typed arrays, and what is looked up in them.

        const unitCount = 6;
        const rowOrder = [1, 0, 2, 3, 4, 5];
        const nothing = -1;
        const programEnd = 16;

        /** Unpacks the columns of the report: zlib, then varints (see PackedColumns.swift). */
        async function unpackColumns(base64, entries) {
          const text = atob(base64.trim());
          const packed = new Uint8Array(text.length);
          for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
          const unpacker = new DecompressionStream("deflate");
          const stream = new Blob([packed]).stream().pipeThrough(unpacker);
          const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
          const columns = {};
          for (const entry of entries) columns[entry.name] = unpackColumn(bytes, entry);
          return columns;
        }

        function unpackColumn(bytes, entry) {
          const values = entry.isWide ? new Float64Array(entry.count) : new Int32Array(entry.count);
          let at = entry.offset;
          let previous = 0;
          for (let i = 0; i < entry.count; i++) {
            let byte = bytes[at++];
            let value = byte & 127;
            for (let scale = 128; byte > 127; scale *= 128) {
              byte = bytes[at++];
              value += (byte & 127) * scale;
            }
            if (entry.isDelta) {
              value = previous + (value % 2 ? -(value + 1) / 2 : value / 2);
              previous = value;
            }
            values[i] = value;
          }
          return values;
        }

        /** The first index in low ..< high with values[index] > value. */
        function upperBound(values, value, low, high) {
          while (low < high) {
            const middle = (low + high) >> 1;
            if (values[middle] > value) high = middle;
            else low = middle + 1;
          }
          return low;
        }

        /** A typed array of `value(0)` to `value(length - 1)`. */
        function tabulate(ArrayType, length, value) {
          const values = new ArrayType(length);
          for (let i = 0; i < length; i++) values[i] = value(i);
          return values;
        }

        /** Spans of one row in order of time; none overlaps the next. */
        class Spans {
          constructor(starts, ends, items) {
            this.starts = starts;
            this.ends = ends;
            /** What each span is: an instruction, a segment or a stall. */
            this.items = items;
            this.count = starts.length;
            this.sums = new Float64Array(this.count + 1);
            for (let i = 0; i < this.count; i++) {
              this.sums[i + 1] = this.sums[i] + ends[i] - starts[i];
            }
          }

          /** The index after the last span that starts at or before a time. */
          after(time, from = 0) {
            // Most searches go on from the last one: gallop first.
            let step = 1;
            let low = from;
            let high = from;
            while (high < this.count && this.starts[high] <= time) {
              low = high + 1;
              high += step;
              step *= 2;
            }
            return upperBound(this.starts, time, low, Math.min(high, this.count));
          }

          /** How much of 0 ..< time is covered; `after` is what after(time) gives. */
          covered(time, after) {
            if (after === 0) return 0;
            const last = after - 1;
            return this.sums[last] + Math.min(time, this.ends[last]) - this.starts[last];
          }

          /** How much of from ..< to is covered. */
          coveredBetween(from, to) {
            return this.covered(to, this.after(to)) - this.covered(from, this.after(from));
          }

          /** The span at a time, or the nearest within `slack`; -1 when there is none. */
          at(time, slack) {
            const next = this.after(time);
            const last = next - 1;
            if (last >= 0 && time < this.ends[last]) return last;
            const before = last >= 0 ? time - this.ends[last] : Infinity;
            const behind = next < this.count ? this.starts[next] - time : Infinity;
            if (Math.min(before, behind) > slack) return nothing;
            return before <= behind ? last : next;
          }
        }

        /** Idle times of a row, with sums by reason of every 64 of them for drawing from afar. */
        class StallSpans extends Spans {
          constructor(starts, ends, items, reasons) {
            super(starts, ends, items);
            this.reasons = reasons;
            const blocks = Math.ceil(this.count / 64);
            this.blockSums = new Float64Array(blocks * 17);
            for (let i = 0; i < this.count; i++) {
              this.blockSums[(i >> 6) * 17 + reasons[i]] += ends[i] - starts[i];
            }
          }

          /** Adds up the time of each reason in from ..< to. */
          addReasons(from, to, sums) {
            let i = Math.max(0, this.after(from) - 1);
            while (i < this.count && this.starts[i] < to) {
              const isWhole = (i & 63) === 0 && i + 64 <= this.count && this.starts[i] >= from
                && this.ends[i + 63] <= to;
              if (isWhole) {
                for (let reason = 1; reason < 17; reason++) {
                  sums[reason] += this.blockSums[(i >> 6) * 17 + reason];
                }
                i += 64;
              } else {
                const part = Math.min(to, this.ends[i]) - Math.max(from, this.starts[i]);
                if (part > 0) sums[this.reasons[i]] += part;
                i += 1;
              }
            }
          }
        }

        /** Everything that is known about the run. */
        class Model {
          constructor(facts, columns) {
            this.facts = facts;
            this.columns = columns;
            this.makespan = facts.makespan;
            this.count = columns.opcode.length;
            const count = this.count;
            this.start = Float64Array.from(columns.start);
            this.busyEnd = new Float64Array(count);
            this.end = new Float64Array(count);
            for (let i = 0; i < count; i++) {
              this.busyEnd[i] = this.start[i] + columns.interval[i];
              this.end[i] = this.busyEnd[i] + columns.latency[i];
            }
            const { stallStart, stallDuration } = columns;
            this.stallEnd = tabulate(Float64Array, stallStart.length, (i) =>
              stallStart[i] + stallDuration[i]);
            this.transferOf = new Map();
            columns.transferInstruction.forEach((i, index) => this.transferOf.set(i, index));
            this.makeRows();
            this.indexWaits();
            this.indexStalls();
          }

          makeRows() {
            const columns = this.columns;
            const instructionsOf = group(columns.unit, unitCount, this.count);
            this.rows = rowOrder.map((unit) => {
              const items = instructionsOf(unit);
              const spans = new Spans(
                tabulate(Float64Array, items.length, (i) => this.start[items[i]]),
                tabulate(Float64Array, items.length, (i) => this.busyEnd[items[i]]), items);
              return this.row(unit, spans, false);
            });
            for (let engine = 0; engine < this.facts.dmaEngines; engine++) {
              const [first, last] = columns.segmentFirst.subarray(engine, engine + 2);
              this.rows.push(this.row(unitCount + engine, this.segments(first, last), true));
            }
            this.dmaRows = this.rows.filter((row) => row.isDMA);
          }

          segments(first, last) {
            const { segmentStart, segmentDuration } = this.columns;
            const starts = Float64Array.from(segmentStart.subarray(first, last));
            const ends = tabulate(Float64Array, last - first, (i) =>
              starts[i] + segmentDuration[first + i]);
            return new Spans(starts, ends, tabulate(Int32Array, last - first, (i) => first + i));
          }

          row(unit, spans, isDMA) {
            const { stallUnit, stallStart, stallReason } = this.columns;
            const first = upperBound(stallUnit, unit - 1, 0, stallUnit.length);
            const last = upperBound(stallUnit, unit, first, stallUnit.length);
            const items = tabulate(Int32Array, last - first, (i) => first + i);
            const stalls = new StallSpans(
              Float64Array.from(stallStart.subarray(first, last)),
              this.stallEnd.subarray(first, last), items, stallReason.subarray(first, last));
            const engine = this.facts.engines.find((candidate) => candidate.unit === unit);
            return { unit, name: engine?.name ?? `unit ${unit}`, engine, spans, stalls, isDMA };
          }

          /** Waits of each consumer lie side by side; those of each producer are grouped. */
          indexWaits() {
            const { waitConsumer, waitBack } = this.columns;
            const count = waitConsumer.length;
            this.waitProducer = tabulate(Int32Array, count, (edge) =>
              waitConsumer[edge] - waitBack[edge]);
            this.waitsOf = group(waitConsumer, this.count, count);
            this.waitersFor = group(this.waitProducer, this.count, count);
          }

          /** Where the stalls before an instruction, on its own unit, begin. */
          indexStalls() {
            const { stallVictim, stallUnit } = this.columns;
            this.firstStallOf = new Int32Array(this.count).fill(nothing);
            for (let i = stallVictim.length - 1; i >= 0; i--) {
              const victim = stallVictim[i] - 1;
              if (victim >= 0 && stallUnit[i] < unitCount) this.firstStallOf[victim] = i;
            }
          }

          /** The stalls right before an instruction, in order of time. */
          stallsBefore(instruction) {
            const found = [];
            for (let i = this.firstStallOf[instruction]; i >= 0; i++) {
              if (this.columns.stallVictim[i] - 1 !== instruction) break;
              if (this.columns.stallUnit[i] !== this.columns.unit[instruction]) break;
              found.push(i);
            }
            return found;
          }

          rowOf(unit) {
            return this.rows.find((row) => row.unit === unit);
          }

          /** The unit and time at which an instruction has done its work: where arrows begin. */
          resultOf(instruction) {
            const transfer = this.transferOf.get(instruction);
            if (transfer === undefined || !this.dmaRows.length) {
              return { unit: this.columns.unit[instruction], time: this.busyEnd[instruction] };
            }
            const { transferTriggered, transferEnd } = this.columns;
            const time = transferTriggered[transfer] + transferEnd[transfer];
            for (const row of this.dmaRows) {
              const last = row.spans.after(time) - 1;
              if (last < 0 || row.spans.ends[last] !== time) continue;
              if (this.columns.segmentInstruction[row.spans.items[last]] === instruction) {
                return { unit: row.unit, time };
              }
            }
            return { unit: this.dmaRows[0].unit, time };
          }

          isDMA(instruction) {
            return this.transferOf.has(instruction);
          }
        }

        /** For each key, the range of its indices in an array of indices grouped by key. */
        function group(keys, keyCount, count) {
          const first = new Int32Array(keyCount + 1);
          for (let i = 0; i < count; i++) first[keys[i] + 1] += 1;
          for (let key = 0; key < keyCount; key++) first[key + 1] += first[key];
          const next = first.slice();
          const indices = new Int32Array(count);
          for (let i = 0; i < count; i++) indices[next[keys[i]]++] = i;
          return (key) => indices.subarray(first[key], first[key + 1]);
        }
        """#
}
