extension ReportScript {
    /// Draws memory in use and DMA throughput.
    static let strips = #"""
        // Strips below the rows: memory in use, throughput of the DMA engines.

        /** A quantity over time. */
        class Strip {
          constructor(name, capacity, colour) {
            this.name = name;
            this.capacity = capacity;
            this.colour = colour;
          }

          /** Draws the quantity as an area; the highest value of each column of pixels counts. */
          draw(context, view, y, height, palette) {
            context.fillStyle = palette[this.colour];
            const state = this.begin(view.from);
            fillArea(context, view, y, height, (from, to) =>
              this.next(state, from, to) / this.peak);
          }
        }

        /** Bytes in use, which change in steps. */
        class MemoryStrip extends Strip {
          constructor(name, capacity, times, bytes) {
            super(name, capacity, "memory");
            this.times = times;
            this.bytes = bytes;
            this.peak = bytes.reduce((most, value) => Math.max(most, value), 0);
          }

          begin(time) {
            return { next: upperBound(this.times, time, 0, this.times.length) };
          }

          next(state, from, to) {
            let value = state.next > 0 ? this.bytes[state.next - 1] : 0;
            while (state.next < this.times.length && this.times[state.next] < to) {
              value = Math.max(value, this.bytes[state.next]);
              state.next += 1;
            }
            return value;
          }

          valueAt(time) {
            const next = upperBound(this.times, time, 0, this.times.length);
            return next > 0 ? this.bytes[next - 1] : 0;
          }

          describe(time, words) {
            const share = words.percent(this.valueAt(time), this.capacity);
            return `${this.name}: ${words.bytes(this.valueAt(time))} in use, ${share} of ${
              words.bytes(this.capacity)}`;
          }

          caption(words) {
            return `peak ${words.bytes(this.peak)}, ${words.percent(this.peak, this.capacity)}`;
          }
        }

        /** Bytes moved in equal parts of the run. */
        class ThroughputStrip extends Strip {
          constructor(name, partTicks, bytes, perNanosecond) {
            super(name, 0, "dma");
            this.partTicks = partTicks;
            this.rates = Float64Array.from(bytes, (count) => (count / partTicks) * perNanosecond);
            this.peak = this.rates.reduce((most, value) => Math.max(most, value), 0);
          }

          begin() {
            return {};
          }

          next(_, from, to) {
            const first = Math.floor(from / this.partTicks);
            const last = Math.max(first + 1, Math.ceil(to / this.partTicks));
            let value = 0;
            for (let part = first; part < last; part++) {
              value = Math.max(value, this.rates[part] ?? 0);
            }
            return value;
          }

          valueAt(time) {
            return this.rates[Math.floor(time / this.partTicks)] ?? 0;
          }

          describe(time) {
            return `${this.name}: ${this.valueAt(time).toFixed(1)} bytes/ns`;
          }

          caption() {
            return `peak ${this.peak.toFixed(1)} bytes/ns`;
          }
        }

        function makeStrips(model) {
          const { facts, columns } = model;
          const strips = [
            new MemoryStrip("SBUF", facts.sbufCapacity, columns.memoryTime, columns.sbufBytes),
            new MemoryStrip("PSUM", facts.psumCapacity, columns.memoryTime, columns.psumBytes),
            new ThroughputStrip(
              "throughput", facts.movedPartTicks, columns.movedBytes, facts.ticksPerNanosecond),
          ];
          return strips.filter((strip) => strip.peak > 0);
        }
        """#
}
