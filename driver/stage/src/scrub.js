// Lets a reader move through a run: a figure of the class `stage` has its frames beside its picture, as JSON. Without
// scripts the picture stays at its worst moment.
for (const figure of document.querySelectorAll('figure.stage')) {
  const run = JSON.parse(figure.querySelector('script').textContent);
  const [svg, controls, when] = ['svg', '.scrub', '.when'].map((part) => figure.querySelector(part));
  const [button, slider] = controls.children;
  let playing = 0;

  const phase = (t) => run.phases.findLast(([, start]) => start <= t)?.[0];
  const put = (n) => {
    const t = run.t[n], seen = Object.entries(run.values).filter(([, all]) => all[n] !== null);
    labStage.show(svg, Object.fromEntries(seen.map(([id, all]) => [id, all[n]])));
    const name = phase(t);
    when.textContent = `${n === run.worst ? 'At its worst' : 'At'} ${t.toFixed(1)} s${name ? `, phase ${name}` : ''}`;
    slider.value = n;
    slider.setAttribute('aria-valuetext', when.textContent);
  };
  const stop = () => {
    clearInterval(playing);
    playing = 0;
    button.textContent = 'Play';
  };
  const play = () => {
    const from = Number(slider.value) + 1 < run.t.length ? Number(slider.value) : 0;
    const start = performance.now();
    button.textContent = 'Pause';
    // Twice as fast as it was.
    playing = setInterval(() => {
      const t = run.t[from] + (performance.now() - start) / 500;
      const n = run.t.findLastIndex((at) => at <= t);
      put(n);
      if (n + 1 === run.t.length) stop();
    }, 50);
  };

  slider.addEventListener('input', () => {
    stop();
    put(Number(slider.value));
  });
  button.addEventListener('click', () => playing ? stop() : play());
  controls.hidden = false;
}
