extension ReportScript {
    /// Ties the parts together; the state in the page's address.
    static let main = #"""
        // The report: its parts, its state, and the state in the page's address.

        /** Ties the parts together. Every change of state goes through here. */
        class Report {
          constructor(facts, columns) {
            this.facts = facts;
            this.model = new Model(facts, columns);
            this.words = new Words(this.model);
            this.palette = new Palette();
            this.state = {
              selection: null, range: null, showsPath: false, dmaOpen: false, tab: "overview",
            };
            this.search = new Search(this);
            this.timeline = new Timeline(this);
            this.tooltip = new Tooltip(this);
            this.tables = new Tables(this);
            this.details = new Details(this);
            this.source = new Source(this);
            this.input = new Input(this);
            this.palette.onChange(() => this.refresh());
            new ResizeObserver(() => this.timeline.arrange()).observe(byID("scroll"));
            this.fillHeader();
            this.listen();
            this.readAddress();
            this.refresh();
          }

          fillHeader() {
            const { facts } = this;
            document.title = `${facts.kernel} on ${facts.machine}`;
            byID("kernel").textContent = facts.kernel;
            byID("machine").textContent = [facts.machine, facts.parameters].filter(Boolean)
              .join("; ");
            byID("machine").title = [facts.machineTitle, facts.parameters].filter(Boolean)
              .join("; ");
            byID("headlines").replaceChildren(...facts.headlines.map(({ title, text }) =>
              element("div", "", element("dt", "", title), element("dd", "", text))));
          }

          listen() {
            byID("query").addEventListener("input", (event) => this.find(event.target.value));
            byID("query").addEventListener("keydown", (event) => {
              if (event.key === "Enter") this.search.next(event.shiftKey ? -1 : 1);
            });
            byID("path-button").addEventListener("click", () => this.togglePath());
            byID("all-button").addEventListener("click", () => this.showAll());
            byID("help-button").addEventListener("click", () => this.toggleHelp());
            byID("help").addEventListener("click", () => this.toggleHelp());
            addEventListener("hashchange", () => {
              if (location.hash === this.address) return;
              this.readAddress();
              this.refresh();
            });
          }

          // Things: { kind: "instruction" | "segment" | "stall", index }

          instructionOf(thing) {
            if (thing.kind === "instruction") return thing.index;
            if (thing.kind === "segment") return this.model.columns.segmentInstruction[thing.index];
            return nothing;
          }

          spanOf(thing) {
            const { model } = this;
            const { columns } = model;
            const { index } = thing;
            if (thing.kind === "stall") {
              return {
                unit: columns.stallUnit[index], from: columns.stallStart[index],
                to: model.stallEnd[index],
              };
            }
            if (thing.kind === "segment") {
              const first = columns.segmentFirst;
              const engine = upperBound(first, index, 0, first.length) - 1;
              const from = columns.segmentStart[index];
              return { unit: unitCount + engine, from, to: from + columns.segmentDuration[index] };
            }
            const [from, to] = [model.start[index], model.busyEnd[index]];
            return { unit: columns.unit[index], from, to };
          }

          // Changes

          /** The view has changed. */
          changed() {
            this.timeline.invalidate();
            this.writeAddress();
          }

          refresh() {
            this.timeline.arrange();
            this.tables.show();
            this.details.show();
            byID("path-button").setAttribute("aria-pressed", `${this.state.showsPath}`);
            this.writeAddress();
          }

          select(thing, reveals = false) {
            this.state.selection = thing;
            this.state.range = null;
            const instruction = thing ? this.instructionOf(thing) : nothing;
            if (instruction >= 0 && this.source.file) {
              const place = this.facts.lines[this.model.columns.line[instruction]];
              if (place?.line > 0) this.source.open(place.file, place.line);
            }
            if (thing && reveals) this.bringIntoView(thing);
            this.details.show();
            this.changed();
          }

          showAround({ from, to }) {
            const room = 8 * (to - from);
            this.timeline.view.show(from - room, to + room);
          }

