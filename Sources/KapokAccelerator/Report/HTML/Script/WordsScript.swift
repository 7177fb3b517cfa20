extension ReportScript {
    /// Numbers, operands and places as text.
    static let words = #"""
        // Numbers, operands and places as text.

        /** Texts about the run. */
        class Words {
          constructor(model) {
            this.model = model;
            this.facts = model.facts;
            this.perNanosecond = model.facts.ticksPerNanosecond;
          }

          /** A duration in ticks, with the unit that suits it. */
          time(ticks) {
            const ns = ticks / this.perNanosecond;
            const size = Math.abs(ns);
            if (size < 1e3) return `${trim(ns, size < 100 ? 2 : 1)} ns`;
            if (size < 1e6) return `${trim(ns / 1e3, 3)} us`;
            if (size < 1e9) return `${trim(ns / 1e6, 3)} ms`;
            return `${trim(ns / 1e9, 4)} s`;
          }

          /** A point in time: all digits, so that points near to each other differ. */
          point(ticks) {
            return `${grouped(ticks / this.perNanosecond, 2)} ns`;
          }

          percent(part, whole = this.model.makespan) {
            return whole > 0 ? `${((100 * part) / whole).toFixed(1)} %` : "0.0 %";
          }

          bytes(count) {
            const units = ["B", "KiB", "MiB", "GiB"];
            let value = count;
            let unit = 0;
            while (value >= 1024 && unit < units.length - 1) {
              value /= 1024;
              unit += 1;
            }
            return `${unit ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
          }

          opcode(instruction) {
            return this.facts.opcodes[this.model.columns.opcode[instruction]] ?? "?";
          }

          /** `#12 activation exp`. */
          instruction(instruction) {
            return `#${instruction} ${this.opcode(instruction)}${this.operation(instruction)}`;
          }

          operation(instruction) {
            const { operation0, operation1 } = this.model.columns;
            const opcode = this.opcode(instruction);
            if (opcode === "activation") {
              return ` ${this.facts.activations[operation0[instruction]] ?? ""}`;
            }
            const named = ["tensorTensor", "tensorScalar", "scalarTensorTensor", "tensorReduce",
              "tensorTensorScan", "affineSelect", "partitionReduce"];
            if (!named.includes(opcode)) return "";
            const first = this.facts.operations[operation0[instruction]] ?? "";
            const second = operation1[instruction]
              ? `, ${this.facts.operations[operation1[instruction]] ?? ""}` : "";
            return ` ${first}${second}`;
          }

          flags(instruction) {
            const names = ["accumulate", "transpose", "scalar0", "scalar1", "reverse0", "reverse1",
              "reduces", "negate", "stochastic", "doubleRow"];
            return names.filter((_, bit) => this.model.columns.flags[instruction] & (1 << bit));
          }

          /** The operands with their roles. */
          operands(instruction) {
            const columns = this.model.columns;
            const opcode = this.opcode(instruction);
            const hasCoefficients = opcode === "iota" || opcode === "affineSelect";
            const found = [];
            const add = (role, index) => {
              if (index > 0) found.push({ role, text: this.pattern(index - 1) });
            };
            const reduces = this.flags(instruction).includes("reduces");
            add("writes", columns.destination[instruction]);
            if (reduces) add("sums", columns.source1[instruction]);
            add("reads", columns.source0[instruction]);
            if (hasCoefficients) {
              const steps = [columns.source1, columns.source2].map((column) =>
                (column[instruction] - 1) | 0);
              found.push({ role: "steps", text: steps.join(", ") });
            } else {
              if (!reduces) add("reads", columns.source1[instruction]);
              add("reads", columns.source2[instruction]);
            }
            const immediates = [columns.immediate0, columns.immediate1].map((column) =>
              float(column[instruction]));
            if (immediates.some((value) => value !== 0)) {
              found.push({ role: "constants", text: immediates.join(", ") });
            }
            return found;
          }

          /** `sum: PSUM, 128 partitions x 512 fp32`. */
          pattern(index) {
            const columns = this.model.columns;
            if (index >= columns.patternSpace.length) return "?";
            const space = this.facts.spaces[columns.patternSpace[index]];
            const type = this.facts.types[columns.patternType[index]];
            const tile = columns.patternTile[index] - 1;
            const owner = space === "hbm"
              ? this.facts.tensors[columns.patternTensor[index]] : this.facts.tiles[tile];
            const first = columns.patternPartition[index];
            const partitions = columns.patternPartitions[index];
            const dimensions = [0, 1, 2, 3].map((number) => ({
              count: columns[`patternCount${number}`][index],
              stride: columns[`patternStride${number}`][index],
            })).filter((dimension) => dimension.count > 1);
            let dense = 1;
            for (const dimension of dimensions.slice().reverse()) {
              dimension.isDense = dimension.stride === dense;
              dense *= dimension.count;
            }
            const shape = dimensions.map((dimension) =>
              dimension.isDense ? dimension.count : `${dimension.count}(step ${dimension.stride})`);
            const rows = space === "hbm" ? `${partitions} rows` : `partitions ${first}-${
              first + partitions - 1}`;
            const offset = columns.patternOffset[index];
            return `${owner ?? "memory"}: ${space.toUpperCase()} ${rows}, ${
              shape.join(" x ") || "1"} ${type}${offset ? ` at byte ${offset}` : ""}`;
          }

          /** The tile that two instructions share, by number from 1. */
          tile(number) {
            return number > 0 ? this.facts.tiles[number - 1] ?? "" : "";
          }

          reason(number) {
            return this.facts.reasons[number] ?? "?";
          }

          rowName(unit) {
            return this.model.rowOf(unit)?.name ?? `unit ${unit}`;
          }

          /** `File.swift:12`, or nothing. */
          place(line) {
            const place = this.facts.lines[line];
            return place && place.line > 0 ? `${place.file}:${place.line}` : "";
          }

          /** The last part of a path. */
          shortPlace(line) {
            return this.place(line).split("/").pop();
          }

          /** The loops around an instruction, outermost first: `k 3, n 0`. */
          loops(instruction) {
            const columns = this.model.columns;
            if (instruction >= columns.iteration.length) return "";
            const parts = [];
            let iteration = columns.iteration[instruction] - 1;
            while (iteration >= 0 && parts.length < 16) {
              const name = this.facts.loops[columns.iterationLoop[iteration]] ?? "loop";
              parts.unshift(`${name} ${columns.iterationIndex[iteration]}`);
              iteration = columns.iterationParent[iteration] - 1;
            }
            return parts.join(", ");
          }
        }

        function trim(value, digits) {
          return value.toFixed(digits).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
        }

        function grouped(value, digits = 0) {
          const [whole, part] = value.toFixed(digits).split(".");
          const text = whole.replace(/\B(?=(\d{3})+$)/g, ",");
          return part ? `${text}.${part}` : text;
        }

        /** The float with these bits. */
        function float(bits) {
          const view = new DataView(new ArrayBuffer(4));
          view.setUint32(0, bits);
          return Number(view.getFloat32(0).toPrecision(7));
        }
        """#
}
