/// How the HTML report looks.
enum ReportStyle {
    /// The style sheet.
    static let css = #"""
        :root {
          color-scheme: light dark;
          --paper: #ffffff; --panel: #f6f5f2; --ink: #1e2227; --faint: #6a7078; --rule: #e3e2dd;
          --accent: #0b66d8; --path: #c2188b; --found: #0b0c0e; --on-busy: #ffffff;
          --busy: #56647a #6d7b92 #45526a #8390a5; --dma: #7a6a4f; --memory: #9aa7ba;
          --share-bar: #e9edf3; --shadow: 0 4px 18px rgb(20 24 30 / 16%);
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --paper: #15171a; --panel: #1c1f24; --ink: #e4e6e9; --faint: #969ca5; --rule: #2e3238;
            --accent: #5aa2ff; --path: #ff6ac1; --found: #ffffff; --on-busy: #ffffff;
            --busy: #5f7190 #73849f #4c5d7b #8595ad; --dma: #9a8762; --memory: #5d6b80;
            --share-bar: #252b36; --shadow: 0 4px 18px rgb(0 0 0 / 55%);
          }
        }
        * { box-sizing: border-box; }
        html, body { height: 100%; margin: 0; }
        body {
          background: var(--paper); color: var(--ink); display: flex; flex-direction: column;
          font: 13px/1.45 ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue",
            sans-serif;
          font-variant-numeric: tabular-nums;
        }
        button, input { font: inherit; color: inherit; }
        [hidden] { display: none !important; }
        h1, h2, h3, p, dl, dd { margin: 0; }

        header {
          display: flex; align-items: center; gap: 28px; padding: 10px 20px;
          border-bottom: 1px solid var(--rule);
        }
        header .title { min-width: 160px; flex: 0 1 400px; }
        h1 { font-size: 17px; font-weight: 650; letter-spacing: -.01em; }
        h1, header .title p { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
        header .title p { color: var(--faint); font-size: 12px; }
        .headlines { display: flex; gap: 26px; margin: 0; }
        .headlines div { display: flex; flex-direction: column-reverse; white-space: nowrap; }
        .headlines dt { color: var(--faint); font-size: 11px; }
        .headlines dd { font-size: 16px; font-weight: 600; letter-spacing: -.01em; }
        .tools { margin-left: auto; display: flex; align-items: center; gap: 8px; flex: none; }
        .tools button { white-space: nowrap; }
        .tools input {
          width: 240px; padding: 5px 10px; border: 1px solid var(--rule); border-radius: 6px;
          background: var(--panel);
        }
        #count { color: var(--faint); font-size: 12px; min-width: 84px; text-align: right; }
        .tools button {
          padding: 5px 10px; border: 1px solid var(--rule); border-radius: 6px; cursor: pointer;
          background: var(--panel);
        }
        .tools button[aria-pressed="true"] { border-color: var(--path); color: var(--path); }
        :focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }

        main { flex: 1; min-height: 0; display: flex; }
        .left { flex: 1; min-width: 0; display: flex; flex-direction: column; }
        #map, #axis, #base, #over { display: block; width: 100%; }
        #map { background: var(--panel); border-bottom: 1px solid var(--rule); cursor: grab; }
        #scroll {
          flex: 0 1 auto; min-height: 160px; overflow-x: hidden; overflow-y: auto;
          border-top: 1px solid var(--rule);
        }
        .stack { position: relative; }
        #over { position: absolute; inset: 0; touch-action: none; }
        .dock {
          flex: 1 0 270px; min-height: 0; display: flex; flex-direction: column;
          border-top: 1px solid var(--rule);
        }
        #tabs {
          display: flex; gap: 2px; padding: 6px 12px 0; border-bottom: 1px solid var(--rule);
          overflow-x: auto; flex: none;
        }
        .tab {
          padding: 5px 12px; border: 0; background: none; color: var(--faint); cursor: pointer;
          border-bottom: 2px solid transparent; margin-bottom: -1px;
        }
        .tab[aria-selected="true"] {
          color: var(--ink); border-color: var(--accent); font-weight: 600;
        }
        #table { flex: 1; overflow: auto; padding: 8px 20px 16px; }

        table { border-collapse: collapse; width: 100%; }
        th {
          text-align: left; font-weight: 500; color: var(--faint); font-size: 11px;
          padding: 3px 12px 3px 0; position: sticky; top: -8px; background: var(--paper);
        }
        td {
          padding: 4px 12px 4px 0; border-top: 1px solid var(--rule); vertical-align: middle;
          white-space: nowrap;
        }
        td:last-child { white-space: normal; width: 99%; }
        .overview td:last-child { width: auto; }
        .number { text-align: right; }
        tbody tr {
          background: linear-gradient(var(--share-bar), var(--share-bar)) no-repeat 0 0 /
            var(--share, 0%) 100%;
        }
        tr.is-link { cursor: pointer; }
        tr.is-link:hover td { color: var(--accent); }
        .wide { width: 52%; }
        .bar {
          display: flex; height: 8px; background: var(--rule); border-radius: 2px;
          overflow: hidden;
        }
        .bar.tall { height: 16px; }
        .piece { display: block; height: 100%; flex: none; }
        .swatch {
          display: inline-block; width: 9px; height: 9px; border-radius: 2px; margin-right: 6px;
          flex: none;
        }
        .reason { margin-right: 14px; }
        .note { color: var(--faint); font-size: 12px; }
        p.note { margin-bottom: 6px; }

        aside {
          width: clamp(330px, 27vw, 560px); flex: none; display: flex; flex-direction: column;
          background: var(--panel);
          border-left: 1px solid var(--rule);
        }
        #details { flex: 1; min-height: 0; overflow: auto; padding: 14px 18px 20px; }
        h2 { font-size: 15px; font-weight: 650; overflow-wrap: anywhere; }
        h3 {
          font-size: 11px; font-weight: 600; color: var(--faint); margin: 16px 0 5px;
          overflow-wrap: anywhere;
        }
        .where, .hint { color: var(--faint); margin: 2px 0 10px; }
        .facts { display: grid; grid-template-columns: 104px 1fr; gap: 2px 10px; }
        .facts dt { color: var(--faint); }
        .facts dd { overflow-wrap: anywhere; }
        .link {
          border: 0; padding: 0; background: none; color: var(--accent); cursor: pointer;
          text-align: left;
        }
        .link:hover { text-decoration: underline; }
        .line { display: flex; align-items: baseline; padding: 1px 0; }
        .amount { min-width: 76px; text-align: right; margin-right: 10px; flex: none; }
        .kind { min-width: 54px; color: var(--faint); flex: none; }
        .unit { margin-top: 10px; }
        .unit-name { display: flex; justify-content: space-between; margin-bottom: 2px; }
        .unit-name .amount { margin: 0; }
        .legend-line { display: flex; align-items: baseline; padding: 1.5px 0; font-size: 12px; }
        .legend-line span { color: var(--faint); }
        .legend-line b { color: var(--ink); font-weight: 550; }

        #source {
          flex: 1; min-height: 0; overflow: auto; padding: 0 0 10px; background: var(--paper);
          border-top: 1px solid var(--rule);
        }
        #source h3 {
          position: sticky; top: 0; margin: 0; padding: 8px 18px 6px; background: var(--paper);
        }
        #source .note { padding: 0 18px; }
        .listing { min-width: max-content; }
        .code {
          display: flex; white-space: pre; padding-right: 12px;
          font: 11.5px/1.6 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
          background: linear-gradient(var(--share-bar), var(--share-bar)) no-repeat 0 0 /
            var(--share, 0%) 100%;
        }
        .code.is-link { cursor: pointer; }
        .code.is-current { box-shadow: inset 3px 0 var(--accent); background-color: var(--panel); }
        .code-number { width: 44px; text-align: right; color: var(--faint); flex: none; }
        .code-cost { width: 56px; text-align: right; color: var(--path); flex: none; }
        .code-text { padding-left: 14px; }

        #tooltip {
          position: fixed; left: 0; top: 0; z-index: 3; max-width: 460px; padding: 7px 11px;
          background: var(--paper); border: 1px solid var(--rule); border-radius: 6px;
          box-shadow: var(--shadow); pointer-events: none; font-size: 12px; color: var(--faint);
        }
        #tooltip .title { color: var(--ink); font-weight: 600; }
        #help {
          position: fixed; inset: 0; z-index: 4; display: grid; place-items: center;
          background: rgb(10 12 16 / 40%);
        }
        #help div {
          background: var(--paper); border-radius: 10px; padding: 20px 28px;
          box-shadow: var(--shadow);
        }
        #help dl {
          display: grid; grid-template-columns: auto 1fr; gap: 5px 20px; margin-top: 10px;
        }
        #help dt { font-weight: 600; }
        #loading { position: fixed; inset: auto 0 40% 0; text-align: center; color: var(--faint); }
        @media (max-width: 1100px) {
          header { flex-wrap: wrap; gap: 12px 20px; }
          aside { width: 300px; }
        }
        @media print {
          html, body, main, .left, #table { height: auto; overflow: visible; display: block; }
          aside, .tools, #tabs { display: none; }
        }
        """#
}