          /** Moves as little as it can to show a thing; zooms in when it would be too thin. */
          bringIntoView(thing) {
            const { view } = this.timeline;
            const span = this.spanOf(thing);
            const isThin = (span.to - span.from) * view.scale < 6;
            const isInside = span.from >= view.from && span.to <= view.to;
            if (isThin || (span.to - span.from) * view.scale > view.width) {
              this.showAround(span);
            } else if (!isInside) {
              view.pan((span.from + span.to) / 2 - (view.from + view.to) / 2);
            }
          }

          mark(range) {
            this.state.range = range;
            this.state.selection = null;
            this.details.show();
            this.changed();
          }

          clear() {
            byID("help").hidden = true;
            this.state.range = null;
            this.select(null);
          }

          /** The slice before or after the selected one, on its row. */
          step(direction) {
            const { selection } = this.state;
            if (!selection) return;
            const row = this.model.rowOf(this.spanOf(selection).unit);
            const spans = selection.kind === "stall" ? row.stalls : row.spans;
            const here = spans.items.indexOf(selection.index) + direction;
            if (here >= 0 && here < spans.count) {
              this.select({ kind: selection.kind, index: spans.items[here] }, true);
            }
          }

          /**
           * From an instruction to the idle time before it, or, when its unit was busy until it
           * began, to the slice before it; from an idle time to its culprit.
           */
          selectBlocker() {
            const { selection } = this.state;
            if (!selection) return;
            if (selection.kind === "stall") {
              const culprit = this.model.columns.stallCulprit[selection.index] - 1;
              if (culprit >= 0) this.select({ kind: "instruction", index: culprit }, true);
              return;
            }
            const stalls = this.model.stallsBefore(this.instructionOf(selection));
            if (stalls.length) this.select({ kind: "stall", index: stalls.at(-1) }, true);
            else this.step(-1);
          }

          find(text) {
            this.search.run(text);
            byID("query").value = text;
            this.showCount();
            this.changed();
          }

          showCount() {
            const { found, current, text } = this.search;
            const place = current === nothing ? "" : `${grouped(current + 1)} of `;
            byID("count").textContent = text ? `${place}${grouped(found.length)} found` : "";
          }

          findLine(line, opens = true) {
            const place = this.facts.lines[line];
            if (!place || place.line === 0) return;
            if (opens) this.source.open(place.file, place.line);
            this.find(`${place.file}:${place.line}`);
          }

          showAll() {
            this.timeline.view.show(0, this.model.makespan);
            this.changed();
          }

          showSelection() {
            const { selection, range } = this.state;
            const span = range ?? (selection ? this.spanOf(selection) : null);
            if (span) this.timeline.reveal(span.from, span.to, range ? 0.95 : 0.4);
          }

          showTab(name) {
            this.state.tab = name;
            this.tables.show();
            this.writeAddress();
          }

          togglePath() {
            this.state.showsPath = !this.state.showsPath;
            byID("path-button").setAttribute("aria-pressed", `${this.state.showsPath}`);
            this.changed();
          }

          toggleDMA() {
            this.state.dmaOpen = !this.state.dmaOpen;
            this.timeline.arrange();
            this.changed();
          }

          toggleHelp() {
            byID("help").hidden = !byID("help").hidden;
          }

          // The address: #from=..&to=..&select=i12&path=1&dma=1&tab=lines&find=..&range=a-b, in
          // ticks; source=n opens a line of the table of lines

          writeAddress() {
            const { state, search } = this;
            const { view } = this.timeline;
            const parts = [`from=${Math.round(view.from)}`, `to=${Math.round(view.to)}`];
            if (state.selection) {
              const letter = { instruction: "i", segment: "s", stall: "w" }[state.selection.kind];
              parts.push(`select=${letter}${state.selection.index}`);
            }
            if (state.range) parts.push(`range=${state.range.from}-${state.range.to}`);
            if (state.showsPath) parts.push("path=1");
            if (state.dmaOpen) parts.push("dma=1");
            if (state.tab !== "overview") parts.push(`tab=${state.tab}`);
            if (search.text) parts.push(`find=${encodeURIComponent(search.text)}`);
            this.address = `#${parts.join("&")}`;
            clearTimeout(this.addressTimer);
            // Browsers limit how often an address may change.
            this.addressTimer = setTimeout(() => history.replaceState(null, "", this.address), 250);
          }

