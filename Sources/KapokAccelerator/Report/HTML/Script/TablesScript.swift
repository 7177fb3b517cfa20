extension ReportScript {
    /// Tables, legend and source text.
    static let tables = #"""
        // The tables below the timeline, the legend, and the source text.

        /** Tabs with the overview, the tables of the report and the keys. */
        class Tables {
          constructor(report) {
            this.report = report;
            this.tabs = byID("tabs");
            this.body = byID("table");
            this.names = ["overview", ...report.facts.tables.map((table) => table.name)];
          }

          showTabs() {
            const titles = ["Overview", ...this.report.facts.tables.map((table) => table.title)];
            this.tabs.replaceChildren(...titles.map((title, i) => {
              const button = element("button", "tab", title);
              button.type = "button";
              button.setAttribute("role", "tab");
              button.setAttribute("aria-selected", `${this.names[i] === this.report.state.tab}`);
              button.addEventListener("click", () => this.report.showTab(this.names[i]));
              return button;
            }));
          }

          show() {
            this.showTabs();
            const { facts, state } = this.report;
            const table = facts.tables.find(({ name }) => name === state.tab);
            this.body.replaceChildren(table ? this.table(table) : this.overview());
          }

          table({ note, columns, rows }) {
            const head = element("tr", "", ...columns.map(({ title, isNumber }) =>
              element("th", isNumber ? "number" : "", title)));
            const body = rows.map((row) => this.tableRow(columns, row));
            return element("div", "", element("p", "note", note),
              element("table", "", element("thead", "", head), element("tbody", "", ...body)));
          }

          tableRow(columns, row) {
            const cells = row.cells.map((text, i) => {
              const cell = element("td", columns[i].isNumber ? "number" : "", text);
              const reason = Object.values(this.report.facts.reasons).indexOf(text) + 1;
              if (columns[i].title === "reason" && reason > 0) cell.prepend(this.swatch(reason));
              return cell;
            });
            const made = element("tr", "", ...cells);
            if (row.share !== undefined) made.style.setProperty("--share", `${100 * row.share}%`);
            const action = row.instruction !== undefined
              ? () => this.report.select({ kind: "instruction", index: row.instruction }, true)
              : row.line !== undefined ? () => this.report.findLine(row.line) : null;
            if (action) {
              made.classList.add("is-link");
              made.tabIndex = 0;
              made.addEventListener("click", action);
              made.addEventListener("keydown", (event) => {
                if (event.key === "Enter") action();
              });
            }
            return made;
          }

          swatch(reason) {
            const made = element("i", "swatch");
            made.style.background = this.report.palette.reasons[reason];
            return made;
          }

          /** Each engine's time as one bar: work, then idle time by reason. */
          overview() {
            const { facts, words, palette, model } = this.report;
            const rows = facts.engines.filter(({ unit }) => unit < unitCount || unit === 255);
            const lines = rows.map(({ name, active, stalled, count, unit }) => {
              const colour = unit === 255 ? palette.dma : palette.busy[0];
              const bar = element("div", "bar tall", piece(active / model.makespan, colour,
                `active ${words.time(active)}`));
              const reasons = stalled.map((ticks, reason) => ({ ticks, reason }))
                .filter(({ ticks }) => ticks > 0).sort(byTicks);
              for (const { ticks, reason } of reasons) {
                bar.append(piece(ticks / model.makespan, palette.reasons[reason],
                  `${words.reason(reason)} ${words.time(ticks)}, ${words.percent(ticks)}`));
              }
              const most = reasons.sort((a, b) => b.ticks - a.ticks).slice(0, 3)
                .map(({ ticks, reason }) => element("span", "reason", this.swatch(reason),
                  `${words.reason(reason)} ${words.percent(ticks)}`));
              return element("tr", "",
                element("td", "", element("b", "", name)),
                element("td", "number", words.time(active)),
                element("td", "number", words.percent(active)),
                element("td", "wide", bar),
                element("td", "", ...most),
                element("td", "number", grouped(count)));
            });
            const titles = ["unit", "active", "", "the whole run: work, then idle time by reason",
              "idle most for", "count"];
            const numbers = [1, 2, 5];
            const head = element("tr", "", ...titles.map((title, i) =>
              element("th", numbers.includes(i) ? "number" : "", title)));
            return element("table", "overview", element("thead", "", head),
              element("tbody", "", ...lines));
          }

          /** The reasons that occur, each with its colour and what it means. */
          legend() {
            const { facts } = this.report;
            const used = new Set(this.report.model.columns.stallReason);
            const shown = Object.keys(facts.reasons).map(Number)
              .filter((reason) => used.has(reason));
            const lines = shown.map((reason) => element("div", "legend-line", this.swatch(reason),
              element("span", "", element("b", "", facts.reasons[reason]), ` ${
                facts.reasonMeanings[reason]}`)));
            return element("div", "legend", element("h3", "", "Idle for"), ...lines);
          }
        }

        /** The longest first; what came after the last instruction stands at the end, as it did. */
        function byTicks(a, b) {
          const isEnd = (entry) => Number(entry.reason === programEnd);
          return isEnd(a) - isEnd(b) || b.ticks - a.ticks;
        }

        /** The source text beside the timeline, with what each line cost. */
        class Source {
          constructor(report) {
            this.report = report;
            this.panel = byID("source");
            this.costs = new Map(report.facts.lineCosts.map((cost) => [cost.line, cost]));
            this.file = null;
          }

          /** Shows a line of the program's table of lines, and finds its instructions. */
          show(line) {
            const place = this.report.facts.lines[line];
            if (!place || place.line === 0) return;
            this.open(place.file, place.line);
            this.report.findLine(line, false);
          }

          open(file, number) {
            const text = this.report.facts.sources[file];
            this.panel.hidden = false;
            if (text === undefined) {
              this.file = null;
              this.panel.replaceChildren(element("h3", "", `${file}:${number}`),
                element("p", "note", "The report was made without this file's text."));
              return;
            }
            if (this.file !== file) this.fill(file, text);
            for (const marked of this.panel.querySelectorAll(".is-current")) {
              marked.classList.remove("is-current");
            }
            const row = this.panel.querySelector(`[data-line="${number}"]`);
            row?.classList.add("is-current");
            row?.scrollIntoView({ block: "center" });
          }

          fill(file, text) {
            const { facts, words, model } = this.report;
            this.file = file;
            const lineOf = new Map();
            facts.lines.forEach((place, index) => {
              if (place.file === file) lineOf.set(place.line, index);
            });
            const rows = text.split("\n").map((content, i) => {
              const index = lineOf.get(i + 1);
              const cost = this.costs.get(index);
              const row = element("div", cost ? "code is-link" : "code",
                element("span", "code-number", `${i + 1}`),
                element("span", "code-cost", cost?.critical ? words.percent(cost.critical) : ""),
                element("span", "code-text", content || " "));
              row.dataset.line = i + 1;
              if (cost) {
                row.style.setProperty("--share", `${(100 * cost.critical) / model.makespan}%`);
                row.title = `${grouped(cost.count)} instructions, busy ${words.time(cost.busy)}, `
                  + `made others wait ${words.time(cost.caused)}, `
                  + `critical path ${words.time(cost.critical)}`;
                row.addEventListener("click", () => this.show(index));
              }
              return row;
            });
            this.panel.replaceChildren(element("h3", "", file), element("div", "listing", ...rows));
          }
        }
        """#
}
