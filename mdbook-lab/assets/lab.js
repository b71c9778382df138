// The live part of the guide: run buttons, the live panel, and the status of each step as it is.
//
// It enhances pages that are whole without it. Copy buttons are always there; everything else comes
// only when `mdbook-lab serve` has answered. Text from commands and runs is only ever set as text.
(() => {
  "use strict";

  const PANEL_STATE = "lab-panel";
  const PAGE_STATE = "lab-page";
  // Which of the blocks with one command was pressed.
  const HOME = "lab-home";
  // Where the panel stood in the page: it stands there again before anything is read.
  const PLACE = "lab-place";
  // Where a guide may be that answers: on this machine, or on one of Codespaces.
  const isSite = "labSite" in document.documentElement.dataset;
  const local = !isSite && (["127.0.0.1", "localhost"].includes(location.hostname) || location.hostname.endsWith(".app.github.dev"));
  // The print page holds every chapter at once, frozen.
  const frozen = location.pathname.endsWith("/print.html");
  // The wall follows a run by this script and draws it itself.
  const onWall = document.body.classList.contains("lab-wall");

  const make = (name, className, text) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const button = (className, text, action) => {
    const element = make("button", className, text);
    element.type = "button";
    element.addEventListener("click", action);
    return element;
  };
  // What is kept lasts as long as the tab: which hints are open, where the page was, what was closed.
  const recall = (key) => {
    try { return JSON.parse(sessionStorage.getItem(key)); } catch { return null; }
  };
  const remember = (key, value) => {
    try { sessionStorage.setItem(key, JSON.stringify(value)); } catch { /* private window */ }
  };

  // What changes several times a second is drawn once a frame, all of it together: nothing is measured in between.
  const drawings = new Map();
  function draw(what, how) {
    if (drawings.size === 0) {
      requestAnimationFrame(() => {
        const all = [...drawings.values()];
        drawings.clear();
        all.forEach((one) => one());
      });
    }
    drawings.set(what, how);
  }
  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(`lab-${name}`, { detail }));

  // ---- The session ----
  // Who may run things shows the server a token. It comes with the link that `make book` prints, in
  // the part of the address that browsers send to nobody; it is kept where only this origin, port
  // included, can read it; and tabs of this origin hand it on to each other.
  const session = {
    KEY: "lab-session",
    // What another tab takes to answer, at most.
    PATIENCE: 300,
    token: recall("lab-session"),
    refused: new Set(),
    tabs: local && !frozen ? new BroadcastChannel("lab-session") : null,

    headers() {
      return this.token === null ? {} : { authorization: `Bearer ${this.token}` };
    },

    keep(token) {
      this.token = token;
      remember(this.KEY, token);
    },

    // The server knows it no more: it is of an earlier start.
    forget(token) {
      this.refused.add(token);
      if (this.token === token) this.keep(null);
    },

    // Takes the ticket out of the address, at once, and trades it for the token. Gives the server's
    // words where it takes it no more.
    async enter() {
      const ticket = /^#ticket=(.*)$/.exec(location.hash)?.[1];
      if (ticket === undefined) return null;
      history.replaceState(history.state, "", location.pathname + location.search);
      try {
        const { token } = await (await post("/lab/enter", { ticket })).json();
        this.keep(token);
        this.tabs?.postMessage({ token });
        return null;
      } catch (error) {
        return error.message;
      }
    },

    // Asks the other tabs, where this one has none: one that was opened by hand, or in the background.
    ask() {
      return new Promise((resolve) => {
        this.answered = resolve;
        setTimeout(resolve, this.PATIENCE);
        this.tabs?.postMessage({ ask: true });
      });
    },

    // What another tab says: asks, or has a token. Whether it was one that this tab needed.
    hear({ ask, token }) {
      if (ask && this.token !== null) this.tabs.postMessage({ token: this.token });
      if (!token || token === this.token || this.refused.has(token)) return false;
      if (this.token !== null && connected) return false;
      this.keep(token);
      this.answered?.();
      return true;
    },
  };

  // ---- Blocks: copy and run ----
  const runs = [];
  let running = null;
  let connected = false;

  const words = (action) =>
    action.startsWith("example:") ? `example ${action.slice(8)}` : `make ${action}`;

  function copy(code, from) {
    const text = code.textContent.replace(/\n$/, "");
    const say = (word) => {
      from.textContent = word;
      setTimeout(() => { from.textContent = "Copy"; }, 2000);
    };
    const select = () => {
      getSelection().selectAllChildren(code);
      say("Selected: press Ctrl+C or ⌘C");
    };
    if (!navigator.clipboard) return select();
    navigator.clipboard.writeText(text).then(() => say("Copied"), select);
  }

  // Why nothing can be started now; null where something can.
  function busy() {
    if (running !== null) return `${words(running.action)} is running.`;
    return panel.follows() ? "A run in the terminal is under way." : null;
  }

  for (const block of document.querySelectorAll(".lab-command, .lab-example, .lab-prompt")) {
    const code = block.querySelector("pre code");
    if (!code || frozen) continue;
    const tools = make("div", "lab-tools");
    const action = block.dataset.labAction;
    if (action) {
      const run = button("lab-run", "Run", () => start(action, block));
      run.dataset.labAction = action;
      run.hidden = true;
      const why = make("span", "lab-why");
      runs.push({ run, block, why });
      tools.append(run);
      tools.append(why);
    }
    const label = action ? `Copy ${words(action)}` : "Copy the prompt";
    const copier = button("lab-copy", "Copy", () => copy(code, copier));
    copier.setAttribute("aria-label", label);
    // Before the word on why it can't run, which may be long.
    tools.insertBefore(copier, tools.querySelector(".lab-why"));
    block.append(tools);
  }

  function showRuns() {
    const reason = busy();
    for (const { run, why } of runs) {
      const action = run.dataset.labAction;
      const mine = running !== null && running.action === action;
      run.hidden = !connected;
      run.textContent = mine ? "Running…" : "Run";
      why.textContent = connected && reason !== null && !mine ? reason : "";
      run.setAttribute("aria-label", mine ? `${words(action)} is running` : `Run ${words(action)}`);
      // Not `disabled`: that would throw the focus off the button that was just pressed.
      run.setAttribute("aria-disabled", String(reason !== null));
    }
    panel.cancel.hidden = !connected || running === null;
  }

  async function post(path, body) {
    const response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json", ...session.headers() },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error((await response.text()).trim() || response.statusText);
    return response;
  }

  function start(action, block) {
    const reason = busy();
    if (reason !== null) return panel.note(`${reason} One at a time: wait for its end${running === null ? "" : ", or cancel it"}.`);
    remember(PANEL_STATE, { closed: [], folded: null });
    // Of two blocks with one command it is the one that was pressed.
    const same = runs.filter((one) => one.block.dataset.labAction === action);
    remember(HOME, { path: location.pathname, action, index: same.findIndex((one) => one.block === block) });
    // Who presses looks at what comes.
    panel.opens(block);
    panel.root.scrollIntoView({ block: "nearest" });
    post("/lab/run", { action, ...window.labGuess?.(action) }).catch((error) => panel.note(`Not started: ${error.message}`));
  }

  // ---- The live panel ----
  const whole = (number) => Math.round(number).toString();
  const plain = (number) => String(Number(number.toFixed(1)));
  const time = (ms) => {
    if (ms === null || ms === undefined) return "–";
    if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
    return `${ms >= 10 || ms === 0 ? whole(ms) : ms.toFixed(1)} ms`;
  };
  // The wall says figures in the same words.
  globalThis.labTold = { make, whole, time };
  // What a request can come to, as the report has it.
  const ENDS = [
    ["ok", (tick) => tick.ok_per_s],
    ["refused", (tick) => tick.refused_per_s ?? 0],
    ["failed", (tick) => tick.failed_per_s],
  ];
  // A journal of an earlier driver has one figure for all classes.
  const p95s = (tick) => {
    const known = Object.entries(tick.p95_ms_by_class ?? {});
    return known.length > 0 || tick.p95_ms === null ? known : [["", tick.p95_ms]];
  };

  // The limits of the latency: one where all classes have the same.
  function objectives(classes) {
    const all = [...new Set(classes.map(({ slo_ms }) => slo_ms))];
    return all.map((ms) => {
      const names = classes.filter(({ slo_ms }) => slo_ms === ms).map(({ name }) => name);
      return [all.length === 1 ? "objective" : `objective of ${names.join(", ")}`, ms];
    });
  }

  class Panel {
    constructor() {
      this.root = make("section", "lab-panel");
      this.root.setAttribute("aria-label", "Live run");
      this.root.hidden = true;
      const bar = make("div", "lab-panel-bar");
      this.fold = button("lab-panel-fold", "", () => this.folded(!this.body.hidden));
      this.title = make("span", "lab-panel-title");
      this.fold.append(this.title);
      this.cancel = button("lab-cancel", "Cancel", () => {
        post("/lab/cancel", {}).catch((error) => this.note(error.message));
      });
      this.cancel.hidden = true;
      this.close = button("lab-panel-close", "×", () => {
        remember(PANEL_STATE, { closed: [this.showing, this.run?.id], folded: null });
        this.hide();
      });
      this.close.setAttribute("aria-label", "Close the live panel");
      bar.append(this.fold, this.cancel, this.close);

      // The one thing that is read aloud: numbers that change five times a second are not.
      this.said = make("p", "lab-panel-said");
      this.said.setAttribute("role", "status");
      this.said.setAttribute("aria-live", "polite");

      this.built = make("progress", "lab-built");
      this.builds = make("label", "lab-builds", "");
      this.builds.append(make("span"), this.built);

      this.body = make("div", "lab-panel-body");
      this.figures = make("dl", "lab-figures");
      this.charts = make("div", "lab-charts");
      this.live = make("div", "lab-live");
      this.stage = make("div", "lab-panel-stage");
      this.live.append(this.figures, this.stage, this.charts);
      this.links = make("p", "lab-panel-links");
      this.log = make("pre", "lab-log");
      this.log.tabIndex = 0;
      this.log.setAttribute("aria-label", "Output of the command");
      this.body.append(this.live, this.links, this.log);
      this.root.append(bar, this.said, this.builds, this.body);
      // Back from being large: what has begun meanwhile may belong elsewhere.
      this.root.addEventListener("toggle", () => this.place(true));
      document.addEventListener("lab-editor", () => this.linked());
      document.body.append(this.root);
      this.showing = null;
      this.command = null;
      // Until it stands where the others stand.
      this.replays = false;
      this.reset();
    }

    reset() {
      this.run = null;
      this.ended = null;
      this.live.hidden = true;
      this.builds.hidden = true;
      this.links.hidden = true;
      this.links.replaceChildren();
      this.log.hidden = true;
      this.log.replaceChildren();
      this.unwritten = [];
      this.told = "";
      this.said.replaceChildren();
    }

    folded(fold, keep = true) {
      this.body.hidden = fold;
      this.fold.setAttribute("aria-expanded", String(!fold));
      if (keep) remember(PANEL_STATE, { ...recall(PANEL_STATE), folded: fold });
    }

    // Whether it follows a run that no page has started.
    follows() {
      return running === null && this.command === null && this.run !== null && !this.run.over;
    }

    // The block on this page that what is shown belongs to: the command's own, or, of a run in the terminal, that of its step.
    home() {
      const scenario = this.run && CSS.escape(this.run.scenario);
      const isStep = scenario && document.querySelector(`.lab-status[data-lab-scenario="${scenario}"]`);
      const fits = this.command !== null
        ? ({ block }) => block.dataset.labAction === this.command
        : ({ block }) => isStep && /^step\d+$/.test(block.dataset.labAction);
      const blocks = runs.filter(fits).map(({ block }) => block);
      const pressed = recall(HOME);
      const known = pressed?.path === location.pathname && pressed.action === blocks[0]?.dataset.labAction;
      return blocks[known ? pressed.index : 0] ?? null;
    }

    // Below the button that it belongs to it is a part of the page, as high as it will ever be: what comes moves nothing.
    // It comes there where somebody has pressed that button, or out of sight, further down, and where it is in sight it
    // stays. Elsewhere it is a bar at the foot of the window, and only while there is something to wait for.
    place(waits) {
      const home = this.home();
      if (!this.keepsItsPlace(home)) {
        if (home !== null && home.getBoundingClientRect().bottom >= innerHeight) this.stand(home);
        else this.dock();
      }
      const docked = this.root.classList.contains("lab-panel-docked");
      this.folded(recall(PANEL_STATE)?.folded ?? docked, false);
      return waits || !docked;
    }

    keepsItsPlace(home) {
      if (this.isLarge() || home?.nextElementSibling === this.root) return true;
      const stands = !this.root.hidden && this.root.parentElement !== document.body;
      return stands && this.root.getBoundingClientRect().top < innerHeight;
    }

    dock() {
      if (this.root.parentElement !== document.body) document.body.append(this.root);
      this.root.classList.add("lab-panel-docked");
    }

    stand(home) {
      if (home.nextElementSibling !== this.root) home.after(this.root);
      this.root.classList.remove("lab-panel-docked");
      // A step has pictures, others have no more than their output.
      this.root.classList.toggle("lab-panel-tall", /^(step\d+|demo)$/.test(home.dataset.labAction));
    }

    // At the block that was pressed, or, on a page that is opened again, where it stood before.
    opens(block) {
      if (this.isLarge()) return;
      this.stand(block);
      this.folded(recall(PANEL_STATE)?.folded ?? false, false);
      this.root.hidden = false;
      this.keepPlace();
    }

    stoodBefore() {
      const place = recall(PLACE);
      const home = place?.path === location.pathname ? runs[place.index]?.block : null;
      if (home) this.opens(home);
    }

    keepPlace() {
      const index = runs.findIndex(({ block }) => block.nextElementSibling === this.root);
      remember(PLACE, this.root.hidden || index < 0 ? null : { path: location.pathname, index });
    }

    hide() {
      this.root.hidden = true;
      this.keepPlace();
    }

    // Whether it fills the window, as a button of its own has it do.
    isLarge() {
      return this.root.classList.contains("lab-panel-large");
    }

    // Shows the panel for `what`, unless the reader has closed it for that, or is elsewhere and it is over.
    show(what, waits) {
      this.showing = what;
      const wanted = this.place(waits);
      this.root.hidden = !wanted || Boolean(recall(PANEL_STATE)?.closed?.includes(what));
      this.keepPlace();
    }

    // What stands in backticks is code.
    say(text) {
      if (this.told === text) return;
      this.told = text;
      const parts = text.split("`");
      this.said.replaceChildren(...parts.map((part, index) => (index % 2 === 1 ? make("code", "", part) : part)));
    }

    note(text) {
      if (this.root.hidden) this.place(true);
      this.root.hidden = false;
      if (!this.title.textContent) this.title.textContent = "Guide";
      this.say(text);
    }

    hello({ running, last }) {
      const command = running ?? last;
      this.reset();
      this.command = command?.action ?? null;
      if (command === null) return this.hide();
      this.title.textContent = words(command.action);
      this.show(`${command.id} ${command.action}`, running !== null);
      if (running) this.say("Started.");
      else this.finished(last);
    }

    // How far cargo is, in crates.
    build({ done, of, crates }) {
      this.builds.hidden = false;
      this.builds.firstElementChild.textContent = `Building, ${done} of ${of}: ${crates}`;
      this.built.max = of;
      this.built.value = done;
    }

    finished(ended) {
      this.ended = ended;
      this.builds.hidden = true;
      if (this.failed()) draw(this.log, () => this.write());
      // The run's own end says more, and is on its way.
      if (this.run === null || (this.run.over && !this.run.outcome)) this.tellEnd();
    }

    failed() {
      return this.ended !== null && this.ended.code !== 0 && !this.ended.cancelled;
    }

    tellEnd() {
      const { action, code, cancelled } = this.ended;
      if (cancelled) this.say(`${words(action)} was cancelled.`);
      else if (code === 0) this.say(`${words(action)} is done.`);
      else if (code === null) this.say(`${words(action)} was stopped.`);
      else this.say(`${words(action)} ended with exit code ${code}; its output says why.`);
    }

    output(text) {
      this.unwritten.push(text);
      draw(this.log, () => this.write());
    }

    write() {
      const isRead = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight > 24;
      this.log.hidden &&= this.unwritten.length === 0;
      this.log.append(...this.unwritten.splice(0).map((text) => this.written(text)));
      while (this.log.childElementCount > 1000) this.log.firstElementChild.remove();
      if (this.failed()) this.firstError();
      else if (!isRead) this.log.scrollTop = this.log.scrollHeight;
    }

    // A line of output. The place where a compiler sees something wrong can be opened, if an editor is known.
    written(text) {
      const line = make("span", "", text);
      const [, file, row, column] = /^ *--> ([^:]+):(\d+):(\d+)$/.exec(text) ?? [];
      const link = file ? globalThis.labEditor?.link(file, Number(row), Number(column)) : null;
      line.append(...(link ? [" ", link, "\n"] : ["\n"]));
      return line;
    }

    // Which editor there is, is known now.
    linked() {
      for (const line of [...this.log.children].filter((line) => line.childElementCount === 0)) {
        line.replaceWith(this.written(line.textContent.slice(0, -1)));
      }
    }

    // The first mistake that a compiler found: those below are often of its making.
    firstError() {
      const error = [...this.log.children].find((line) => /^error(\[|:)/.test(line.textContent));
      this.log.scrollTop = error ? error.offsetTop : this.log.scrollHeight;
    }

    line({ run_id, scenario, line }) {
      if (line.line === "started" || this.run?.id !== run_id) this.begin(run_id, scenario, line);
      if (line.line === "planned") this.plan(line);
      else if (line.line === "tick") this.tick(line);
      else if (line.line === "event") this.say(line.text);
      else if (line.line === "finished") this.verdict(line);
    }

    begin(id, scenario, line) {
      this.builds.hidden = true;
      // Of what is told first to who joins, the run is that of the last command. What comes later is of a run from elsewhere,
      // and what a command said before is not.
      if (running === null && !(this.replays && this.ended !== null)) {
        this.reset();
        this.command = null;
      }
      const seconds = line.planned_s ?? 0;
      this.run = { id, scenario, seconds, phase: null, outcome: null, over: false };
      const code = { mine: ", your code", solved: ", the reference" }[line.code] ?? "";
      this.title.textContent = `${scenario}${code}`;
      if (running === null) this.show(this.command === null ? id : this.showing, true);
      this.links.hidden = true;
      this.live.hidden = false;
      this.stage.replaceChildren();
      this.plan({ phases: [], classes: [], scales: false });
      this.say(`${scenario} runs${seconds ? ` for ${whole(seconds)} seconds` : ""}.`);
      showRuns();
    }

    // What is drawn of a run, once it is known of which classes and phases it is.
    plan({ phases, classes, scales }) {
      const called = ({ name, bystander }) => (bystander && !/bystander/i.test(name) ? `${name} (bystander)` : name);
      this.named = new Map(classes.map((known) => [known.name, called(known)]));
      this.shown = new Map();
      drawings.delete(this.figures);
      this.last = null;
      this.counted = -1;
      this.figures.replaceChildren();
      const figures = [["phase", "phase"], ["offered", "offered/s"], ...ENDS.map(([end]) => [end, `${end}/s`]), ["flight", "in flight"]];
      if (scales) figures.push(["replicas", "replicas"]);
      figures.push(...[...this.named.values()].map((label) => ["p95", `p95 ${label}`]));
      for (const [key, label] of figures) this.figure(key, label);
      this.latency = new Chart("p95", time, this.run.seconds, phases, objectives(classes));
      this.traffic = new Chart("requests/s", plain, this.run.seconds, phases, []);
      this.charts.replaceChildren(this.latency.root, this.traffic.root);
    }

    // The bounded resource, drawn by the server from our own renderer, which escapes; each tick brings it to its moment.
    picture({ run_id, html }) {
      if (this.run?.id === run_id && !onWall) this.stage.innerHTML = html;
    }

    figure(key, label) {
      const pair = make("div", `lab-figure lab-figure-${key}`);
      const value = make("dd", "", "–");
      pair.append(make("dt", "", label), value);
      this.figures.append(pair);
      this.shown.set(label, value);
      return value;
    }

    set(key, label, text) {
      const value = this.shown.get(label) ?? this.figure(key, label);
      if (value.textContent !== text) value.textContent = text;
    }

    tick(tick) {
      if (onWall) return;
      this.last = tick;
      // Every other tick of ten a second: nobody reads faster, and the run has the CPU.
      if (!(tick.t_s < this.counted + 0.15)) {
        this.counted = tick.t_s;
        draw(this.figures, () => this.count(tick));
      }
      this.traffic.add(tick.t_s, ENDS.map(([end, of]) => [end, of(tick), `lab-line-${end}`]));
      this.latency.add(tick.t_s, this.latencies(tick).map(([label, ms], index) => [label, ms, `lab-line-p95 lab-line-${index % 4}`]));
      if (this.run.phase === tick.phase) return;
      this.run.phase = tick.phase;
      this.say(`Phase: ${tick.phase}.`);
    }

    // The p95 of each class, by what it is called.
    latencies(tick) {
      const known = new Map(p95s(tick));
      const classes = this.named.size > 0 ? [...this.named] : [...known.keys()].map((name) => [name, name]);
      return classes.map(([name, label]) => [label || "all", known.get(name) ?? null]);
    }

    count(tick) {
      this.set("phase", "phase", tick.phase);
      this.set("offered", "offered/s", whole(tick.offered_per_s));
      this.set("flight", "in flight", whole(tick.in_flight));
      if (this.shown.has("replicas")) this.set("replicas", "replicas", whole(tick.replicas));
      for (const [end, of] of ENDS) this.set(end, `${end}/s`, whole(of(tick)));
      const picture = this.stage.firstElementChild;
      if (picture && tick.stage) globalThis.labStage?.show(picture, tick.stage);
      for (const [label, ms] of this.latencies(tick)) this.set("p95", label === "all" ? "p95" : `p95 ${label}`, time(ms));
    }

    verdict({ outcome, score, validity }) {
      this.run.outcome = outcome;
      for (const chart of [this.latency, this.traffic]) draw(chart, () => chart.draw());
      if (this.last) draw(this.figures, () => this.count(this.last));
      if (outcome === "cancelled") return this.say(`${this.run.scenario}: cancelled.`);
      const points = score === null || score === undefined ? "" : `, ${score} of 100`;
      const doubt = validity === "suspect" && points !== "" ? " SUSPECT" : "";
      this.say(`${this.run.scenario}: ${outcome.toUpperCase()}${doubt}${points}.`);
    }

    over({ run_id, scenario, html }) {
      if (this.run?.id !== run_id) return;
      this.run.over = true;
      if (!this.run.outcome && this.ended !== null) this.tellEnd();
      else if (!this.run.outcome) this.say(`${scenario} is over.`);
      // From our own renderer, which escapes.
      this.links.innerHTML = html;
      this.links.hidden = false;
      if (this.replays) this.show(this.showing, false);
      showRuns();
    }
  }

  // The next larger number that reads well at the end of an axis.
  function round(number) {
    const unit = 10 ** Math.floor(Math.log10(number || 1));
    return unit * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((times) => times * unit >= (number || 1));
  }

  // Lines over the time of the run, with its phases and the limits that they should keep.
  class Chart {
    static SVG = "http://www.w3.org/2000/svg";
    static WIDTH = 300;
    static HEIGHT = 60;
    // Of the run's time from one drawing to the next: a step of some pixels.
    static EVERY_S = 0.25;

    constructor(name, format, seconds, phases, limits) {
      this.name = name;
      this.format = format;
      this.seconds = seconds;
      this.phases = phases;
      this.limits = limits;
      this.lines = new Map();
      this.last = 0;
      this.drawn = 0;
      this.root = make("figure", "lab-chart");
      this.caption = make("figcaption");
      this.plot = make("div", "lab-plot");
      this.values = make("div", "lab-axis-values");
      this.svg = this.shape("svg", "");
      this.svg.setAttribute("viewBox", `0 0 ${Chart.WIDTH} ${Chart.HEIGHT}`);
      this.svg.setAttribute("preserveAspectRatio", "none");
      this.svg.setAttribute("role", "img");
      this.times = make("div", "lab-axis-times");
      this.plot.append(this.values, this.svg, this.times);
      this.root.append(this.caption, this.plot);
      this.marks = this.shape("g", "");
      this.svg.append(this.marks);
      this.draw();
    }

    shape(name, className, attributes = {}) {
      const shape = document.createElementNS(Chart.SVG, name);
      if (className) shape.setAttribute("class", className);
      for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
      return shape;
    }

    add(seconds, values) {
      for (const [label, value, className] of values) {
        if (!this.lines.has(label)) {
          const path = this.shape("path", `lab-line ${className}`);
          this.svg.append(path);
          this.lines.set(label, { path, className, points: [] });
        }
        this.lines.get(label).points.push([seconds, value]);
      }
      this.last = seconds;
      if (seconds < this.drawn + Chart.EVERY_S) return;
      this.drawn = seconds;
      draw(this, () => this.draw());
    }

    draw() {
      const all = [...this.lines.values()].flatMap(({ points }) => points.map(([, value]) => value ?? 0));
      const most = Math.max(0, ...all);
      const top = round(Math.max(most, ...this.limits.map(([, limit]) => limit * 1.1)));
      const width = Math.max(this.seconds, this.last, ...this.phases.map(({ end_s }) => end_s), 1);
      const x = (at) => (Chart.WIDTH * at / width).toFixed(1);
      const y = (value) => (Chart.HEIGHT * (1 - value / top)).toFixed(1);
      // What stands around the lines changes seldom.
      const frame = `${width} ${top} ${this.lines.size}`;
      if (this.frame !== frame) {
        this.frame = frame;
        this.mark(x, y, top);
        this.label(width, top);
      }
      this.svg.setAttribute("aria-label", `${this.name} up to ${this.format(most)}, over ${whole(width)} seconds`);
      for (const { path, points } of this.lines.values()) {
        let pen = "M";
        path.setAttribute("d", points.map(([at, value]) => {
          // Nothing was answered: a gap, not a zero.
          if (value === null) {
            pen = "M";
            return "";
          }
          const point = `${pen}${x(at)} ${y(value)}`;
          pen = "L";
          return point;
        }).join(""));
      }
    }

    // Bands of the phases, those with a fault in a colour of their own, lines to read values by, and the limits.
    mark(x, y, top) {
      const band = ({ start_s, end_s, fault }, index) => this.shape("rect",
        fault !== null ? "lab-fault" : index % 2 === 1 ? "lab-band" : "lab-band-none",
        { x: x(start_s), y: 0, width: x(end_s - start_s), height: Chart.HEIGHT });
      const level = (className) => (value) => this.shape("path", className, { d: `M0 ${y(value)}L${Chart.WIDTH} ${y(value)}` });
      this.marks.replaceChildren(...this.phases.map(band), ...[top, top / 2].map(level("lab-level")),
        ...this.limits.map(([, limit]) => limit).map(level("lab-limit")));
    }

    label(width, top) {
      this.values.replaceChildren(...[top, top / 2, 0].map((value) => make("span", "", this.format(value))));
      const marks = [["0", 0, ""], ...this.phases.map(({ name, start_s }) => [name, start_s, "lab-phase"])];
      this.times.replaceChildren(
        ...(this.phases.length > 0 ? marks.slice(1) : marks).map(([text, at, className]) => {
          const mark = make("span", className, text);
          mark.style.left = `${100 * at / width}%`;
          return mark;
        }),
        make("span", "lab-axis-end", `${whole(width)} s`),
      );
      const line = { d: "M0 4L24 4" };
      const keys = [
        ...[...this.lines].map(([label, { className }]) => [label, "path", `lab-line ${className}`, line]),
        ...this.limits.map(([label, limit]) => [`${label} ${this.format(limit)}`, "path", "lab-limit", line]),
      ];
      if (this.phases.some(({ fault }) => fault !== null)) {
        keys.push(["fault", "rect", "lab-fault", { x: 0, y: 0, width: 24, height: 8 }]);
      }
      this.caption.replaceChildren(make("b", "", this.name), ...keys.map(([label, shape, className, attributes]) => {
        const key = make("span", "lab-key");
        const sample = this.shape("svg", "", { viewBox: "0 0 24 8", "aria-hidden": "true" });
        sample.append(this.shape(shape, className, attributes));
        key.append(sample, label);
        return key;
      }));
    }
  }

  // ---- What the server tells ----
  const handlers = {
    hello(data) {
      connected = true;
      told = null;
      unwelcome = null;
      running = data.running;
      panel.hello(data);
      showRuns();
      document.dispatchEvent(new Event("lab-connected"));
    },
    status({ scenario, html }) {
      fill(`.lab-status[data-lab-scenario="${CSS.escape(scenario)}"]`, html);
    },
    progress: ({ html }) => fill(".lab-progress", html),
    slot: ({ name, html }) => fill(`[data-lab-slot="${CSS.escape(name)}"]`, html),
    line: (data) => panel.line(data),
    picture: (data) => panel.picture(data),
    over: (data) => panel.over(data),
    output: ({ text }) => panel.output(text),
    build: (data) => panel.build(data),
    ended(data) {
      running = null;
      panel.finished(data);
      showRuns();
    },
    reload({ book: now, pages, error }) {
      // The last of what is told to who joins.
      panel.replays = false;
      showBuildError(error);
      const path = decodeURIComponent(location.pathname).replace(/^\/|\/$/g, "") || "index.html";
      // No pages: where things stand. Another book then means a change that this page has missed.
      const missed = pages.length === 0 && book !== null && now !== null && now !== book;
      book = now ?? book;
      if (missed || pages.includes(path)) reload();
    },
  };

  let book = null;
  const filled = new WeakMap();

  // From our own renderer, which escapes; the policy of the page lets no script in it run.
  function fill(selector, html) {
    if (frozen) return;
    for (const element of document.querySelectorAll(selector)) {
      if (filled.get(element) === html) continue;
      const focus = [...element.querySelectorAll("a, button, summary")].indexOf(document.activeElement);
      steadily(element, () => { element.innerHTML = html; });
      filled.set(element, html);
      if (focus >= 0) element.querySelectorAll("a, button, summary")[focus]?.focus();
    }
  }

  // What is read below an element stays where it is on the screen, however high the element becomes.
  function steadily(element, change) {
    const top = (one) => one.getBoundingClientRect().top;
    const follows = (part) => element.compareDocumentPosition(part) & Node.DOCUMENT_POSITION_FOLLOWING;
    const isRead = (part) => follows(part) && top(part) > 0 && top(part) < innerHeight;
    const read = top(element) < innerHeight ? [...main.children].find(isRead) : undefined;
    const before = read && top(read);
    change();
    if (read) scroller.scrollBy({ top: top(read) - before, behavior: "instant" });
  }

  let buildError = null;
  function showBuildError(text) {
    buildError?.remove();
    buildError = null;
    if (text === null) return;
    buildError = make("section", "lab-build-error");
    buildError.setAttribute("role", "alert");
    buildError.append(make("strong", "", "The book could not be built; this is the page before."),
      make("pre", "", text));
    document.querySelector("main")?.prepend(buildError);
  }

  const scroller = document.scrollingElement ?? document.documentElement;
  const hints = () => [...document.querySelectorAll("main details")];

  function reload() {
    remember(PAGE_STATE, {
      path: location.pathname,
      top: scroller.scrollTop,
      open: hints().map((hint) => hint.open),
    });
    location.reload();
  }

  function restore() {
    const state = recall(PAGE_STATE);
    remember(PAGE_STATE, null);
    if (state?.path !== location.pathname) return;
    hints().forEach((hint, index) => { if (state.open[index]) hint.open = true; });
    scroller.scrollTop = state.top;
  }

  // Paper can't be unfolded.
  let unfolded = [];
  window.addEventListener("beforeprint", () => {
    unfolded = hints().filter((hint) => !hint.open);
    unfolded.forEach((hint) => { hint.open = true; });
  });
  window.addEventListener("afterprint", () => {
    unfolded.forEach((hint) => { hint.open = false; });
    unfolded = [];
  });

  // ---- The connection ----
  let connection = null;
  let failures = 0;
  let retry = 0;
  let told = null;
  let unwelcome = null;

  // The server's words for an error, which begin as errors do.
  const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1).trim()}${/[.!?]\s*$/.test(text) ? "" : "."}`;

  // Not an EventSource: that one sends no header, and can't tell "not for you" from "not there".
  async function follow() {
    clearTimeout(retry);
    connection?.abort();
    const mine = new AbortController();
    connection = mine;
    // The page before may have got it while this one was loading.
    session.token ??= recall(session.KEY);
    if (session.token === null) await session.ask();
    if (mine.signal.aborted) return;
    const shown = session.token;
    const init = { cache: "no-store", signal: mine.signal, headers: session.headers() };
    try {
      const response = await fetch("/lab/events", init);
      if (response.status === 404) return;
      if (response.status === 403 && shown !== null) {
        session.forget(shown);
        return follow();
      }
      if (response.status === 403) return lost(sentence(unwelcome ?? await response.text()), 30_000);
      if (!response.ok) throw new Error(response.statusText);
      panel.replays = true;
      await read(response.body.pipeThrough(new TextDecoderStream()).getReader());
    } catch {
      /* gone; try again */
    }
    if (mine.signal.aborted) return;
    failures += 1;
    // A hiccup is not worth a word.
    const wait = Math.min(250 * 2 ** failures, 8000);
    if (failures < 3) retry = setTimeout(follow, wait);
    else lost("The guide's server has stopped: start it again with `make book`.", wait);
  }

  async function read(reader) {
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      failures = 0;
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      events.forEach(handle);
    }
  }

  function handle(event) {
    let name = "";
    const data = [];
    for (const line of event.split("\n")) {
      if (line.startsWith("event: ")) name = line.slice(7);
      else if (line.startsWith("data: ")) data.push(line.slice(6));
    }
    const detail = JSON.parse(data.join("\n") || "null");
    if (Object.hasOwn(handlers, name)) handlers[name](detail);
    if (name) tell(name, detail);
  }

  function lost(text, again) {
    connected = false;
    running = null;
    showRuns();
    // Said once: who has closed it has read it.
    if (runs.length > 0 && told !== text) panel.note(text);
    told = text;
    tell("lost", { text });
    retry = setTimeout(follow, again);
  }

  // ---- Keys ----
  // mdBook turns pages with the arrow keys. On a page with controls that takes the keys away from
  // them and from screen readers.
  const hasControls = document.querySelector(".lab-command, .lab-example, .lab-prompt, main details");
  window.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const inControl = event.target instanceof Element
      && event.target.closest("a, button, input, select, textarea, summary, [tabindex], [contenteditable]");
    if (hasControls || inControl) event.stopPropagation();
  }, true);

  // ---- What mdBook leaves out of a keyboard's reach ----
  // A box that scrolls must be reachable to be scrolled.
  function reachBoxes() {
    for (const box of document.querySelectorAll("main pre code, main .table-wrapper")) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  }

  // The button for the chapters is a bare label.
  function reachChapters() {
    const label = document.querySelector("label#mdbook-sidebar-toggle");
    if (!label) return;
    label.setAttribute("role", "button");
    label.tabIndex = 0;
    label.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      label.click();
    });
  }

  // ---- Start ----
  const main = document.querySelector("main");
  if (main) new ResizeObserver(reachBoxes).observe(main);
  reachChapters();
  const panel = new Panel();
  panel.stoodBefore();
  restore();

  // What the reader may never come to see, as a browser that fetches ahead knows, uses no link up.
  async function begin() {
    if (document.prerendering) {
      await new Promise((resolve) => document.addEventListener("prerenderingchange", resolve, { once: true }));
    }
    unwelcome = await session.enter();
    if (!document.hidden) follow();
    // Now, while the tab that this one was opened from is there.
    else if (session.token === null) session.ask();
  }

  if (local && !frozen) {
    begin();
    session.tabs.addEventListener("message", ({ data }) => {
      if (session.hear(data) && !document.hidden) follow();
    });
    // The link, put into the address bar of a page that is open already.
    window.addEventListener("hashchange", () => { if (location.hash.startsWith("#ticket=")) begin(); });
    // A browser has six connections for one server: a page in the background gives its own back.
    document.addEventListener("visibilitychange", () => {
      clearTimeout(retry);
      if (document.hidden) connection?.abort();
      else follow();
    });
    window.addEventListener("pagehide", () => connection?.abort());
    window.addEventListener("pageshow", (event) => { if (event.persisted) follow(); });
  }
})();