          readAddress() {
            const values = new URLSearchParams(location.hash.slice(1));
            const number = (name) => (values.has(name) ? Number(values.get(name)) : NaN);
            const [from, to] = [number("from"), number("to")];
            this.state.showsPath = values.get("path") === "1";
            this.state.dmaOpen = values.get("dma") === "1";
            const tab = values.get("tab");
            this.state.tab = this.tables.names.includes(tab) ? tab : "overview";
            this.state.selection = this.parseThing(values.get("select") ?? "");
            if (to > from) this.timeline.view.show(from, to);
            else if (this.state.selection) this.showAround(this.spanOf(this.state.selection));
            const range = (values.get("range") ?? "").match(/^(\d+)-(\d+)$/);
            this.state.range = range ? { from: Number(range[1]), to: Number(range[2]) } : null;
            if (values.get("find")) this.find(values.get("find"));
            if (values.get("source")) {
              const line = Number(values.get("source"));
              const place = this.facts.lines[line];
              if (place?.line > 0) this.source.open(place.file, place.line);
            }
            if (values.get("measure") === "1") requestAnimationFrame(() => this.measure());
          }

          parseThing(text) {
            const match = text.match(/^([isw])(\d+)$/);
            if (!match) return null;
            const kind = { i: "instruction", s: "segment", w: "stall" }[match[1]];
            const counts = {
              instruction: this.model.count, segment: this.model.columns.segmentStart.length,
              stall: this.model.columns.stallStart.length,
            };
            return Number(match[2]) < counts[kind] ? { kind, index: Number(match[2]) } : null;
          }

          /** `#measure=1`: how long drawing takes at many zooms; `data-measure` of body tells. */
          measure() {
            const { view } = this.timeline;
            const kept = [view.from, view.to];
            const times = [];
            for (let zoom = 0; zoom < 12; zoom++) {
              for (let place = 0; place < 5; place++) {
                const length = view.makespan / 2 ** (zoom * 1.5);
                const from = (view.makespan - length) * (place / 4);
                view.show(from, from + length);
                // The best of three: what else the machine does is not asked for.
                times.push(Math.min(...[1, 2, 3].map(() => this.timeDrawing())));
              }
            }
            view.show(...kept);
            this.changed();
            times.sort((a, b) => a - b);
            const text = JSON.stringify({
              slices: this.model.count + this.model.columns.segmentStart.length
                + this.model.columns.stallStart.length,
              medianMilliseconds: times[times.length >> 1], mostMilliseconds: times.at(-1),
              ...this.loading,
            });
            document.body.dataset.measure = text;
            console.log(text);
          }

          timeDrawing() {
            const begin = performance.now();
            this.timeline.draw();
            // Reading a pixel waits until everything is drawn.
            this.timeline.base.context.getImageData(0, 0, 1, 1);
            return performance.now() - begin;
          }
        }

        async function main() {
          const begin = performance.now();
          const facts = JSON.parse(byID("facts").textContent);
          const columns = await unpackColumns(byID("columns").textContent, facts.columns);
          const unpacked = performance.now();
          const report = new Report(facts, columns);
          report.timeline.draw();
          report.loading = {
            unpackMilliseconds: unpacked - begin, readyMilliseconds: performance.now() - begin,
            sinceNavigationMilliseconds: performance.now(),
          };
          byID("loading").hidden = true;
        }

        main().catch((error) => {
          byID("loading").textContent = `This report cannot be shown: ${error.message}`;
          throw error;
        });
        """#
}
