extension ReportScript {
    /// Draws what units did and what they waited for.
    static let rows = #"""
        // The rows of the timeline: what units did, what they waited for.

        /**
         * Rows from afar: blocks of pixels, computed in memory, a column for each of the screen's,
         * which costs the same however much there is to see.
         */
        class PixelBlocks {
          constructor() {
            this.canvas = document.createElement("canvas");
            this.blocks = [];
          }

          /** Begins a frame for blocks as wide as the view. */
          begin(view) {
            this.ratio = window.devicePixelRatio || 1;
            this.columns = Math.max(1, Math.round(view.width * this.ratio));
            this.blocks = [];
          }

          /** A block to fill with pixels, line by line; its lines are stretched to the height. */
          add(y, height, lines) {
            const pixels = new Uint32Array(this.columns * lines);
            this.blocks.push({ pixels, lines, y, height });
            return pixels;
          }

          /** Draws all blocks. */
          end(context, view) {
            if (!this.blocks.length) return;
            const total = this.blocks.reduce((sum, { lines }) => sum + lines, 0);
            this.canvas.width = this.columns;
            this.canvas.height = total;
            const image = new ImageData(this.columns, total);
            const all = new Uint32Array(image.data.buffer);
            let line = 0;
            for (const block of this.blocks) {
              all.set(block.pixels, line * this.columns);
              line += block.lines;
            }
            this.canvas.getContext("2d").putImageData(image, 0, 0);
            context.imageSmoothingEnabled = false;
            line = 0;
            for (const { lines, y, height } of this.blocks) {
              context.drawImage(
                this.canvas, 0, line, this.columns, lines, view.left, y, view.width, height);
              line += lines;
            }
          }
        }

        /** Draws spans into a canvas. Every method takes the part of the run that is in view. */
        class RowPainter {
          constructor(model, words, palette) {
            this.model = model;
            this.words = words;
            this.palette = palette;
            this.sums = new Float64Array(17);
            this.blocks = new PixelBlocks();
            this.opcodeShade = new Map();
            for (const row of model.rows) this.assignShades(row);
          }

          /** Opcodes of a row take turns with the shades of ink, so that neighbours differ. */
          assignShades(row) {
            if (row.isDMA) return;
            const used = new Set();
            for (const item of row.spans.items) used.add(this.model.columns.opcode[item]);
            [...used].sort((a, b) => a - b).forEach((opcode, order) => {
              this.opcodeShade.set(row.unit * 256 + opcode, order);
            });
          }

          shadeOf(row, instruction) {
            const key = row.unit * 256 + this.model.columns.opcode[instruction];
            return (this.opcodeShade.get(key) ?? 0) % this.palette.busy.length;
          }

          instructionOf(row, item) {
            return row.isDMA ? this.model.columns.segmentInstruction[item] : item;
          }

          /** What a unit worked on, in y ..< y + height. */
          work(context, view, row, y, height) {
            const spans = row.spans;
            const first = Math.max(0, spans.after(view.from) - 1);
            const last = spans.after(view.to, first);
            if (last - first > view.width / 3) this.dense(view, row, y, height);
            else this.sparse(context, view, row, y, height, first, last);
          }

          /** From afar: each column of pixels as dark as its share of work. */
          dense(view, row, y, height) {
            const { spans } = row;
            const shades = row.isDMA ? this.palette.dmaShades : this.palette.shades[0];
            const pixels = this.blocks.add(y, height, 1);
            const { ratio } = this.blocks;
            let after = spans.after(view.from);
            let before = spans.covered(view.from, after);
            for (let column = 0; column < pixels.length; column++) {
              const time = view.timeAt((column + 1) / ratio);
              after = spans.after(time, Math.max(0, after - 1));
              const covered = spans.covered(time, after);
              const share = (covered - before) * view.scale * ratio;
              before = covered;
              if (share > 0) pixels[column] = shades[clamp(Math.round(share * 16), 1, 16)];
            }
          }

          /** From near: each span by itself, with its name when there is room. */
          sparse(context, view, row, y, height, first, last) {
            const { starts, ends, items } = row.spans;
            context.font = `11px ${labelFont}`;
            context.textBaseline = "middle";
            for (let i = first; i < last; i++) {
              const x = view.x(starts[i]);
              const width = view.x(ends[i]) - x;
              if (x + width < view.left) continue;
              const instruction = this.instructionOf(row, items[i]);
              context.fillStyle = row.isDMA
                ? this.palette.dma : this.palette.busy[this.shadeOf(row, instruction)];
              // A hair of paper keeps neighbours apart.
              context.fillRect(x, y, Math.max(1, width - (width > 3 ? 1 : 0)), height);
              if (width > 34 && height > 11) {
                this.label(context, view, instruction, { x, y, width, height });
              }
            }
          }

