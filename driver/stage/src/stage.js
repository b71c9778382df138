// Brings a picture of lab-stage to the values of another moment: `labStage.show(svg, values)`, where `values` is the `stage`
// of a tick or of a frame. Geometry and words are those of grid.rs, picture.rs and words.rs, to the letter.
globalThis.labStage = (() => {
  const WIDTH = 640, TOP = 82, HEIGHT = 176, MARGIN = 10, LARGEST = 116, MOST = 512;
  const TOKEN = 20;
  const WAITING = { left: 206, abreast: 2, most: 36 }, REFUSED = { left: 326, abreast: 1, most: 12 };

  const short = (number) => Math.round(number * 100) / 100;
  const round = (value) => Math.max(0, Math.round(value ?? 0));
  const number = (value) => value === undefined ? '?' : String(value < 10 ? Math.round(value * 10) / 10 : Math.round(value));
  const all = (svg, kind) => [...svg.querySelectorAll(`[data-kind=${kind}]`)];
  const write = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };

  function sum(values, parts) {
    const seen = parts.map((part) => values[part.dataset.stage]);
    return seen.includes(undefined) ? undefined : seen.reduce((total, value) => total + value, 0);
  }

  function grid(places) {
    const pitchOf = (rows) => Math.min(
      (WIDTH - 2 * MARGIN) / Math.ceil(places / rows), (HEIGHT - 2 * MARGIN) / rows, LARGEST);
    let best = 1;
    for (let rows = 2; rows <= places; rows++) if (pitchOf(rows) > pitchOf(best)) best = rows;
    const columns = Math.ceil(places / best);
    const rows = Math.ceil(places / columns);
    const pitch = pitchOf(rows);
    const left = (WIDTH - columns * pitch) / 2, top = TOP + (HEIGHT - rows * pitch) / 2;
    return { pitch, corner: (n) => [left + (n % columns) * pitch, top + Math.floor(n / columns) * pitch] };
  }

  function cell() {
    const make = (name) => document.createElementNS('http://www.w3.org/2000/svg', name);
    const group = make('g'), rect = make('rect'), path = make('path');
    group.setAttribute('class', '');
    for (const [name, value] of [['x', 3], ['y', 3], ['width', 34], ['height', 34], ['rx', 8]]) rect.setAttribute(name, value);
    group.append(rect, path);
    return group;
  }

  // As many cells as there are looks; the look of a cell is that of a key.
  function fill(group, looks, corner, pitch) {
    while (group.children.length > looks.length) group.lastElementChild.remove();
    while (group.children.length < looks.length) group.append(cell());
    looks.forEach((key, n) => {
      const [x, y] = corner(n), element = group.children[n];
      const look = key?.querySelector('.cell');
      const set = (element, name, value) => {
        if (element.getAttribute(name) !== value) element.setAttribute(name, value);
      };
      set(element, 'class', look ? look.getAttribute('class') : 'cell free');
      set(element, 'transform', `translate(${short(x)} ${short(y)}) scale(${short(pitch / 40)})`);
      set(element.lastElementChild, 'd', look ? look.lastElementChild.getAttribute('d') : '');
    });
  }

  function queue(row, values, { left, abreast, most }) {
    const count = round(values[row.dataset.stage]), top = Number(row.dataset.top);
    const corner = (n) => [left + Math.floor(n / abreast) * TOKEN, top + (n % abreast) * TOKEN];
    fill(row.querySelector('.tokens'), Array(Math.min(count, most)).fill(row), corner, TOKEN);
    write(row.querySelector('.more'), count > most ? `+${count - most}` : '');
  }

  function gauge(row, values) {
    const { stage, word, unit, bound } = row.dataset;
    const value = values[stage], limit = values[`${stage}.bound`];
    const [, level, bounded] = row.querySelectorAll('text');
    write(level, `${number(value)} ${unit}`);
    write(bounded, `${bound} ${number(limit)}`);
    const share = value !== undefined && limit > 0 ? value / limit : 0;
    const bar = row.querySelector('.track + rect');
    bar.setAttribute('class', share > 1 ? 'over' : 'within');
    bar.setAttribute('width', short(Math.min(share, 2) * WIDTH / 2));
    return `${word}: ${level.textContent}, ${bounded.textContent}`;
  }

  function show(svg, values) {
    const [taken, line, refused] = ['taken', 'line', 'refused'].map((kind) => all(svg, kind));
    const named = (part, between) => {
      const text = `${number(values[part.dataset.stage])} ${between}${part.dataset.word}`;
      write(part.querySelector('text'), text);
      return text;
    };
    const list = (whole, parts) =>
      parts.length ? `${whole}: ${parts.map((part) => named(part, '')).join(', ')}` : whole;

    const [heading] = all(svg, 'places'), [waiting] = all(svg, 'waiting');
    write(heading, `${number(sum(values, taken))} of ${number(values.places)} ${heading.dataset.word}`);
    const sentences = [list(heading.textContent, taken)];
    if (waiting) {
      write(waiting, `${number(sum(values, line))} ${waiting.dataset.word}`);
      sentences.push(list(waiting.textContent, line));
    }
    sentences.push(...refused.map((part) => named(part, 'a second ')), ...all(svg, 'gauge').map((row) => gauge(row, values)));

    const places = Math.min(round(values.places), MOST), { pitch, corner } = grid(Math.max(places, 1));
    const looks = taken.flatMap((part) => Array(Math.min(round(values[part.dataset.stage]), MOST)).fill(part));
    fill(all(svg, 'cells')[0], Array.from({ length: places }, (_, n) => looks[n]), corner, pitch);
    line.forEach((row) => queue(row, values, WAITING));
    refused.forEach((row) => queue(row, values, REFUSED));
    svg.setAttribute('aria-label', `${sentences.join('. ')}.`);
  }

  return { show };
})();
