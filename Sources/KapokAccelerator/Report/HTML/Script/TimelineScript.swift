extension ReportScript {
    /// Which part of the run is in view, where rows lie, and drawing them.
    static let timeline = #"""
        // The timeline: which part of the run is in view, where rows lie, and drawing them.

        const labelFont = "ui-sans-serif, system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', "
          + "sans-serif";
        const gutter = 116;

        /** The part of the run in view, and the pixels that it takes. */
        class View {
          constructor(makespan) {
            this.makespan = Math.max(1, makespan);
            this.left = gutter;
            this.width = 1;
            this.from = 0;
            this.to = this.makespan;
          }

          /** Pixels of a tick. */
          get scale() {
            return this.width / (this.to - this.from);
          }

          x(time) {
            return this.left + (time - this.from) * this.scale;
          }

          /** The time at a pixel, counted from the left end of the rows. */
          timeAt(pixel) {
            return this.from + pixel / this.scale;
          }

          /** Shows from ..< to, kept inside of the run and not closer than eight ticks. */
          show(from, to) {
            const length = Math.min(this.makespan, Math.max(8, to - from));
            const middle = (from + to) / 2;
            this.from = Math.max(0, Math.min(middle - length / 2, this.makespan - length));
            this.to = this.from + length;
          }

          zoom(factor, around) {
            this.show(around - (around - this.from) * factor, around + (this.to - around) * factor);
          }

          pan(ticks) {
            const length = this.to - this.from;
            const from = Math.max(0, Math.min(this.from + ticks, this.makespan - length));
            this.show(from, from + length);
          }
        }

        /** A canvas that is as sharp as the screen. */
        class Surface {
          constructor(canvas) {
            this.canvas = canvas;
            this.context = canvas.getContext("2d");
            this.width = 0;
            this.height = 0;
          }

          resize(width, height) {
            const ratio = window.devicePixelRatio || 1;
            this.width = width;
            this.height = height;
            this.canvas.style.height = `${height}px`;
            this.canvas.width = Math.round(width * ratio);
            this.canvas.height = Math.round(height * ratio);
            this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
          }

          clear() {
            this.context.clearRect(0, 0, this.width, this.height);
          }
        }

        /** Where rows lie, from top to bottom. */
        class Layout {
          constructor(model, strips, isOpen) {
            this.bands = [];
            let y = 0;
            const add = (kind, height, more) => {
              this.bands.push({ kind, y, height, ...more });
              y += height;
            };
            for (const row of model.rows) {
              if (!row.isDMA) add("unit", 44, { row, work: [7, 22], stalls: [30, 7] });
            }
            if (model.dmaRows.length) add("dma", 42, { load: [6, 31] });
            if (isOpen) {
              for (const row of model.dmaRows) {
                add("engine", 17, { row, work: [2, 9], stalls: [12, 3] });
              }
            }
            for (const strip of strips) add("strip", 40, { strip, load: [8, 28] });
            this.height = y;
          }

          bandAt(y) {
            return this.bands.find((band) => y >= band.y && y < band.y + band.height);
          }

          /** The band of a unit; of a DMA engine whose row is closed, the band of all of them. */
          bandOf(unit) {
            return this.bands.find((band) => band.row?.unit === unit)
              ?? this.bands.find((band) => band.kind === "dma");
          }

          /** The middle of what a unit worked on. */
          middleOf(unit) {
            const band = this.bandOf(unit);
            const [offset, height] = band.work ?? band.load;
            return band.y + offset + height / 2;
          }
        }

        /** The canvases of the timeline. */
        class Timeline {
          constructor(report) {
            this.report = report;
            const { model, words, palette } = report;
            this.view = new View(model.makespan);
            this.strips = makeStrips(model);
            this.rows = new RowPainter(model, words, palette);
            this.path = new PathPainter(model, palette);
            this.overlay = new Overlay(report, this);
            this.base = new Surface(byID("base"));
            this.over = new Surface(byID("over"));
            this.axis = new Surface(byID("axis"));
            this.map = new Surface(byID("map"));
            this.isScheduled = false;
          }

          /** Places rows, sizes canvases anew, and draws. */
          arrange() {
            const { model, state } = this.report;
            this.layout = new Layout(model, this.strips, state.dmaOpen);
            const width = Math.max(300, byID("scroll").clientWidth);
            this.view.width = width - this.view.left - 12;
            this.base.resize(width, this.layout.height);
            this.over.resize(width, this.layout.height);
            this.axis.resize(width, 24);
            this.map.resize(width, 44);
            this.mapPicture = null;
            // At once: a canvas that was sized anew is empty.
            this.draw();
          }

          /** Draws with the screen's next frame. */
          invalidate() {
            if (this.isScheduled) return;
            this.isScheduled = true;
            requestAnimationFrame(() => {
              this.isScheduled = false;
              this.draw();
            });
          }

          draw() {
            this.drawBase();
            this.drawAxis();
            this.drawMap();
            this.overlay.draw();
          }

          drawBase() {
            const { context } = this.base;
            this.base.clear();
            this.rows.blocks.begin(this.view);
            for (const band of this.layout.bands) {
              this.drawBand(context, band);
              this.drawName(context, band);
            }
            this.rows.blocks.end(context, this.view);
            if (this.report.state.showsPath) this.path.draw(context, this.view, this.layout);
            this.report.search.draw(context, this.view, this.layout);
          }

          drawBand(context, band) {
            const { view, rows } = this;
            const { palette } = this.report;
            context.fillStyle = palette.rule;
            if (band.kind !== "engine") context.fillRect(0, band.y, this.base.width, 1);
            context.save();
            context.beginPath();
            context.rect(view.left, band.y, view.width, band.height);
            context.clip();
            if (band.row) {
              rows.work(context, view, band.row, band.y + band.work[0], band.work[1]);
              rows.stalls(context, view, band.row, band.y + band.stalls[0], band.stalls[1]);
            } else if (band.kind === "dma") {
              rows.dmaLoad(context, view, band.y + band.load[0], band.load[1]);
            } else {
              band.strip.draw(context, view, band.y + band.load[0], band.load[1], palette);
            }
            context.restore();
          }

          /** The name at the left, and what the row amounts to. */
          drawName(context, band) {
            const { palette, words, model, state } = this.report;
            context.textBaseline = "middle";
            context.fillStyle = palette.ink;
            if (band.kind === "engine") {
              context.font = `11px ${labelFont}`;
              context.fillText(band.row.name, 26, band.y + 8);
              return;
            }
            let [name, note] = ["", ""];
            if (band.kind === "unit") {
              name = band.row.name;
              note = `${words.percent(band.row.engine.active)} active`;
            } else if (band.kind === "dma") {
              name = `${state.dmaOpen ? "\u25be" : "\u25b8"} dma`;
              const all = model.facts.engines.find((engine) => engine.name === "dma");
              note = `${words.percent(all.active)} active`;
            } else {
              name = band.strip.name;
              note = band.strip.caption(words);
            }
            context.font = `600 12px ${labelFont}`;
            context.fillText(name, 12, band.y + 15);
            context.font = `11px ${labelFont}`;
            context.fillStyle = palette.faint;
            context.fillText(note, 12, band.y + 30, gutter - 16);
          }

          drawAxis() {
            const { context } = this.axis;
            const { palette, words } = this.report;
            this.axis.clear();
            context.font = `11px ${labelFont}`;
            context.textBaseline = "middle";
            const perNanosecond = words.perNanosecond;
            const step = niceStep((110 / this.view.scale) / perNanosecond);
            const unit = step >= 1e6 ? 1e6 : step >= 1e3 ? 1e3 : 1;
            const name = { 1: "ns", 1e3: "us", 1e6: "ms" }[unit];
            const digits = Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9));
            const first = Math.ceil(this.view.from / perNanosecond / step - 1e-9);
            for (let i = first; i * step * perNanosecond <= this.view.to; i++) {
              const x = this.view.x(i * step * perNanosecond);
              context.fillStyle = palette.rule;
              context.fillRect(x, 17, 1, 7);
              context.fillStyle = palette.faint;
              context.fillText(`${grouped((i * step) / unit, digits)} ${name}`, x + 4, 12);
            }
            context.fillText(words.time(this.view.to - this.view.from), 12, 12);
          }

          /** The whole run, drawn once, with the part in view marked. */
          drawMap() {
            const { context } = this.map;
            const { model, palette } = this.report;
            if (!this.mapPicture) {
              this.mapPicture = document.createElement("canvas");
              this.mapPicture.width = this.map.canvas.width;
              this.mapPicture.height = this.map.canvas.height;
              const picture = this.mapPicture.getContext("2d");
              const ratio = window.devicePixelRatio || 1;
              picture.setTransform(ratio, 0, 0, ratio, 0, 0);
              const whole = new View(model.makespan);
              whole.width = this.view.width;
              const units = model.rows.filter((row) => !row.isDMA);
              this.rows.blocks.begin(whole);
              units.forEach((row, i) => this.rows.dense(whole, row, 4 + i * 5, 4));
              this.rows.blocks.end(picture, whole);
              if (model.dmaRows.length) this.rows.dmaLoad(picture, whole, 34, 7);
            }
            this.map.clear();
            context.drawImage(this.mapPicture, 0, 0, this.map.width, this.map.height);
            const left = this.view.left + (this.view.from / this.view.makespan) * this.view.width;
            const right = this.view.left + (this.view.to / this.view.makespan) * this.view.width;
            const end = this.view.left + this.view.width;
            context.globalAlpha = 0.72;
            context.fillStyle = palette.panel;
            context.fillRect(this.view.left, 0, left - this.view.left, this.map.height);
            context.fillRect(right, 0, end - right, this.map.height);
            context.globalAlpha = 1;
            context.strokeStyle = palette.accent;
            context.strokeRect(left + 0.5, 1.5, Math.max(2, right - left - 1), this.map.height - 3);
          }

          /** Brings from ..< to into view, with room around it. */
          reveal(from, to, fits = 0.5) {
            const length = Math.max(to - from, 1) / fits;
            const middle = (from + to) / 2;
            this.view.show(middle - length / 2, middle + length / 2);
            this.report.changed();
          }
        }

        /** The next of 1, 2, 5, 10, 20, ... */
        function niceStep(atLeast) {
          const power = 10 ** Math.floor(Math.log10(atLeast));
          return [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= atLeast);
        }

        function byID(id) {
          return document.getElementById(id);
        }
        """#
}
