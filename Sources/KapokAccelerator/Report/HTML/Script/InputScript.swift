extension ReportScript {
    /// Pointer and keys.
    static let input = #"""
        // Pointer and keys.

        /** Turns what the user does into changes of the view and the selection. */
        class Input {
          constructor(report) {
            this.report = report;
            this.timeline = report.timeline;
            this.drag = null;
            const over = byID("over");
            over.addEventListener("pointerdown", (event) => this.down(event));
            over.addEventListener("pointermove", (event) => this.move(event));
            over.addEventListener("pointerup", (event) => this.up(event));
            over.addEventListener("pointerleave", () => this.leave());
            over.addEventListener("dblclick", (event) => this.zoomTo(event));
            for (const target of [over, byID("axis")]) {
              target.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
            }
            byID("map").addEventListener("pointerdown", (event) => this.mapMove(event));
            byID("map").addEventListener("pointermove", (event) => {
              if (event.buttons) this.mapMove(event);
            });
            document.addEventListener("keydown", (event) => this.key(event));
          }

          position(event) {
            const box = byID("over").getBoundingClientRect();
            const x = event.clientX - box.left;
            return { x, y: event.clientY - box.top, time: this.timeline.view.timeAt(x - gutter) };
          }

          /** What lies under the pointer. */
          thingAt({ y, time }) {
            const band = this.timeline.layout.bandAt(y);
            if (!band?.row) return { band, thing: null };
            const isStall = y - band.y >= band.stalls[0] - 1;
            const spans = isStall ? band.row.stalls : band.row.spans;
            const found = spans.at(time, 3 / this.timeline.view.scale);
            if (found === nothing) return { band, thing: null };
            const kind = isStall ? "stall" : band.row.isDMA ? "segment" : "instruction";
            return { band, thing: { kind, index: spans.items[found] } };
          }

          down(event) {
            if (event.button !== 0) return;
            const at = this.position(event);
            byID("over").setPointerCapture(event.pointerId);
            this.drag = { at, last: at, isRange: event.shiftKey, hasMoved: false };
          }

          move(event) {
            const at = this.position(event);
            const { overlay } = this.timeline;
            if (this.drag) {
              const distance = Math.abs(at.x - this.drag.at.x) + Math.abs(at.y - this.drag.at.y);
              if (distance > 4) this.drag.hasMoved = true;
              if (this.drag.hasMoved) this.dragTo(at);
              return;
            }
            const { band, thing } = this.thingAt(at);
            overlay.hover = thing;
            overlay.cursor = at.x >= gutter ? at.x : null;
            this.report.tooltip.show(event, thing, band, at.x >= gutter ? at.time : null);
            byID("over").style.cursor = thing || band?.kind === "dma" ? "pointer" : "default";
            overlay.draw();
          }

          dragTo(at) {
            const { view } = this.timeline;
            this.report.tooltip.hide();
            if (this.drag.isRange) {
              const times = [view.timeAt(this.drag.at.x - gutter), view.timeAt(at.x - gutter)]
                .map((time) => clamp(Math.round(time), 0, view.makespan)).sort((a, b) => a - b);
              this.report.mark({ from: times[0], to: times[1] });
            } else {
              view.pan((this.drag.last.x - at.x) / view.scale);
              byID("scroll").scrollTop += this.drag.last.y - at.y;
              this.drag.last = { ...at, y: this.drag.last.y };
              this.report.changed();
            }
          }

          up(event) {
            const { drag } = this;
            this.drag = null;
            if (!drag || drag.hasMoved) return;
            const { band, thing } = this.thingAt(this.position(event));
            if (band?.kind === "dma") this.report.toggleDMA();
            else this.report.select(thing);
          }

          leave() {
            this.timeline.overlay.hover = null;
            this.timeline.overlay.cursor = null;
            this.report.tooltip.hide();
            this.timeline.overlay.draw();
          }

          zoomTo(event) {
            const { thing } = this.thingAt(this.position(event));
            if (!thing) return;
            const span = this.report.spanOf(thing);
            this.timeline.reveal(span.from, span.to, 0.6);
          }

          wheel(event) {
            event.preventDefault();
            const { view } = this.timeline;
            const unit = event.deltaMode === 1 ? 16 : 1;
            const along = event.shiftKey ? event.deltaX + event.deltaY : event.deltaX;
            if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
              view.pan((along * unit) / view.scale);
            } else {
              const turned = clamp(event.deltaY * unit, -240, 240);
              view.zoom(Math.exp(turned / 300), this.position(event).time);
            }
            this.report.tooltip.hide();
            this.report.changed();
          }

          mapMove(event) {
            const { view } = this.timeline;
            const x = event.clientX - byID("map").getBoundingClientRect().left - gutter;
            const middle = (x / view.width) * view.makespan;
            const half = (view.to - view.from) / 2;
            view.pan(middle - half - view.from);
            this.report.changed();
          }

          key(event) {
            if (event.ctrlKey || event.metaKey || event.altKey) return;
            if (event.target.matches?.("input")) {
              if (event.key === "Escape") event.target.blur();
              return;
            }
            const action = this.actions()[event.key];
            if (!action) return;
            event.preventDefault();
            action();
          }

          actions() {
            const { report } = this;
            const { view } = this.timeline;
            const middle = (view.from + view.to) / 2;
            const around = this.timeline.overlay.cursor === null ? middle
              : view.timeAt(this.timeline.overlay.cursor - gutter);
            const zoom = (factor) => () => {
              view.zoom(factor, around);
              report.changed();
            };
            const pan = (share) => () => {
              view.pan((view.to - view.from) * share);
              report.changed();
            };
            return {
              w: zoom(0.6), "+": zoom(0.6), "=": zoom(0.6), s: zoom(1 / 0.6), "-": zoom(1 / 0.6),
              a: pan(-0.25), d: pan(0.25),
              ArrowLeft: () => report.step(-1), ArrowRight: () => report.step(1),
              0: () => report.showAll(), f: () => report.showSelection(),
              b: () => report.selectBlocker(), c: () => report.togglePath(),
              g: () => report.toggleDMA(),
              "/": () => byID("query").focus(), n: () => report.search.next(1),
              N: () => report.search.next(-1), "?": () => report.toggleHelp(),
              Escape: () => report.clear(),
            };
          }
        }
        """#
}
