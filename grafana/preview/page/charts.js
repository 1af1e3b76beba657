// Drawings: lines and bars over time, grouped bars, a ring, a map without tiles. All SVG, all drawn in one go.
import { PALETTE, dayMark, isWord, offset, optionsOf, parts, shortTime, shown, time, titleOf, whole } from "./format.js";

const NS = "http://www.w3.org/2000/svg";

export function node(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else if (key === "style") made.style.cssText = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const tip = () => document.getElementById("tip");

export function showTip(event, ...content) {
  const box = tip();
  box.replaceChildren(...content);
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  const left = event.clientX + 16 + width > innerWidth ? event.clientX - width - 16 : event.clientX + 16;
  const top = Math.min(event.clientY + 14, innerHeight - height - 8);
  box.style.left = `${Math.max(left, 4)}px`;
  box.style.top = `${Math.max(top, 4)}px`;
}

export const hideTip = () => { tip().hidden = true; };

const textWidth = (() => {
  const pen = document.createElement("canvas").getContext("2d");
  return (text) => {
    pen.font = "11px Inter, 'Noto Sans CJK SC', sans-serif";
    return pen.measureText(text).width;
  };
})();

function niceStep(span, count) {
  const rough = span / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? 10 * power;
}

function ticks(low, high, count, least = 0) {
  if (!(high > low)) high = low + 1;
  const step = Math.max(niceStep(high - low, count), least);
  const first = Math.floor(low / step) * step;
  const found = [];
  for (let index = 0; first + index * step < high + step * 0.999; index += 1) found.push(Number((first + index * step).toPrecision(12)));
  return found;
}

const MINUTE = 60_000, HOUR = 3_600_000, DAY = 86_400_000;
const STEPS = [MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY];

function timeTicks(start, end, width) {
  const step = STEPS.find((each) => (end - start) / each <= width / 78) ?? 28 * DAY;
  const shift = offset(start);
  const first = Math.ceil((start + shift) / step) * step - shift;
  const found = [];
  for (let at = first; at <= end; at += step) {
    const text = step >= DAY ? dayMark(at) : time(at, { hour: "2-digit", minute: "2-digit" });
    found.push([at, text]);
  }
  return found;
}

// Series of an answer: long form (a text column names the series) or wide (a column a series).
export function seriesOf(panel, answer) {
  const names = answer.fields.map((field) => field.name);
  const at = names.indexOf("time");
  const label = answer.fields.findIndex((field) => field.type === "string");
  const values = answer.fields.map((field, index) => index).filter((index) => index !== at && answer.fields[index].type === "number");
  if (label < 0) {
    return values.map((index) => {
      const options = optionsOf(panel, names[index]);
      return { options, title: titleOf(names[index], options), points: answer.rows.map((row) => [row[at], row[index]]) };
    });
  }
  const [index] = values;
  const grouped = new Map();
  for (const row of answer.rows) {
    if (!grouped.has(row[label])) grouped.set(row[label], []);
    grouped.get(row[label]).push([row[at], row[index]]);
  }
  return [...grouped].sort(([one], [other]) => String(one).localeCompare(String(other))).map(([name, points]) => {
    const options = optionsOf(panel, names[index]);
    return { options, title: titleOf(names[index], options, { [names[label]]: name }), points };
  });
}

function coloured(series) {
  return series.map((one, index) => ({
    ...one,
    colour: one.options.color?.mode === "fixed" ? one.options.color.fixedColor : PALETTE[index % PALETTE.length],
  }));
}

function legend(series) {
  return node("div", { class: "legend" }, ...series.map((one) => node("span", {}, node("i", { style: `background:${one.colour}` }), one.title)));
}

// Largest and smallest value; of stacked bars the sums.
function extent(series, stacked) {
  let low = 0, high = 0;
  const sums = new Map();
  for (const { points } of series) {
    for (const [at, value] of points) {
      if (value === null) continue;
      const total = stacked ? (sums.get(at) ?? 0) + value : value;
      sums.set(at, total);
      low = Math.min(low, total);
      high = Math.max(high, total);
    }
  }
  if (!stacked) {
    const all = series.flatMap(({ points }) => points.map(([, value]) => value)).filter((value) => value !== null);
    const least = Math.min(...all);
    // lines that vary little far from zero are shown close up
    if (all.length && least > 0 && high - least < high * 0.5) low = least - (high - least) * 0.15;
  }
  return [low, high === low ? low + 1 : high];
}

function frame(width, height, marks, mark) {
  const left = Math.ceil(Math.max(...marks.map((value) => textWidth(mark(value))))) + 10;
  return { left, right: width - 14, top: 10, bottom: height - 20 };
}

export function timeSeries(panel, answer, box) {
  const holder = node("div", { class: "plot" });
  const custom = panel.fieldConfig.defaults.custom ?? {};
  const bars = custom.drawStyle === "bars";
  const series = coloured(seriesOf(panel, answer).filter(({ points }) => points.some(([, value]) => value !== null)));
  const made = node("div", { class: "chart" }, holder, legend(series));
  box.replaceChildren(made);
  const width = holder.clientWidth, height = holder.clientHeight;
  if (width < 40 || height < 40 || !series.length) return;
  const [low, high] = extent(series, bars);
  const options = series[0].options;
  const mark = (value) => whole(shown(value, { unit: options.unit, decimals: axisDecimals(options, high - low) }));
  const marks = ticks(low, high, Math.max(Math.floor(height / 42), 2), options.decimals === 0 ? 1 : 0);
  const area = frame(width, height, marks, mark);
  const [start, end] = answer.range;
  const x = (at) => area.left + ((at - start) / (end - start)) * (area.right - area.left);
  const [bottom, top] = [marks[0], marks.at(-1)];
  const y = (value) => area.bottom - ((value - bottom) / (top - bottom)) * (area.bottom - area.top);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": panel.title });
  for (const value of marks) {
    picture.append(svg("line", { class: value === 0 ? "axis" : "grid", x1: area.left, x2: area.right, y1: y(value), y2: y(value) }));
    const text = svg("text", { x: area.left - 7, y: y(value) + 4, "text-anchor": "end" });
    text.textContent = mark(value);
    picture.append(text);
  }
  for (const [at, label] of timeTicks(start, end, area.right - area.left)) {
    if (x(at) < area.left || x(at) > area.right) continue;
    picture.append(svg("line", { class: "grid", x1: x(at), x2: x(at), y1: area.top, y2: area.bottom }));
    const text = svg("text", { x: Math.min(x(at), width - textWidth(label) / 2 - 2), y: height - 5, "text-anchor": "middle" });
    text.textContent = label;
    picture.append(text);
  }
  const now = Date.now();
  if (now > start && now < end - (end - start) * 0.02) picture.append(svg("line", { class: "now", x1: x(now), x2: x(now), y1: area.top, y2: area.bottom }));
  if (bars) drawBars(picture, series, x, y, area);
  else series.forEach((one) => drawLine(picture, one, x, y));
  picture.append(svg("line", { class: "cross", y1: area.top, y2: area.bottom, x1: -9, x2: -9 }));
  holder.append(picture);
  follow(picture, series, x, area);
}

function axisDecimals(options, span) {
  if (options.decimals === 0) return 0;
  if (options.unit === "percentunit") return span < 0.05 ? 1 : 0;
  return span < 5 ? 2 : span < 50 ? 1 : 0;
}

function drawLine(picture, one, x, y) {
  const custom = one.options.custom;
  const runs = [];
  let run = [];
  for (const [at, value] of one.points) {
    if (value === null) { if (run.length) runs.push(run); run = []; } else run.push([x(at), y(value)]);
  }
  if (run.length) runs.push(run);
  const dash = custom.lineStyle?.fill === "dash" ? { "stroke-dasharray": custom.lineStyle.dash.join(" ") } : {};
  for (const points of runs) {
    const path = points.map(([left, top], index) => `${index ? "L" : "M"}${left.toFixed(1)} ${top.toFixed(1)}`).join("");
    if (custom.fillOpacity > 0) {
      picture.append(svg("path", { d: `${path}L${points.at(-1)[0].toFixed(1)} ${y(0)}L${points[0][0].toFixed(1)} ${y(0)}Z`, fill: one.colour, "fill-opacity": custom.fillOpacity / 100 }));
    }
    if (points.length === 1) picture.append(svg("circle", { cx: points[0][0], cy: points[0][1], r: 2.5, fill: one.colour }));
    picture.append(svg("path", { d: path, fill: "none", stroke: one.colour, "stroke-width": custom.lineWidth ?? 2, "stroke-linejoin": "round", ...dash }));
  }
}

function drawBars(picture, series, x, y, area) {
  const moments = [...new Set(series.flatMap(({ points }) => points.map(([at]) => at)))].sort((one, other) => one - other);
  const gap = moments.slice(1).reduce((least, at, index) => Math.min(least, at - moments[index]), Infinity);
  const wide = Math.max(Math.min(Number.isFinite(gap) ? (x(moments[0] + gap) - x(moments[0])) * 0.78 : 12, 40), 1.5);
  const up = new Map(), down = new Map();
  for (const one of series) {
    for (const [at, value] of one.points) {
      if (value === null) continue;
      const sums = value >= 0 ? up : down;
      const from = sums.get(at) ?? 0;
      sums.set(at, from + value);
      const left = Math.max(x(at), area.left);
      picture.append(svg("rect", {
        x: left, width: Math.max(Math.min(wide, area.right - left), 0), y: Math.min(y(from), y(from + value)),
        height: Math.max(Math.abs(y(from) - y(from + value)), 0.5), fill: one.colour, "fill-opacity": 0.88,
      }));
    }
  }
}

function follow(picture, series, x, area) {
  const moments = [...new Set(series.flatMap(({ points }) => points.map(([at]) => at)))].sort((one, other) => one - other);
  const values = series.map(({ points }) => new Map(points));
  const cross = picture.querySelector(".cross");
  picture.addEventListener("pointermove", (event) => {
    const left = event.clientX - picture.getBoundingClientRect().left;
    if (left < area.left - 4 || !moments.length) return;
    const nearest = moments.reduce((best, at) => (Math.abs(x(at) - left) < Math.abs(x(best) - left) ? at : best));
    cross.setAttribute("x1", x(nearest));
    cross.setAttribute("x2", x(nearest));
    const lines = series.map((one, index) => [one, values[index].get(nearest)]).filter(([, value]) => value !== undefined && value !== null);
    showTip(event, node("b", {}, shortTime(nearest)), ...lines.map(([one, value]) =>
      node("div", {}, node("span", {}, node("i", { style: `background:${one.colour}` }), one.title), node("b", {}, whole(shown(value, { unit: one.options.unit, decimals: one.options.decimals }))))));
  });
  picture.addEventListener("pointerleave", () => { hideTip(); cross.setAttribute("x1", -9); cross.setAttribute("x2", -9); });
}

export function barChart(panel, answer, box) {
  const holder = node("div", { class: "plot" });
  const columns = answer.fields.map((field, index) => ({ ...field, index })).filter((field) => field.type === "number");
  const series = coloured(columns.map(({ name, index }) => ({ options: optionsOf(panel, name), title: titleOf(name, optionsOf(panel, name)), index })));
  box.replaceChildren(node("div", { class: "chart" }, holder, legend(series)));
  const width = holder.clientWidth, height = holder.clientHeight;
  if (width < 40 || height < 40) return;
  const names = answer.rows.map((row) => String(row[answer.fields.findIndex((field) => field.type === "string")]));
  const all = answer.rows.flatMap((row) => series.map((one) => row[one.index] ?? 0));
  const marks = ticks(Math.min(0, ...all), Math.max(...all), Math.max(Math.floor(height / 42), 2));
  const mark = (value) => whole(shown(value, { unit: series[0].options.unit, decimals: 0 }));
  const area = frame(width, height, marks, mark);
  const y = (value) => area.bottom - ((value - marks[0]) / (marks.at(-1) - marks[0])) * (area.bottom - area.top);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": panel.title });
  for (const value of marks) {
    picture.append(svg("line", { class: value === 0 ? "axis" : "grid", x1: area.left, x2: area.right, y1: y(value), y2: y(value) }));
    const text = svg("text", { x: area.left - 7, y: y(value) + 4, "text-anchor": "end" });
    text.textContent = mark(value);
    picture.append(text);
  }
  const slot = (area.right - area.left) / names.length;
  const wide = Math.min((slot * 0.66) / series.length, 46);
  names.forEach((name, row) => {
    const middle = area.left + slot * (row + 0.5);
    const text = svg("text", { x: middle, y: height - 5, "text-anchor": "middle" });
    text.textContent = name;
    picture.append(text);
    series.forEach((one, index) => {
      const value = answer.rows[row][one.index] ?? 0;
      const left = middle + (index - series.length / 2) * wide;
      picture.append(svg("rect", { x: left + 1, width: wide - 2, y: Math.min(y(value), y(0)), height: Math.abs(y(value) - y(0)), fill: one.colour, "fill-opacity": 0.88, rx: 2 }));
      const label = svg("text", { x: left + wide / 2, y: y(value) - 4, "text-anchor": "middle" });
      label.textContent = whole(shown(value, { unit: one.options.unit, decimals: one.options.decimals }));
      picture.append(label);
    });
  });
  holder.append(picture);
}

export function pie(panel, answer, box) {
  const name = answer.fields.findIndex((field) => field.type === "string");
  const value = answer.fields.findIndex((field) => field.type === "number");
  const options = optionsOf(panel, answer.fields[value].name);
  const rows = answer.rows.filter((row) => row[value] > 0);
  const total = rows.reduce((sum, row) => sum + row[value], 0);
  const picture = svg("svg", { viewBox: "-110 -110 220 220", role: "img", "aria-label": panel.title });
  let angle = -Math.PI / 2;
  rows.forEach((row, index) => {
    const part = (row[value] / total) * 2 * Math.PI;
    picture.append(slice(angle, angle + part, PALETTE[index % PALETTE.length]));
    angle += part;
  });
  const sum = shown(total, options);
  const middle = svg("text", { "text-anchor": "middle", y: isWord(sum.unit) ? 2 : 8, style: "font-size:22px;fill:#fff;font-weight:500" });
  middle.textContent = isWord(sum.unit) ? sum.text : sum.text + sum.unit;
  const unit = svg("text", { "text-anchor": "middle", y: 22, style: "font-size:13px" });
  unit.textContent = isWord(sum.unit) ? sum.unit : "";
  picture.append(middle, unit);
  const list = node("table", {}, node("tbody", {}, ...rows.map((row, index) =>
    node("tr", {},
      node("td", { title: row[name] }, node("i", { style: `background:${PALETTE[index % PALETTE.length]}` }), row[name]),
      node("td", { class: "right", style: "width:64px" }, whole({ text: parts(row[value] / total, "percentunit", 1)[0], unit: "%" })),
      node("td", { class: "right", style: "width:96px" }, whole(shown(row[value], options)))))));
  box.replaceChildren(node("div", { class: "pie" }, picture, list));
}

function slice(from, to, colour) {
  const end = Math.min(to, from + 2 * Math.PI - 1e-4);
  const point = (radius, angle) => `${(radius * Math.cos(angle)).toFixed(2)} ${(radius * Math.sin(angle)).toFixed(2)}`;
  const large = end - from > Math.PI ? 1 : 0;
  const path = `M${point(100, from)}A100 100 0 ${large} 1 ${point(100, end)}L${point(66, end)}A66 66 0 ${large} 0 ${point(66, from)}Z`;
  return svg("path", { d: path, fill: colour, stroke: "#181b1f", "stroke-width": 2 });
}

// Longitude and latitude at equal scale (at the middle latitude); degrees as grid, towns by name.
export function map(panel, answer, box) {
  const column = (name) => answer.fields.findIndex((field) => field.name === name);
  const [lat, lon, city] = ["latitude", "longitude", "city"].map(column);
  const spots = answer.rows.filter((row) => row[lat] !== null && row[lon] !== null);
  const holder = node("div", { class: "plot" });
  box.replaceChildren(node("div", { class: "chart" }, holder));
  const width = holder.clientWidth, height = holder.clientHeight;
  if (width < 60 || height < 60 || !spots.length) return;
  const view = project(spots.map((row) => [row[lon], row[lat]]), width, height);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": panel.title });
  drawGraticule(picture, view, width, height);
  const others = answer.fields.map((field, index) => ({ ...field, index })).filter(({ index }) => index !== lat && index !== lon);
  const style = panel.options.layers[0].config.style;
  const weight = column(style.size.field);
  const most = Math.max(...spots.map((row) => row[weight] ?? 0), 1);
  const radius = (row) => weight < 0 ? 4 : style.size.min + (style.size.max - style.size.min) * Math.sqrt((row[weight] ?? 0) / most);
  spots.toReversed().forEach((row) => {
    const [left, top] = view.place(row[lon], row[lat]);
    const spot = svg("circle", { cx: left.toFixed(1), cy: top.toFixed(1), r: radius(row).toFixed(1), fill: style.color.fixed, "fill-opacity": 0.55 });
    spot.addEventListener("pointerenter", (event) => showTip(event, ...others.map(({ name, index }) => {
      const options = optionsOf(panel, name);
      return node("div", {}, node("span", {}, titleOf(name, options)), node("b", {}, whole(shown(row[index], options))));
    })));
    spot.addEventListener("pointerleave", hideTip);
    picture.append(spot);
  });
  nameTowns(picture, spots.map((row) => [row[city], ...view.place(row[lon], row[lat]), row[weight] ?? 1]), width, weight < 0 ? 8 : 18);
  holder.append(picture);
}

function project(points, width, height) {
  const [lons, lats] = [points.map(([one]) => one), points.map(([, one]) => one)];
  const span = (values) => Math.max(Math.max(...values) - Math.min(...values), 0.02);
  const middle = [(Math.max(...lons) + Math.min(...lons)) / 2, (Math.max(...lats) + Math.min(...lats)) / 2];
  const squeeze = Math.cos((middle[1] * Math.PI) / 180);
  const scale = Math.min((width - 110) / (span(lons) * squeeze), (height - 56) / span(lats));
  const place = (lon, lat) => [width / 2 + (lon - middle[0]) * squeeze * scale, height / 2 - (lat - middle[1]) * scale];
  const lonAt = (left) => middle[0] + (left - width / 2) / (squeeze * scale);
  const latAt = (top) => middle[1] - (top - height / 2) / scale;
  return { place, lonAt, latAt };
}

function drawGraticule(picture, view, width, height) {
  const middleLat = view.latAt(height / 2), middleLon = view.lonAt(width / 2);
  const label = (value, x, y, anchor, letter) => {
    const text = svg("text", { x, y, "text-anchor": anchor });
    text.textContent = `${Number(value.toFixed(3))}°${letter}`;
    picture.append(text);
  };
  for (const lon of ticks(view.lonAt(0), view.lonAt(width), Math.floor(width / 110))) {
    const [left] = view.place(lon, middleLat);
    if (left < 36 || left > width - 10) continue;
    picture.append(svg("line", { class: "grid", x1: left, x2: left, y1: 0, y2: height - 18 }));
    label(lon, left, height - 5, "middle", "E");
  }
  for (const lat of ticks(view.latAt(height), view.latAt(0), Math.floor(height / 80))) {
    const [, top] = view.place(middleLon, lat);
    if (top < 8 || top > height - 24) continue;
    picture.append(svg("line", { class: "grid", x1: 34, x2: width, y1: top, y2: top }));
    label(lat, 30, top + 4, "end", "N");
  }
}

function nameTowns(picture, spots, width, away) {
  const towns = new Map();
  for (const [name, left, top, weight] of spots) {
    if (!name) continue;
    const town = towns.get(name) ?? { count: 0, spots: 0, left: 0, top: 0 };
    towns.set(name, { count: town.count + weight, spots: town.spots + 1, left: town.left + left, top: town.top + top });
  }
  const taken = [];
  for (const [name, town] of [...towns].sort((one, other) => other[1].count - one[1].count)) {
    const middle = town.left / town.spots, level = town.top / town.spots + 4;
    const wide = textWidth(`${name} ${town.count}`) * 1.15;
    const places = [[middle + away, level], [middle - wide - away, level], [middle - wide / 2, level - away - 6], [middle - wide / 2, level + away + 6]];
    const found = places.find(([x, top]) => x > 0 && x + wide < width && !taken.some((other) =>
      Math.abs(other.top - top) < 14 && x < other.x + other.wide && other.x < x + wide));
    if (!found) continue;
    taken.push({ x: found[0], top: found[1], wide });
    const text = svg("text", { class: "place", x: found[0], y: found[1] });
    text.textContent = `${name} ${town.count}`;
    picture.append(text);
  }
}

