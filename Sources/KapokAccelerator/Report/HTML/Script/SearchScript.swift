extension ReportScript {
    /// Finding instructions.
    static let search = #"""
        // Search: which instructions match, marks over the rows, stepping from one to the next.

        /** Finds instructions by number, opcode, operation, tile or source line. */
        class Search {
          constructor(report) {
            this.report = report;
            this.text = "";
            this.found = new Int32Array(0);
            this.isFound = new Uint8Array(report.model.count);
            this.current = nothing;
          }

          /**
           * `#12` is an instruction; `12`, `File.swift` and `File.swift:12` are source lines;
           * anything else is part of an opcode, or the name of an operation or a tile.
           */
          run(text) {
            const { model } = this.report;
            this.text = text.trim();
            this.isFound.fill(0);
            const matches = this.text ? this.matcher(this.text.toLowerCase()) : () => false;
            let count = 0;
            for (let i = 0; i < model.count; i++) {
              if (!matches(i)) continue;
              this.isFound[i] = 1;
              count += 1;
            }
            this.found = new Int32Array(count);
            for (let i = 0, next = 0; i < model.count; i++) {
              if (this.isFound[i]) this.found[next++] = i;
            }
            this.current = nothing;
          }

          matcher(text) {
            const { columns } = this.report.model;
            const number = text.match(/^#(\d+)$/);
            if (number) return (i) => i === Number(number[1]);
            const lines = this.matchingLines(text);
            const opcodes = this.matchingOpcodes(text);
            const patterns = this.matchingPatterns(text);
            const { destination, source0, source1, source2 } = columns;
            const operands = [destination, source0, source1, source2];
            return (i) => lines[columns.line[i]] || opcodes[columns.opcode[i]]
              || operands.some((operand) => patterns[operand[i] - 1])
              || this.report.words.operation(i).toLowerCase() === ` ${text}`;
          }

          matchingLines(text) {
            return this.report.facts.lines.map(({ file, line }) => {
              if (line === 0) return false;
              if (/^\d+$/.test(text)) return line === Number(text);
              return /[.:/]/.test(text) && `${file}:${line}`.toLowerCase().endsWith(text)
                || /[./]/.test(text) && file.toLowerCase().endsWith(text);
            });
          }

          matchingOpcodes(text) {
            const matching = new Array(256).fill(false);
            for (const [number, name] of Object.entries(this.report.facts.opcodes)) {
              matching[number] = name.toLowerCase().includes(text);
            }
            return matching;
          }

          matchingPatterns(text) {
            const { facts, model } = this.report;
            const tiles = facts.tiles.map((name) => name.toLowerCase() === text);
            if (!tiles.some(Boolean)) return [];
            return Array.from(model.columns.patternTile, (tile) => tiles[tile - 1] ?? false);
          }

          /** Selects the next match after the current one, or before it. */
          next(direction) {
            if (!this.found.length) return;
            const count = this.found.length;
            if (this.current === nothing) this.current = direction > 0 ? 0 : count - 1;
            else this.current = (this.current + direction + count) % count;
            this.report.select({ kind: "instruction", index: this.found[this.current] }, true);
            this.report.showCount();
          }

          /** Marks over the matches in view. */
          draw(context, view, layout) {
            if (!this.found.length) return;
            context.fillStyle = this.report.palette.found;
            for (const band of layout.bands) {
              if (band.kind !== "unit") continue;
              const { starts, ends, items } = band.row.spans;
              const y = band.y + band.work[0] + band.work[1] - 4;
              let drawn = -Infinity;
              const first = Math.max(0, band.row.spans.after(view.from) - 1);
              for (let i = first; i < items.length && starts[i] < view.to; i++) {
                if (!this.isFound[items[i]]) continue;
                const left = Math.max(view.x(starts[i]), view.left);
                const right = Math.min(view.x(ends[i]), view.left + view.width);
                if (right < drawn + 0.5 || right < view.left) continue;
                drawn = Math.max(right, left + 1.5);
                context.fillRect(left, y, drawn - left, 4);
              }
            }
          }
        }
        """#
}
