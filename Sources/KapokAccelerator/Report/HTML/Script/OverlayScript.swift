extension ReportScript {
    /// Draws the critical path, the selection, arrows and the marked range.
    static let overlay = #"""
        // What lies over the rows: the critical path, the selection, its arrows, the marked range.

        /** The critical path: a line over the rows that leads from step to step. */
        class PathPainter {
          constructor(model, palette) {
            this.model = model;
            this.palette = palette;
            const columns = model.columns;
            this.starts = Float64Array.from(columns.stepStart);
            this.ends = Float64Array.from(columns.stepStart, (start, i) =>
              start + columns.stepDuration[i]);
          }

          /** The unit that a step belongs to: transfers show on the DMA engines. */
          unitOf(step) {
            const kind = this.model.facts.stepKinds[this.model.columns.stepKind[step]];
            const instruction = this.model.columns.stepInstruction[step];
            const isMoving = kind.startsWith("dma") || kind === "descriptor";
            if (isMoving && this.model.dmaRows.length) return this.model.dmaRows[0].unit;
            return this.model.columns.unit[instruction];
          }

          draw(context, view, layout) {
            const count = this.starts.length;
            const first = Math.max(0, upperBound(this.starts, view.from, 0, count) - 1);
            const last = upperBound(this.starts, view.to, first, count);
            context.save();
            context.beginPath();
            context.rect(view.left, 0, view.width, layout.height);
            context.clip();
            context.lineJoin = "round";
            context.beginPath();
            // Steps that share a column of pixels with the one drawn before are passed over.
            let previous = -Infinity;
            let isFirst = true;
            for (let step = first; step < last; step++) {
              const right = view.x(this.ends[step]);
              if (right - previous < 0.5 && step < last - 1) continue;
              const band = layout.bandOf(this.unitOf(step));
              const y = band.y + (band.work ?? band.load)[0] - 2.5;
              const left = Math.max(previous, view.x(this.starts[step]), view.left - 10);
              if (isFirst) context.moveTo(left, y);
              else context.lineTo(left, y);
              context.lineTo(Math.min(right, view.left + view.width + 10), y);
              previous = right;
              isFirst = false;
            }
            context.strokeStyle = this.palette.paper;
            context.lineWidth = 5;
            context.stroke();
            context.strokeStyle = this.palette.path;
            context.lineWidth = 2.25;
            context.stroke();
            context.restore();
          }
        }

        /** Draws what changes with the pointer and the selection, over the rows. */
        class Overlay {
          constructor(report, timeline) {
            this.report = report;
            this.timeline = timeline;
            this.hover = null;
            this.cursor = null;
          }

          draw() {
            const { over, view } = this.timeline;
            const { context } = over;
            over.clear();
            context.save();
            context.beginPath();
            context.rect(view.left, 0, view.width, over.height);
            context.clip();
            this.drawRange(context);
            const { selection } = this.report.state;
            if (selection) this.drawSelection(context, selection);
            if (this.hover) this.outline(context, this.hover, this.report.palette.ink, 1.25);
            if (this.cursor !== null) {
              context.fillStyle = this.report.palette.faint;
              context.globalAlpha = 0.5;
              context.fillRect(this.cursor, 0, 1, over.height);
              context.globalAlpha = 1;
            }
            context.restore();
          }

          drawRange(context) {
            const { range } = this.report.state;
            if (!range) return;
            const { view, over } = this.timeline;
            const [left, right] = [view.x(range.from), view.x(range.to)];
            context.fillStyle = this.report.palette.accent;
            context.globalAlpha = 0.12;
            context.fillRect(left, 0, right - left, over.height);
            context.globalAlpha = 1;
            context.fillRect(left, 0, 1, over.height);
            context.fillRect(right, 0, 1, over.height);
          }

          /** The box of a thing: where it lies on the screen. */
          boxOf(thing) {
            const { view, layout } = this.timeline;
            const span = this.report.spanOf(thing);
            const band = layout.bandOf(span.unit);
            const isClosed = !band.row;
            const [offset, height] = isClosed ? band.load
              : thing.kind === "stall" ? band.stalls : band.work;
            const left = Math.max(view.x(span.from), view.left - 4);
            const right = Math.min(view.x(span.to), view.left + view.width + 4);
            return { x: left, y: band.y + offset, width: Math.max(2, right - left), height };
          }

          outline(context, thing, colour, width) {
            const box = this.boxOf(thing);
            context.strokeStyle = colour;
            context.lineWidth = width;
            context.strokeRect(box.x - 1, box.y - 1, box.width + 1, box.height + 2);
          }

          drawSelection(context, selection) {
            const { palette, model } = this.report;
            const instruction = this.report.instructionOf(selection);
            if (selection.kind === "stall") {
              const columns = model.columns;
              const culprit = columns.stallCulprit[selection.index] - 1;
              const victim = columns.stallVictim[selection.index] - 1;
              for (const other of [culprit, victim]) {
                if (other >= 0) this.outline(context, { kind: "instruction", index: other },
                  palette.faint, 1.5);
              }
              if (culprit >= 0 && victim >= 0) this.arrow(context, culprit, victim, "flow");
            } else if (instruction >= 0) {
              this.drawWaits(context, instruction);
              const transfer = model.transferOf.get(instruction);
              if (transfer !== undefined) this.outlineTransfer(context, instruction, transfer);
            }
            this.outline(context, selection, palette.accent, 2.5);
          }

          drawWaits(context, instruction) {
            const { model } = this.report;
            const kinds = model.facts.waitKinds;
            for (const edge of model.waitsOf(instruction)) {
              this.arrow(context, model.waitProducer[edge], instruction,
                kinds[model.columns.waitKind[edge]]);
            }
            // Of many consumers, the first are enough to follow.
            for (const edge of model.waitersFor(instruction).subarray(0, 24)) {
              this.arrow(context, instruction, model.columns.waitConsumer[edge],
                kinds[model.columns.waitKind[edge]]);
            }
          }

          /** Every segment of a transfer. */
          outlineTransfer(context, instruction, transfer) {
            const { model, palette } = this.report;
            const columns = model.columns;
            const from = columns.transferTriggered[transfer] + columns.transferStart[transfer];
            const to = columns.transferTriggered[transfer] + columns.transferEnd[transfer];
            for (const row of model.dmaRows) {
              for (let i = Math.max(0, row.spans.after(from) - 1);
                i < row.spans.count && row.spans.starts[i] < to; i++) {
                const segment = row.spans.items[i];
                if (columns.segmentInstruction[segment] === instruction) {
                  this.outline(context, { kind: "segment", index: segment }, palette.accent, 1.25);
                }
              }
            }
          }

          /** From where a result is there to where it was waited for. */
          arrow(context, producer, consumer, kind) {
            const { model, palette } = this.report;
            const { view, layout } = this.timeline;
            const begin = model.resultOf(producer);
            const x1 = clamp(view.x(begin.time), view.left - 400, view.left + view.width + 400);
            const x2 = clamp(view.x(model.start[consumer]), view.left - 400,
              view.left + view.width + 400);
            const y1 = layout.middleOf(begin.unit);
            const y2 = layout.middleOf(model.columns.unit[consumer]);
            const bend = Math.max(18, Math.min(90, Math.abs(x2 - x1) / 2));
            const dashes = { flow: [], anti: [5, 3], output: [2, 3], bank: [7, 3, 2, 3] };
            context.beginPath();
            context.moveTo(x1, y1);
            context.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2 - 5, y2);
            context.setLineDash(dashes[kind] ?? []);
            for (const [colour, width] of [[palette.paper, 4.5], [palette.accent, 1.75]]) {
              context.strokeStyle = colour;
              context.lineWidth = width;
              context.stroke();
            }
            context.setLineDash([]);
            context.beginPath();
            context.moveTo(x2, y2);
            context.lineTo(x2 - 8, y2 - 4);
            context.lineTo(x2 - 8, y2 + 4);
            context.closePath();
            context.fillStyle = palette.accent;
            context.fill();
          }
        }

        function clamp(value, low, high) {
          return Math.max(low, Math.min(high, value));
        }
        """#
}
