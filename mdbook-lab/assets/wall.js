// The wall: the run that goes on, for a room. lab.js follows it; this draws it large.
//
// Of all that is measured three figures: what somebody waits who has no part in the fault, against what was promised; what
// becomes of what is asked for; and how much of the bounded resource is taken. Effect, price and cause.
(() => {
  "use strict";

  const { make, whole, time } = globalThis.labTold;
  const at = (id) => document.getElementById(id);
  const set = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };
  const sum = (numbers) => numbers.reduce((all, number) => all + number, 0);

  // ---- The run ----
  let run = null;
  let drawing = false;

  function begin({ run_id, scenario, line }) {
    const code = { mine: "your code", solved: "the reference", starter: "the starter" }[line.code] ?? line.code ?? "";
    run = {
      id: run_id, scenario, code, seconds: line.planned_s ?? 0,
      phases: [], watched: null, stage: null, tick: null, ticks: [], worst: null, drawn: -1, told: -1, outcome: null, finished: null,
    };
    at("picture").replaceChildren();
    at("picture").hidden = true;
    set(at("said"), "");
    delete at("said").dataset.outcome;
  }

  // Whose latency it is about: of who has no part in the fault, where there is such a class.
  function plan({ phases, classes, stage }) {
    run.phases = phases;
    run.watched = classes.find(({ bystander }) => bystander) ?? classes[0] ?? null;
    run.stage = stage ?? null;
    run.seconds = Math.max(run.seconds, ...phases.map(({ end_s }) => end_s));
    const of = (seconds) => `${100 * seconds / run.seconds}%`;
    at("course").replaceChildren(
      ...phases.map(({ name, start_s, end_s, fault }) => {
        const phase = make("span", fault === null ? "phase" : "phase fault", name);
        phase.style.width = of(end_s - start_s);
        return phase;
      }),
      make("i"),
    );
  }

  const p95 = (tick) => (run.watched && tick.p95_ms_by_class?.[run.watched.name]) ?? (run.watched ? null : tick.p95_ms);
  // When it was worst, as the report has it: of the moments at which the line was nearly as long as it ever was, or, where
  // nobody ever waited for a place, nearly the most were refused a second, the one with the most places taken, then with the most
  // of either; and where there is no stage, by what is felt and what fails.
  const NEARLY = 0.9;
  function worst() {
    const of = (tick, parts) => sum((parts ?? []).map(({ id }) => tick.stage?.[id] ?? 0));
    const isFull = (tick) => of(tick, run.stage?.taken) >= NEARLY * (tick.stage?.places ?? 0);
    const waits = (tick) => (isFull(tick) ? of(tick, run.stage?.line) : 0);
    const someWait = run.ticks.some((tick) => waits(tick) > 0);
    const unserved = (tick) => (someWait ? waits(tick) : of(tick, run.stage?.refused));
    const misery = (tick) => [of(tick, run.stage?.taken), unserved(tick), p95(tick) ?? 0, tick.failed_per_s];
    const most = Math.max(...run.ticks.map(unserved));
    const isWorse = (one, other) => {
      const index = one.findIndex((value, index) => value !== other[index]);
      return index >= 0 && one[index] > other[index];
    };
    return run.ticks.filter((tick) => unserved(tick) >= NEARLY * most)
      .reduce((worst, tick) => (isWorse(misery(tick), misery(worst)) ? tick : worst));
  }

  function tick(line) {
    run.tick = line;
    run.ticks.push(line);
  }

  function finished(line) {
    const { outcome, score, validity } = line;
    run.outcome = outcome;
    run.finished = line;
    run.worst = run.ticks.length > 0 ? worst() : null;
    const points = score === null || score === undefined ? "" : ` · ${score} of 100`;
    const doubt = validity === "suspect" && points !== "" ? " SUSPECT" : "";
    set(at("said"), `${outcome.toUpperCase()}${doubt}${points}`);
    at("said").dataset.outcome = outcome;
  }

  // ---- The picture ----
  function soon() {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      if (run !== null) draw();
    });
  }

  // Where the run stands. After the load the last answers are waited for.
  function clock(shown) {
    if (run.outcome !== null) return `${whole(shown.t_s)} s, ${shown.phase}`;
    const isOver = shown.t_s > run.seconds;
    return isOver ? `${whole(run.seconds)} s, the last answers` : `${whole(shown.t_s)} of ${whole(run.seconds)} s`;
  }

  // While it goes on, how it stands; afterwards, how it stood when it was at its worst.
  function draw() {
    const shown = run.outcome === null ? run.tick : run.worst;
    set(at("title"), `${run.scenario}, ${run.code}`);
    at("course").hidden = run.phases.length === 0;
    at("figures").hidden = shown === null;
    if (shown === null) {
      set(at("phase"), "");
      set(at("time"), run.seconds ? `${whole(run.seconds)} s` : "");
      return;
    }
    places(shown);
    const svg = at("picture").querySelector("svg");
    if (svg && shown.stage) globalThis.labStage?.show(svg, shown.stage);
    // What is about seconds changes half as often as the picture: without a GPU each part of the screen that is drawn costs.
    if (run.outcome === null && shown.t_s < run.told + 0.35) return;
    run.told = shown.t_s;
    set(at("phase"), run.outcome === null ? shown.phase : "at its worst:");
    set(at("time"), clock(shown));
    at("course").style.setProperty("--at", `${Math.min(100, 100 * shown.t_s / run.seconds)}%`);
    latency(shown);
    ends(shown);
  }

  function figure(id, term, value, word, state) {
    const [dt, dd, said] = at(id).children;
    set(dt, term);
    set(dd, value);
    if (said) set(said, word);
    at(id).dataset.state = state;
  }

  function latency(tick) {
    const { name, bystander, slo_ms } = run.watched ?? { name: "all" };
    const ms = p95(tick);
    const isOver = slo_ms !== undefined && ms !== null && ms > slo_ms;
    const objective = slo_ms === undefined ? "" : `${ms === null ? "objective" : isOver ? "over" : "within"} ${time(slo_ms)}`;
    const term = bystander && !/bystander/i.test(name) ? `p95 of ${name}, a bystander` : `p95 of ${name}`;
    figure("latency", term, ms === null ? "no answer" : time(ms), objective, ms === null ? "none" : isOver ? "bad" : "good");
  }

  function ends(tick) {
    const [dt, parts] = at("ends").children;
    set(dt, `of ${whole(tick.offered_per_s)} a second`);
    const rates = [["ok", tick.ok_per_s], ["refused", tick.refused_per_s ?? 0], ["failed", tick.failed_per_s]];
    if (parts.childElementCount === 0) {
      parts.append(...rates.map(([end]) => {
        const part = make("span", `end ${end}`);
        part.append(make("b"), ` ${end}`);
        return part;
      }));
    }
    rates.forEach(([, rate], index) => set(parts.children[index].firstChild, whole(rate)));
  }

  function places(tick) {
    if (run.stage === null) return figure("places", "in flight", whole(tick.in_flight), "sent and not answered", "none");
    const { stage } = run;
    const value = ({ id }) => tick.stage?.[id];
    // One that was not seen makes a sum that nobody knows.
    const all = (parts) => {
      const seen = parts.map(value);
      return seen.includes(undefined) ? undefined : sum(seen);
    };
    const said = (number) => (number === undefined ? "?" : whole(number));
    const [taken, of] = [all(stage.taken), tick.stage?.places];
    const isFull = taken !== undefined && of !== undefined && taken >= of - 0.5;
    const waiting = all(stage.line);
    const line = stage.line.length > 0 ? `${said(waiting)} ${stage.waiting}` : "";
    // All taken is bad for who waits; all replicas there, with nobody in line, is as it should be.
    figure("places", stage.place, `${said(taken)} of ${said(of)}`, line, isFull && waiting > 0 ? "bad" : "good");
  }

  // ---- What lab.js hears ----
  const lines = { planned: plan, tick, finished };
  const told = (name, hear) => document.addEventListener(`lab-${name}`, ({ detail }) => hear(detail));
  told("line", (data) => {
    if (data.line.line === "started" || run?.id !== data.run_id) begin(data);
    lines[data.line.line]?.(data.line);
    // Every other tick of ten a second: nobody reads faster, and the run has the CPU.
    const { line, t_s } = data.line;
    if (line === "tick" && t_s < run.drawn + 0.15) return;
    if (line === "tick") run.drawn = t_s;
    soon();
  });
  // From our own renderer, which escapes.
  told("picture", ({ html }) => {
    at("picture").innerHTML = html;
    at("picture").hidden = false;
    soon();
  });
  told("over", ({ run_id }) => {
    if (run?.id === run_id && run.outcome === null) set(at("said"), "The run is over, without a verdict.");
  });
  told("hello", () => { if (run === null || at("said").dataset.lost) waits(); });
  told("lost", ({ text }) => {
    at("said").dataset.lost = "true";
    set(at("said"), text.replaceAll("`", ""));
  });

  function waits() {
    delete at("said").dataset.lost;
    set(at("said"), run === null ? "Nothing runs yet. What is started in the guide or in a terminal shows here by itself." : "");
    if (run?.outcome) finished(run.finished);
  }
})();
