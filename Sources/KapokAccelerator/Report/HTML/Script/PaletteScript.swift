extension ReportScript {
    /// Colours, for light and dark pages.
    static let palette = #"""
        // Colours: grey-blue ink for work, colours for waiting. Reasons stay apart for people with
        // colour deficiencies: by hue between families, by lightness inside of them.
        const reasonColours = {
          light: [
            "", "#d9822b", "#b3475d", "#d98a98", "#7a2942", "#1f8a78", "#0f5c50", "#6fbfb0",
            "#b5dcd3", "#edb877", "#f4d9ae", "#8d7cc3", "#bfb4df", "#3f74c9", "#23498c", "#d9bb1e",
            "#e7e7e2",
          ],
          dark: [
            "", "#e5984a", "#c9627a", "#e3a3af", "#a04a66", "#35ab96", "#1d7a6b", "#7fcabc",
            "#4d7d75", "#b98546", "#7d6543", "#8f7bd6", "#b9a9ea", "#6695e0", "#3e67b0", "#e3c93e",
            "#2a2d33",
          ],
        };

        /** Colours of the page as it is shown now. */
        class Palette {
          constructor() {
            this.dark = window.matchMedia("(prefers-color-scheme: dark)");
            this.read();
          }

          /** Reads them again, and whenever the page turns dark or light. */
          onChange(callback) {
            this.dark.addEventListener("change", () => {
              this.read();
              callback();
            });
          }

          read() {
            const style = getComputedStyle(document.documentElement);
            const named = (name) => style.getPropertyValue(`--${name}`).trim();
            this.paper = named("paper");
            this.panel = named("panel");
            this.ink = named("ink");
            this.faint = named("faint");
            this.rule = named("rule");
            this.accent = named("accent");
            this.path = named("path");
            this.found = named("found");
            this.onBusy = named("on-busy");
            this.busy = named("busy").split(" ");
            this.dma = named("dma");
            this.memory = named("memory");
            this.reasons = reasonColours[this.dark.matches ? "dark" : "light"];
            this.shades = this.busy.map((colour) => shades(this.paper, colour));
            this.reasonPixels = this.reasons.map((colour) =>
              colour ? shades(this.paper, colour)[16] : 0);
            this.dmaShades = shades(this.paper, this.dma);
          }
        }

        /** Seventeen steps from one colour to another, as pixels: red in the lowest byte. */
        function shades(from, to) {
          const parse = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
          const [a, b] = [parse(from), parse(to)];
          return Uint32Array.from({ length: 17 }, (_, step) => {
            const [red, green, blue] = a.map((value, i) =>
              Math.round(value + ((b[i] - value) * step) / 16));
            return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
          });
        }
        """#
}
