'use strict';
// The page reads without this: it adds walking by arrow keys, pages and filters.

// Things with a title each, in one stop of the tab key: what is pointed at or walked to is told below them.
for (const probe of document.querySelectorAll('.probe')) {
  const output = probe.nextElementSibling;
  const marks = () => [...probe.querySelectorAll('i[title], .plot circle, .plot rect')];
  const tell = (mark) => {
    probe.querySelector('.here')?.classList.remove('here');
    mark.classList.add('here');
    const words = mark.getAttribute('title') ?? mark.querySelector('title')?.textContent ?? '';
    output.textContent = mark.localName === 'i' ? `${mark.textContent.trim() || '␣'}  ${words}` : words;
  };
  probe.addEventListener('pointerover', (event) => {
    const mark = event.target.closest('i[title], circle, rect');
    if (mark) tell(mark);
  });
  probe.addEventListener('keydown', (event) => {
    const all = marks();
    const at = all.indexOf(probe.querySelector('.here'));
    const next = target(event.key, all, at);
    if (next === undefined) return;
    event.preventDefault();
    tell(next);
    if (next.localName === 'i') next.scrollIntoView({ block: 'nearest' });
  });
}

function target(key, all, at) {
  if (at < 0) return ['ArrowRight', 'ArrowDown', 'ArrowLeft', 'ArrowUp', 'Home'].includes(key) ? all[0] : undefined;
  switch (key) {
    case 'ArrowRight': return all[Math.min(at + 1, all.length - 1)];
    case 'ArrowLeft': return all[Math.max(at - 1, 0)];
    case 'Home': return all[0];
    case 'End': return all.at(-1);
    case 'ArrowDown': return beside(all, at, 1);
    case 'ArrowUp': return beside(all, at, -1);
    default: return undefined;
  }
}

// The nearest mark above or below that begins at the same place of its line; in texts, the nearest of the next line.
function beside(all, at, direction) {
  const from = all[at].getBoundingClientRect();
  const others = (direction > 0 ? all.slice(at + 1) : all.slice(0, at).reverse())
    .map((mark) => [mark, mark.getBoundingClientRect()])
    .filter(([, box]) => direction * (box.top - from.top) > from.height / 2);
  if (others.length === 0) return all[at];
  const line = Math.min(...others.map(([, box]) => direction * box.top));
  const distance = ([, box]) => (direction * box.top > line + 2 ? 1e6 : 0) + Math.abs(box.left - from.left);
  return others.reduce((best, other) => (distance(other) < distance(best) ? other : best))[0];
}

// Long tables: pages of rows, and a filter over all of them.
for (const [number, table] of [...document.querySelectorAll('table[data-page]')].entries()) {
  const size = Number(table.dataset.page);
  const rows = [...table.tBodies[0].rows];
  let texts;
  let kept = rows;
  let page = 0;
  const bar = document.createElement('div');
  bar.className = 'pages';
  const label = document.createElement('label');
  label.textContent = 'Filter ';
  const filter = document.createElement('input');
  filter.type = 'search';
  filter.name = `filter-${number}`;
  label.append(filter);
  const [previous, next] = ['Previous', 'Next'].map((words) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = words;
    return button;
  });
  const status = document.createElement('span');
  status.setAttribute('role', 'status');
  bar.append(label, previous, next, status);
  table.parentElement.before(bar);
  const show = () => {
    const first = page * size;
    table.tBodies[0].replaceChildren(...kept.slice(first, first + size));
    status.textContent = kept.length === 0
      ? 'no row' : `rows ${first + 1} to ${Math.min(first + size, kept.length)} of ${kept.length}`;
    previous.disabled = page === 0;
    next.disabled = first + size >= kept.length;
  };
  previous.addEventListener('click', () => { page -= 1; show(); });
  next.addEventListener('click', () => { page += 1; show(); });
  filter.addEventListener('input', () => {
    texts ??= rows.map((row) => row.textContent.toLowerCase());
    const words = filter.value.toLowerCase();
    kept = rows.filter((_, index) => texts[index].includes(words));
    page = 0;
    show();
  });
  show();
}
