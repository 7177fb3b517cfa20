extension ReportScript {
    /// The panel about the selection, and the note at the pointer.
    static let details = #"""
        // The panel at the right: what is selected, and why it waited. And the note at the pointer.

        /** An element with a class, text and children. */
        function element(tag, className, ...children) {
          const made = document.createElement(tag);
          if (className) made.className = className;
          made.append(...children.filter((child) => child !== null && child !== undefined));
          return made;
        }

        /** The panel. */
        class Details {
          constructor(report) {
            this.report = report;
            this.panel = byID("details");
          }

          show() {
            const { selection, range } = this.report.state;
            this.panel.replaceChildren();
            if (range) this.showRange(range);
            else if (!selection) this.showHint();
            else if (selection.kind === "stall") this.showStall(selection.index);
            else this.showInstruction(this.report.instructionOf(selection));
          }

          showHint() {
            this.panel.append(
              element("h2", "", "Nothing selected"),
              element("p", "hint", "Click a slice or an idle time below it. Drag to move, scroll "
                + "to zoom, hold Shift and drag to sum up a range. Press ? for all keys."),
              this.report.tables.legend());
          }

          /** Rows of a name and a value. */
          facts(rows) {
            const list = element("dl", "facts");
            for (const [name, value] of rows) {
              if (value === "" || value === null || value === undefined) continue;
              list.append(element("dt", "", name), element("dd", "", value));
            }
            return list;
          }

          link(text, action) {
            const button = element("button", "link", text);
            button.type = "button";
            button.addEventListener("click", action);
            return button;
          }

          instructionLink(instruction) {
            const { words } = this.report;
            return this.link(words.instruction(instruction), () =>
              this.report.select({ kind: "instruction", index: instruction }, true));
          }

          placeLink(line) {
            const { words } = this.report;
            if (!words.place(line)) return null;
            return this.link(words.shortPlace(line), () => this.report.source.show(line));
          }

          heading(text, ...more) {
            return element("h3", "", text, ...more);
          }

          // An instruction

          showInstruction(instruction) {
            const { model, words } = this.report;
            const columns = model.columns;
            const unit = columns.unit[instruction];
            this.panel.append(
              element("h2", "", words.instruction(instruction)),
              element("p", "where", `${words.rowName(unit)} `,
                this.placeLink(columns.line[instruction])),
              this.facts([
                ["starts", words.point(model.start[instruction])],
                ["busy for", words.time(columns.interval[instruction])],
                ["result after", words.time(columns.interval[instruction]
                  + columns.latency[instruction])],
                ["in queue for", words.time(columns.queued[instruction])],
                ["loops", words.loops(instruction)],
                ["flags", words.flags(instruction).join(", ")],
                ["ring", model.isDMA(instruction) ? `${columns.ring[instruction]}` : ""],
              ]));
            this.addOperands(instruction);
            this.addStalls(instruction);
            this.addWaits(instruction);
            this.addTransfer(instruction);
            this.addWaiters(instruction);
          }

          addOperands(instruction) {
            const operands = this.report.words.operands(instruction);
            if (!operands.length) return;
            this.panel.append(this.heading("Operands"), this.facts(
              operands.map(({ role, text }) => [role, text])));
          }

          addStalls(instruction) {
            const stalls = this.report.model.stallsBefore(instruction);
            if (!stalls.length) return;
            const { model, words } = this.report;
            const total = stalls.reduce((sum, i) => sum + model.columns.stallDuration[i], 0);
            this.panel.append(this.heading(`Its unit was idle for ${words.time(total)} before it`));
            for (const stall of stalls) this.panel.append(this.stallLine(stall));
          }

          stallLine(stall) {
            const { model, words, tables } = this.report;
            const columns = model.columns;
            const culprit = columns.stallCulprit[stall] - 1;
            const reason = columns.stallReason[stall];
            return element("div", "line",
              tables.swatch(reason),
              element("span", "amount", words.time(columns.stallDuration[stall])),
              element("span", "", `${words.reason(reason)} `,
                culprit >= 0 ? this.instructionLink(culprit) : null));
          }

          addWaits(instruction) {
            const { model, words } = this.report;
            const columns = model.columns;
            const waits = [...model.waitsOf(instruction)];
            if (!waits.length) return;
            this.panel.append(this.heading("Waits for"));
            for (const edge of waits) {
              const producer = model.waitProducer[edge];
              const seen = model.end[producer] + model.facts.semaphoreLatency;
              const early = model.start[instruction] - seen;
              const tile = words.tile(columns.waitTile[edge]);
              this.panel.append(element("div", "line",
                element("span", "kind", model.facts.waitKinds[columns.waitKind[edge]]),
                element("span", "", this.instructionLink(producer), tile ? ` ${tile}` : "",
                  element("span", "note", early > 0
                    ? `, seen ${words.time(early)} earlier` : ", seen as it started"))));
            }
          }

          addWaiters(instruction) {
            const { model } = this.report;
            const waiters = model.waitersFor(instruction);
            if (!waiters.length) return;
            this.panel.append(this.heading(`Waited for by ${waiters.length}`));
            for (const edge of waiters.subarray(0, 8)) {
              this.panel.append(element("div", "line",
                element("span", "kind", model.facts.waitKinds[model.columns.waitKind[edge]]),
                this.instructionLink(model.columns.waitConsumer[edge])));
            }
            if (waiters.length > 8) {
              this.panel.append(element("p", "note", `and ${waiters.length - 8} more`));
            }
          }

          /** The stations of a transfer, as a bar and in numbers. */
          addTransfer(instruction) {
            const { model, words, palette } = this.report;
            const transfer = model.transferOf.get(instruction);
            if (transfer === undefined) return;
            const columns = model.columns;
            const at = (name) => columns[name][transfer];
            const end = model.end[instruction] - at("transferTriggered");
            const stations = [
              ["waits for a generator", at("transferDescriptorStart"), palette.reasons[7]],
              ["descriptors", at("transferDescriptorEnd"), palette.reasons[6]],
              ["start latency", at("transferReady"), palette.reasons[8]],
              ["waits for engines", at("transferStart"), palette.reasons[9]],
              ["moves", at("transferEnd"), palette.dma],
              ["completion", end, palette.reasons[8]],
            ];
            const bar = element("div", "bar");
            const rows = [];
            let time = 0;
            for (const [name, until, colour] of stations) {
              const length = Math.max(0, until - time);
              time = Math.max(time, until);
              if (length === 0) continue;
              const text = words.time(length);
              bar.append(piece(length / Math.max(1, end), colour, `${name}: ${text}`));
              rows.push([name, text]);
            }
            const moving = (at("transferEnd") - at("transferStart")) / words.perNanosecond;
            rows.push(["bytes", `${words.bytes(at("transferBytes"))}${moving > 0
              ? `, ${(at("transferBytes") / moving).toFixed(1)} bytes/ns` : ""}`]);
            this.panel.append(this.heading("Transfer, from trigger to semaphore"), bar,
              this.facts(rows));
          }

          // An idle time

          showStall(stall) {
            const { model, words, tables } = this.report;
            const columns = model.columns;
            const reason = columns.stallReason[stall];
            const culprit = columns.stallCulprit[stall] - 1;
            const victim = columns.stallVictim[stall] - 1;
            this.panel.append(
              element("h2", "", tables.swatch(reason), words.reason(reason)),
              element("p", "where", `${words.rowName(columns.stallUnit[stall])} was idle: `,
                model.facts.reasonMeanings[reason]),
              this.facts([
                ["from", words.point(columns.stallStart[stall])],
                ["for", words.time(columns.stallDuration[stall])],
                ["culprit", culprit >= 0 ? this.instructionLink(culprit) : ""],
                ["", culprit >= 0 ? this.placeLink(columns.line[culprit]) : ""],
                ["who waited", victim >= 0 ? this.instructionLink(victim) : ""],
                ["", victim >= 0 ? this.placeLink(columns.line[victim]) : ""],
              ]));
            if (columns.stallShared[stall]) {
              this.panel.append(element("p", "note", "Another cause would have lasted as long: "
                + "without this culprit alone, the wait would only get another name."));
            }
          }

          // A range

          showRange({ from, to }) {
            const { model, words, palette } = this.report;
            const length = Math.max(1, to - from);
            this.panel.append(
              element("h2", "", `Range of ${words.time(to - from)}`),
              element("p", "where", `${words.point(from)} to ${words.point(to)} `,
                this.link("zoom in", () => this.report.timeline.reveal(from, to, 0.95)), " ",
                this.link("clear", () => this.report.mark(null))));
            for (const row of model.rows.filter((row) => !row.isDMA)) {
              this.panel.append(this.rangeRow(row.name, [row], from, to, palette.busy[0]));
            }
            if (model.dmaRows.length) {
              this.panel.append(
                this.rangeRow("dma engines, mean", model.dmaRows, from, to, palette.dma));
            }
            const inside = model.rows.filter((row) => !row.isDMA).reduce((sum, row) =>
              sum + row.spans.after(to) - row.spans.after(from), 0);
            this.panel.append(element("p", "note", `${grouped(inside)} instructions start in it; `
              + `100 % of a bar is ${words.time(length)}.`));
          }

          rangeRow(name, rows, from, to, colour) {
            const { words, palette } = this.report;
            const sums = new Float64Array(17);
            let busy = 0;
            for (const row of rows) {
              busy += row.spans.coveredBetween(from, to);
              row.stalls.addReasons(from, to, sums);
            }
            const whole = Math.max(1, (to - from) * rows.length);
            const bar = element("div", "bar", piece(busy / whole, colour, `busy ${
              words.percent(busy, whole)}`));
            const reasons = [...sums.keys()].filter((reason) => sums[reason] > 0)
              .map((reason) => ({ reason, ticks: sums[reason] })).sort(byTicks)
              .map(({ reason }) => reason);
            for (const reason of reasons) {
              bar.append(piece(sums[reason] / whole, palette.reasons[reason],
                `${words.reason(reason)} ${words.percent(sums[reason], whole)}`));
            }
            const most = reasons.sort((a, b) => sums[b] - sums[a]).slice(0, 2).map((reason) =>
              `${words.reason(reason)} ${words.percent(sums[reason], whole)}`).join(", ");
            return element("div", "unit",
              element("div", "unit-name", element("b", "", name),
                element("span", "amount", words.percent(busy, whole))),
              bar, element("div", "note", most));
          }
        }

        /** A piece of a stacked bar. */
        function piece(share, colour, title) {
          const made = element("i", "piece");
          made.style.width = `${100 * share}%`;
          made.style.background = colour;
          made.title = title;
          return made;
        }

        /** The note at the pointer. */
        class Tooltip {
          constructor(report) {
            this.report = report;
            this.box = byID("tooltip");
          }

          hide() {
            this.box.hidden = true;
          }

          show(event, thing, band, time) {
            const lines = thing ? this.lines(thing) : this.bandLines(band, time);
            if (!lines.length) {
              this.hide();
              return;
            }
            this.box.replaceChildren(...lines.map((line, i) =>
              element("div", i ? "" : "title", line)));
            this.box.hidden = false;
            const { offsetWidth: width, offsetHeight: height } = this.box;
            const x = event.clientX + 14 + width > innerWidth ? event.clientX - width - 10
              : event.clientX + 14;
            const y = Math.min(event.clientY + 16, innerHeight - height - 6);
            this.box.style.transform = `translate(${Math.max(4, x)}px, ${y}px)`;
          }

          bandLines(band, time) {
            if (band?.kind !== "strip" || time === null) return [];
            return [band.strip.describe(time, this.report.words)];
          }

          lines(thing) {
            const { model, words } = this.report;
            const columns = model.columns;
            if (thing.kind === "stall") {
              const culprit = columns.stallCulprit[thing.index] - 1;
              const reason = columns.stallReason[thing.index];
              return [
                `${words.reason(reason)}: ${words.time(columns.stallDuration[thing.index])}`,
                model.facts.reasonMeanings[reason],
                culprit >= 0 ? `culprit ${words.instruction(culprit)} ${
                  words.shortPlace(columns.line[culprit])}` : "",
              ].filter(Boolean);
            }
            const instruction = this.report.instructionOf(thing);
            const span = this.report.spanOf(thing);
            const waits = [...model.waitsOf(instruction)].slice(0, 3).map((edge) =>
              `waits for ${words.instruction(model.waitProducer[edge])} (${
                model.facts.waitKinds[columns.waitKind[edge]]})`);
            return [
              `${words.instruction(instruction)}: ${words.time(span.to - span.from)}`,
              `${words.point(span.from)} to ${words.point(span.to)}`,
              ...words.operands(instruction).map(({ role, text }) => `${role} ${text}`),
              ...waits,
              words.place(columns.line[instruction]),
            ].filter(Boolean);
          }
        }
        """#
}
