/** Line charts as SVG: a few panels side by side, one set of series, logarithmic or linear axes. */

export interface Series {
  name: string;
  points: readonly (readonly [x: number, y: number])[];
}

export interface Panel {
  title: string;
  x: string;
  y: string;
  series: readonly Series[];
  /** Highest y shown; what lies above leaves the panel. */
  top?: number;
  /** Lowest y shown, 0 unless given. */
  bottom?: number;
  logX?: boolean;
}

const WIDTH = 420;
const HEIGHT = 300;
const MARGIN = { left: 58, right: 14, top: 34, bottom: 46 };
/** Told apart by lightness too (Okabe and Ito's palette). */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#555555", "#e69f00", "#56b4e9", "#000000"];

export function chart(panels: readonly Panel[]): string {
  const names = [...new Set(panels.flatMap((panel) => panel.series.map((series) => series.name)))];
  const height = HEIGHT + 24;
  const body = panels.map((panel, i) => `<g transform="translate(${i * WIDTH} 0)">${draw(panel, names)}</g>`).join("\n");
  const legend = names
    .map((name, i) => `<g transform="translate(${MARGIN.left + i * 170} ${HEIGHT + 8})"><rect width="14" height="4" y="-4" fill="${COLOURS[i % COLOURS.length]}"/><text x="20">${escape(name)}</text></g>`)
    .join("");
  const width = Math.max(panels.length * WIDTH, MARGIN.left + names.length * 170);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>\n${body}\n${legend}\n</svg>\n`;
}

function draw({ title, x, y, series, top, bottom = 0, logX = false }: Panel, names: readonly string[]): string {
  const all = series.flatMap(({ points }) => points);
  const scaleX = scale(extent(all.map(([value]) => value), logX), [MARGIN.left, WIDTH - MARGIN.right], logX);
  const highest = top ?? Math.max(...all.map(([, value]) => value), 1e-9);
  const scaleY = scale([bottom, highest], [HEIGHT - MARGIN.bottom, MARGIN.top], false);
  const clip = `clip-${title.replaceAll(/\W/g, "")}`;
  const lines = series.map(({ name, points }) => {
    const colour = COLOURS[names.indexOf(name) % COLOURS.length];
    const place = points.map(([px, py]) => `${scaleX.at(px).toFixed(1)},${scaleY.at(py).toFixed(1)}`);
    const dots = place.map((at) => `<circle cx="${at.split(",")[0]}" cy="${at.split(",")[1]}" r="2.2" fill="${colour}"/>`).join("");
    return `<polyline fill="none" stroke="${colour}" stroke-width="1.6" points="${place.join(" ")}"/>${dots}`;
  });
  const ticksX = scaleX.ticks.map((value) => `<text x="${scaleX.at(value)}" y="${HEIGHT - MARGIN.bottom + 14}" text-anchor="middle">${short(value)}</text>`);
  const ticksY = scaleY.ticks.map((value) => {
    const at = scaleY.at(value);
    return `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${at}" y2="${at}" stroke="#ddd"/><text x="${MARGIN.left - 6}" y="${at + 4}" text-anchor="end">${short(value)}</text>`;
  });
  return [
    `<clipPath id="${clip}"><rect x="${MARGIN.left}" y="${MARGIN.top - 4}" width="${WIDTH - MARGIN.left - MARGIN.right}" height="${HEIGHT - MARGIN.bottom - MARGIN.top + 6}"/></clipPath>`,
    `<text x="${MARGIN.left}" y="18" font-weight="bold">${escape(title)}</text>`,
    ...ticksY,
    ...ticksX,
    `<g clip-path="url(#${clip})">${lines.join("")}</g>`,
    `<text x="${WIDTH / 2}" y="${HEIGHT - 12}" text-anchor="middle">${escape(x)}</text>`,
    `<text transform="translate(13 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">${escape(y)}</text>`,
  ].join("");
}

function extent(values: readonly number[], log: boolean): [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low === high ? [log ? low / 2 : low - 1, high + 1] : [low, high];
}

function scale([low, high]: [number, number], [from, to]: [number, number], log: boolean): { at(value: number): number; ticks: number[] } {
  const map = log ? Math.log10 : (value: number) => value;
  const [a, b] = [map(low), map(high)];
  const at = (value: number) => from + ((map(value) - a) / (b - a || 1)) * (to - from);
  if (log) {
    const decades = Array.from({ length: Math.ceil(b) - Math.floor(a) + 1 }, (_, i) => 10 ** (Math.floor(a) + i));
    return { at, ticks: decades.flatMap((decade) => [1, 2, 5].map((factor) => factor * decade)).filter((value) => value >= low && value <= high) };
  }
  const rough = (high - low) / 5;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = magnitude * ([1, 2, 5, 10].find((factor) => factor * magnitude >= rough) ?? 10);
  return { at, ticks: Array.from({ length: Math.floor(high / step) - Math.ceil(low / step) + 1 }, (_, i) => (Math.ceil(low / step) + i) * step) };
}

function short(value: number): string {
  return Math.abs(value) >= 1000 ? `${Number((value / 1000).toPrecision(3))}k` : String(Number(value.toPrecision(3)));
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