          label(context, view, instruction, { x, y, width, height }) {
            const from = Math.max(x, view.left) + 5;
            const room = Math.min(x + width, view.left + view.width) - from - 5;
            if (room < 24) return;
            let text = `${this.words.opcode(instruction)}${this.words.operation(instruction)}`;
            const longer = `${text}  #${instruction}`;
            if (context.measureText(longer).width <= room) text = longer;
            while (text.length > 3 && context.measureText(text).width > room) {
              text = `${text.slice(0, -2)}\u2026`;
            }
            if (text.length <= 3) return;
            context.fillStyle = this.palette.onBusy;
            context.fillText(text, from, y + height / 2 + 0.5);
          }

          /** What a unit waited for. */
          stalls(context, view, row, y, height) {
            const spans = row.stalls;
            const first = Math.max(0, spans.after(view.from) - 1);
            const last = spans.after(view.to, first);
            if (last - first > view.width / 3) {
              this.denseStalls(view, row, y, height);
              return;
            }
            for (let i = first; i < last; i++) {
              const x = view.x(spans.starts[i]);
              const width = view.x(spans.ends[i]) - x;
              if (x + width < view.left) continue;
              context.fillStyle = this.palette.reasons[spans.reasons[i]];
              context.fillRect(x, y, Math.max(0.75, width), height);
            }
          }

          /** From afar: each column of pixels filled from below, by each reason with its share. */
          denseStalls(view, row, y, height) {
            const { sums } = this;
            const pixels = this.blocks.add(y, height, height);
            const { ratio, columns } = this.blocks;
            const linesPerTick = view.scale * ratio * height;
            for (let column = 0; column < columns; column++) {
              sums.fill(0);
              const from = view.timeAt(column / ratio);
              row.stalls.addReasons(from, view.timeAt((column + 1) / ratio), sums);
              let total = 0;
              let level = 0;
              for (let reason = 1; reason < 17; reason++) {
                if (sums[reason] === 0) continue;
                total += sums[reason];
                // What little there is still shows.
                const top = Math.min(height, Math.max(1, Math.round(total * linesPerTick)));
                for (; level < top; level++) {
                  const line = height - 1 - level;
                  pixels[line * columns + column] = this.palette.reasonPixels[reason];
                }
              }
            }
          }

          /** How many DMA engines moved data: an area from 0 to all of them. */
          dmaLoad(context, view, y, height) {
            const rows = this.model.dmaRows;
            const afters = new Int32Array(rows.length);
            const befores = new Float64Array(rows.length);
            rows.forEach((row, i) => {
              afters[i] = row.spans.after(view.from);
              befores[i] = row.spans.covered(view.from, afters[i]);
            });
            context.fillStyle = this.palette.dma;
            fillArea(context, view, y, height, (from, to) => {
              let sum = 0;
              for (let i = 0; i < rows.length; i++) {
                const { spans } = rows[i];
                afters[i] = spans.after(to, Math.max(0, afters[i] - 1));
                const covered = spans.covered(to, afters[i]);
                sum += covered - befores[i];
                befores[i] = covered;
              }
              return (sum * view.scale) / rows.length;
            });
          }
        }

        /**
         * Fills an area under a quantity: `share` gives its height (0 to 1) in each column of
         * pixels. Heights above 0 show.
         */
        function fillArea(context, view, y, height, share) {
          const bottom = y + height;
          let level = bottom;
          context.beginPath();
          context.moveTo(view.left, bottom);
          for (let x = 0; x < view.width; x++) {
            const value = share(view.timeAt(x), view.timeAt(x + 1));
            const top = value > 0 ? bottom - Math.max(1, Math.min(1, value) * height) : bottom;
            if (top === level) continue;
            context.lineTo(view.left + x, level);
            context.lineTo(view.left + x, top);
            level = top;
          }
          context.lineTo(view.left + view.width, level);
          context.lineTo(view.left + view.width, bottom);
          context.fill();
        }
        """#
}
