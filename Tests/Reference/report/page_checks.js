(charts) => {
  const faults = [];
  const fault = (words) => faults.push(words);
  const name = (element) => `<${element.localName} class="${element.getAttribute('class') ?? ''}"> ${element.textContent.trim().slice(0, 40)}`;

  // One page that needs nothing else.
  if (document.documentElement.lang !== 'en' || !document.title) fault('no language or title');
  for (const landmark of ['header', 'nav', 'main', 'footer', 'h1', 'script', 'style']) {
    const count = document.querySelectorAll(landmark).length;
    if (count !== 1) fault(`${count} of ${landmark}`);
  }
  for (const element of document.querySelectorAll('img, iframe, object, embed, link, form, [style], [onerror], [onclick], foreignObject')) {
    fault(`not ours: ${name(element)}`);
  }
  for (const image of document.querySelectorAll('image')) {
    if (!image.getAttribute('href').startsWith('data:image/')) fault('a picture from elsewhere');
  }
  for (const link of document.querySelectorAll('a')) {
    const to = link.getAttribute('href');
    if (!to.startsWith('#') || !document.getElementById(to.slice(1))) fault(`link to ${to}`);
  }
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  if (new Set(ids).size !== ids.length) fault('an id is there twice');
  for (const element of document.querySelectorAll('[aria-labelledby]')) {
    for (const id of element.getAttribute('aria-labelledby').split(' ')) if (!document.getElementById(id)) fault(`no ${id}`);
  }

  // Headings in order.
  let level = 0;
  for (const heading of document.querySelectorAll('h1, h2, h3, h4, h5, h6')) {
    const next = Number(heading.localName[1]);
    if (next > level + 1) fault(`h${next} after h${level}: ${heading.textContent.slice(0, 40)}`);
    if (!heading.textContent.trim()) fault('an empty heading');
    level = next;
  }

  // The page is no wider than the window; frames that scroll are reached by the tab key.
  if (document.documentElement.scrollWidth > innerWidth) {
    fault(`the page is ${document.documentElement.scrollWidth} wide`);
    for (const element of document.querySelectorAll('body *')) {
      const box = element.getBoundingClientRect();
      if (box.right > innerWidth + 1 && !element.closest('.scroll')) { fault(`too wide: ${name(element)}`); break; }
    }
  }
  for (const element of document.querySelectorAll('*')) {
    if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX === 'auto' && element.tabIndex < 0) {
      fault(`not reached: ${name(element)}`);
    }
  }

  // Charts are there, told in words, and their letters do not touch.
  const plots = [...document.querySelectorAll('svg.plot')];
  if (plots.length < charts) fault(`${plots.length} charts`);
  for (const plot of plots) {
    if (!plot.checkVisibility()) continue;
    const box = plot.getBoundingClientRect();
    if (box.width < 150 || box.height < 30) fault(`a chart of ${box.width} by ${box.height}`);
    if (!plot.querySelector('title')?.textContent || !plot.querySelector('desc')?.textContent) fault('a chart without words');
  }
  for (const svg of document.querySelectorAll('svg.plot, svg.ticks')) {
    if (!svg.checkVisibility()) continue;
    const boxes = [...svg.querySelectorAll('text')].map((text) => [text, text.getBoundingClientRect()]);
    boxes.forEach(([text, a], index) => {
      if (a.left < -1 || a.right > innerWidth + 1) fault(`letters beyond the page: ${text.textContent}`);
      const own = svg.getBoundingClientRect();
      if (svg.matches('.ticks') && a.left < own.left - 1) fault(`letters cut off: ${text.textContent}`);
      for (const [other, b] of boxes.slice(index + 1)) {
        if (a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom) {
          fault(`letters touch: ${text.textContent} and ${other.textContent}`);
        }
      }
    });
  }

  // Contrast of all letters, and of lines (WCAG 2.2, 1.4.3 and 1.4.11).
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const parse = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const seen = new Map();
  const rgba = (colour) => seen.get(colour) ?? seen.set(colour, parse(colour)).get(colour);
  const luminance = ([r, g, b]) => {
    const linear = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = at.namespaceURI.endsWith('svg') ? [0, 0, 0, 0] : rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const low = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest('script, style, title, desc')) continue;
    const style = getComputedStyle(element);
    const svg = element.namespaceURI.endsWith('svg');
    if (element.closest('.box-name') || element.matches(':disabled')) continue;
    const ratio = contrast(rgba(svg ? style.fill : style.color), behind(element));
    if (ratio < 4.5) low.add(`contrast ${ratio.toFixed(2)}: ${element.localName}.${element.getAttribute('class') ?? ''}`);
  }
  for (const line of document.querySelectorAll('path.line, path.dashes, .dots-mark, .ticks-mark, .whisker')) {
    if (!line.checkVisibility()) continue;
    const style = getComputedStyle(line);
    const colour = style.fill === 'none' || line.matches('.whisker') ? style.stroke : style.fill;
    const ratio = contrast(rgba(colour), behind(line));
    if (ratio < 3) low.add(`contrast ${ratio.toFixed(2)} of a line: ${line.getAttribute('class')}`);
  }
  faults.push(...low);
  return faults;
}
