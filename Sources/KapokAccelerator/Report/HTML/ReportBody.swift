/// The elements of the HTML report; scripts fill them.
enum ReportBody {
    static let html = #"""
        <header>
          <div class="title"><h1 id="kernel"></h1><p id="machine"></p></div>
          <dl class="headlines" id="headlines"></dl>
          <div class="tools">
            <input id="query" type="search" placeholder="opcode, #12, tile, File.swift:12"
              aria-label="Search for instructions" spellcheck="false">
            <span id="count" role="status"></span>
            <button type="button" id="path-button" aria-pressed="false">Critical path</button>
            <button type="button" id="all-button">Whole run</button>
            <button type="button" id="help-button">Keys</button>
          </div>
        </header>
        <main>
          <div class="left">
            <canvas id="map" role="img" aria-label="The whole run; drag to move the view"></canvas>
            <canvas id="axis" role="img" aria-label="Time"></canvas>
            <div id="scroll"><div class="stack">
              <canvas id="base" role="img" aria-label="Each unit's work and idle times"></canvas>
              <canvas id="over"></canvas>
            </div></div>
            <div class="dock">
              <div id="tabs" role="tablist"></div>
              <div id="table"></div>
            </div>
          </div>
          <aside>
            <div id="details"></div>
            <div id="source" hidden></div>
          </aside>
        </main>
        <div id="tooltip" hidden></div>
        <div id="help" hidden><div><h2>Keys and gestures</h2><dl>
          <dt>scroll, W S</dt><dd>zoom around the pointer</dd>
          <dt>drag, Shift + scroll, A D</dt><dd>move</dd>
          <dt>Shift + drag</dt><dd>sum up a range</dd>
          <dt>click</dt><dd>select; double-click zooms to it</dd>
          <dt>&larr; &rarr;</dt><dd>the slice before, the slice after</dd>
          <dt>B</dt><dd>what held it up: the idle time before it, then the culprit</dd>
          <dt>F, 0</dt><dd>show the selection, the whole run</dd>
          <dt>C</dt><dd>the critical path</dd>
          <dt>G</dt><dd>open and close the DMA engines</dd>
          <dt>/, N, Shift + N</dt><dd>search, the next match, the one before</dd>
          <dt>Esc</dt><dd>nothing selected</dd>
        </dl></div></div>
        <p id="loading">Unpacking the run</p>
        """#
}
