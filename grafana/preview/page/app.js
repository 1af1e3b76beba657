// The page: loads a board, lays its panels out, asks for their data again and again, and puts new data in place.
import { barChart, hideTip, map, node, pie, showTip, timeSeries } from "./charts.js";
import { isWord, optionsOf, said, shortTime, shown, speak, titleOf, whole } from "./format.js";

const grid = document.getElementById("grid");
const status = document.getElementById("status");
let board = null;
let panels = [];
let round = 0;
let timer = 0;

const address = () => new URLSearchParams(location.search);

async function ask(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error ?? answer.statusText);
  return content;
}

// ------------------------------------------------------------------ a board

async function open() {
  clearTimeout(timer);
  hideTip();
  const mine = ++round;
  const uid = location.pathname.split("/")[2];
  const loaded = await ask(`/api/boards/${encodeURIComponent(uid)}`);
  if (mine !== round) return;
  board = loaded;
  speak(board.language, board.timezone);
  document.documentElement.lang = board.language;
  document.documentElement.dataset.state = "loading";
  document.title = `${board.title} · sfe-pulse`;
  document.getElementById("title").textContent = board.title;
  document.getElementById("description").textContent = board.description;
  showTabs();
  showLanguages();
  showRanges();
  document.getElementById("variables").replaceChildren();
  panels = board.panels.map(place);
  grid.replaceChildren(...panels.map((panel) => panel.element));
  scrollTo(0, 0);
  await refresh(mine);
}

function place(model) {
  const { x, y, w, h } = model.gridPos;
  const about = node("span", { class: "about", tabindex: "0", "aria-label": model.description }, "i");
  about.addEventListener("pointerenter", (event) => showTip(event, node("p", {}, model.description)));
  about.addEventListener("pointerleave", hideTip);
  const body = node("div", { class: "body waiting" });
  const element = node(
    "section",
    { class: "panel", style: `grid-column:${x + 1}/span ${w};grid-row:${y + 1}/span ${h};--rows:${h}`, "data-panel": model.id, "data-kind": model.type },
    node("h2", {}, model.title, about), body,
  );
  return { model, element, body, seen: "", answer: null };
}

async function refresh(mine = round) {
  clearTimeout(timer);
  try {
    const chosen = await ask(`/api/boards/${board.uid}/variables${location.search}`);
    if (mine !== round) return;
    showVariables(chosen);
    const query = queryOf(chosen);
    const failed = (await Promise.all(panels.map((panel) => update(panel, query, mine)))).filter(Boolean);
    if (mine !== round) return;
    tell(failed[0] ?? null);
  } catch (error) {
    if (mine === round) tell(error);
  }
  if (mine === round) {
    document.documentElement.dataset.state = "ready";
    timer = setTimeout(refresh, document.hidden ? 60_000 : seconds(board.refresh) * 1000);
  }
}

const seconds = (text) => Number.parseInt(text, 10) * (text.endsWith("m") ? 60 : 1);

function queryOf(chosen) {
  const query = new URLSearchParams();
  for (const [name, one] of Object.entries(chosen)) query.set(`var-${name}`, one.value);
  for (const name of ["from", "to"]) query.set(name, address().get(name) ?? board.time[name]);
  return query;
}

async function update(panel, query, mine) {
  try {
    const answer = await ask(`/api/boards/${board.uid}/panels/${panel.model.id}?${query}`);
    if (mine !== round) return null;
    const seen = JSON.stringify([answer.fields, answer.rows]);
    if (seen !== panel.seen || panel.model.type === "timeseries") {
      panel.seen = seen;
      panel.answer = answer;
      draw(panel);
    }
    panel.element.dataset.rows = answer.rows.length;
    panel.body.classList.remove("waiting");
    return null;
  } catch (error) {
    if (mine === round && !panel.answer) {
      panel.body.classList.remove("waiting");
      panel.body.replaceChildren(node("div", { class: "empty fault" }, error.message));
      panel.element.dataset.fault = error.message;
    }
    return error;
  }
}

function tell(error) {
  document.body.classList.toggle("offline", error !== null);
  status.classList.toggle("bad", error !== null);
  status.textContent = error === null ? `${said("updated")} ${shortTime(Date.now())}` : `${said("away")}: ${error.message}`;
}

// ------------------------------------------------------------------ choices

function showTabs() {
  const carried = new URLSearchParams([...address()].filter(([name]) => name.startsWith("var-")));
  document.getElementById("tabs").replaceChildren(...board.tabs.map(({ uid, title }) => {
    const link = node("a", { href: `/d/${uid}${carried.size ? `?${carried}` : ""}` }, title);
    if (uid === board.uid) link.setAttribute("aria-current", "page");
    return link;
  }));
}

function showLanguages() {
  const names = { "zh-CN": "中文", en: "English" };
  document.getElementById("languages").replaceChildren(...Object.entries(board.other).map(([language, uid]) => {
    const link = node("a", { href: `/d/${uid}${location.search}`, lang: language }, names[language]);
    if (language === board.language) link.setAttribute("aria-current", "true");
    return link;
  }));
}

function showRanges() {
  const chosen = [address().get("from") ?? board.time.from, address().get("to") ?? board.time.to];
  const select = document.getElementById("range");
  const options = board.ranges.map((range) => node("option", { value: `${range.from}|${range.to}` }, range.display));
  if (!board.ranges.some((range) => range.from === chosen[0] && range.to === chosen[1])) {
    options.push(node("option", { value: chosen.join("|") }, chosen.map((one) => (/^\d+$/.test(one) ? shortTime(Number(one)) : one)).join(" – ")));
  }
  select.replaceChildren(...options);
  select.value = chosen.join("|");
  document.getElementById("range-label").textContent = said("range");
  select.onchange = () => {
    const [from, to] = select.value.split("|");
    choose({ from, to });
  };
}

function showVariables(chosen) {
  const place = document.getElementById("variables");
  for (const { name, label } of board.variables) {
    const one = chosen[name];
    let select = place.querySelector(`select[name="${name}"]`);
    if (!select) {
      select = node("select", { name });
      select.onchange = () => choose({ [`var-${name}`]: select.value });
      place.append(node("label", {}, node("span", {}, label), select));
    }
    const texts = JSON.stringify(one.options);
    if (select.dataset.options !== texts) {
      select.replaceChildren(...one.options.map(({ value, text }) => node("option", { value }, text)));
      select.dataset.options = texts;
    }
    if (document.activeElement !== select) select.value = one.value;
  }
}

function choose(changes) {
  const query = address();
  for (const [name, value] of Object.entries(changes)) query.set(name, value);
  history.pushState(null, "", `${location.pathname}?${query}`);
  document.activeElement?.blur();
  showTabs();
  showLanguages();
  showRanges();
  round += 1;
  document.documentElement.dataset.state = "loading";
  refresh(round);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  const to = new URL(link.href, location.href);
  if (to.origin !== location.origin || !to.pathname.startsWith("/d/")) return;
  event.preventDefault();
  go(to);
});

function go(to) {
  history.pushState(null, "", to);
  open().catch(tell);
}

addEventListener("popstate", () => open().catch(tell));
document.addEventListener("visibilitychange", () => { if (!document.hidden && board) refresh(); });
let resized = 0;
addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(() => panels.forEach((panel) => panel.answer && draw(panel)), 120);
});

// ------------------------------------------------------------------ panels

const KINDS = { stat, table, timeseries: timeSeries, barchart: barChart, bargauge: gauges, piechart: pie, geomap: map };

function draw(panel) {
  const { model, body, answer, element } = panel;
  element.classList.remove("lit");
  element.style.background = "";
  const isEmpty = !answer.rows.length || answer.rows.every((row) => row.every((value, index) => value === null || answer.fields[index].type === "time"));
  if (isEmpty) {
    body.replaceChildren(node("div", { class: "empty" }, model.fieldConfig.defaults.noValue ?? ""));
    return;
  }
  KINDS[model.type](model, transformed(model, answer), body, element);
}

// The two transformations that the boards use: keys of a JSON column become columns, columns are left out.
function transformed(model, answer) {
  let { fields, rows } = answer;
  for (const { id, options } of model.transformations ?? []) {
    if (id === "extractFields") {
      const from = fields.findIndex((field) => field.name === options.source);
      const objects = rows.map((row) => JSON.parse(row[from]));
      const keys = [...new Set(objects.flatMap((object) => Object.keys(object)))];
      fields = [...fields, ...keys.map((name) => ({ name, type: "string" }))];
      rows = rows.map((row, index) => [...row, ...keys.map((key) => objects[index][key] ?? null)]);
    }
    if (id === "organize") {
      const kept = fields.map((field, index) => index).filter((index) => !options.excludeByName[fields[index].name]);
      rows = rows.map((row) => kept.map((index) => row[index]));
      fields = kept.map((index) => fields[index]);
    }
  }
  return { ...answer, fields, rows };
}

function stat(model, answer, body, element) {
  const solid = model.options.colorMode === "background_solid";
  const row = answer.rows.at(-1);
  const found = answer.fields.map(({ name }, index) => ({ options: optionsOf(model, name), name, value: row[index] }));
  const named = model.options.textMode === "value_and_name";
  const room = body.clientWidth / found.length - 18;
  const widest = Math.max(...found.map(({ options, value }) => lengthOf(shown(value, options))), 1.2);
  const size = Math.max(Math.min(34, room / widest, body.clientHeight * 0.52), 14);
  const made = found.map(({ options, name, value }) => {
    const text = shown(value, options);
    const colour = solid ? "#fff" : text.colour ?? "#fff";
    const unit = text.unit && isWord(text.unit) ? node("small", {}, text.unit) : text.unit;
    return node("div", { class: "one" },
      named ? node("div", { class: "name" }, titleOf(name, options)) : null,
      node("div", { class: "value", style: `font-size:${size.toFixed(1)}px;color:${colour}` }, text.text, unit));
  });
  if (solid) {
    element.classList.add("lit");
    element.style.background = shown(found[0].value, found[0].options).colour ?? "";
  }
  body.replaceChildren(node("div", { class: solid ? "stat solid" : "stat" }, ...made));
}

const lengthOf = ({ text, unit }) => widthOf(text) * 1.1 + widthOf(unit) * (isWord(unit) ? 0.6 : 1.1);
const widthOf = (unit) => [...unit].reduce((sum, letter) => sum + (letter.charCodeAt(0) > 0x2e80 ? 1 : 0.56), 0);

function table(model, answer, body) {
  const columns = answer.fields.map(({ name }, index) => ({ name, index, options: optionsOf(model, name) })).filter(({ options }) => !options.custom.hidden);
  const head = node("tr", {}, ...columns.map(({ name, options }) => {
    const style = options.custom.width ? `width:${options.custom.width}px` : "";
    return node("th", { class: options.custom.align === "right" ? "right" : options.custom.align === "center" ? "center" : "", style, title: titleOf(name, options) }, titleOf(name, options));
  }));
  const rows = answer.rows.map((row) => line(answer, columns, row));
  const place = body.querySelector(".scroll");
  const top = place?.scrollTop ?? 0;
  const scroll = node("div", { class: "scroll" }, node("table", {}, node("thead", {}, head), node("tbody", {}, ...rows)));
  body.replaceChildren(scroll);
  scroll.scrollTop = top;
}

function line(answer, columns, row) {
  const linked = columns.find(({ options }) => options.links?.length);
  const url = linked ? filled(linked.options.links[0].url, answer, row) : null;
  const made = node("tr", url ? { class: "to" } : {}, ...columns.map((column) => cell(column, row, column === linked ? url : null)));
  if (url) made.addEventListener("click", (event) => { if (!event.target.closest("a")) go(new URL(url, location.href)); });
  return made;
}

function cell({ index, options }, row, url) {
  const text = shown(row[index], options);
  const kind = options.custom.cellOptions?.type;
  const written = whole(text);
  if (kind === "gauge" && row[index] === null) return node("td");
  if (kind === "gauge") return node("td", {}, meter(row[index], options, written));
  if (kind === "color-background" && text.colour) return node("td", { class: "cell", title: written }, node("span", { style: `background:${text.colour}` }, written));
  const align = options.custom.align === "right" ? "right" : options.custom.align === "center" && !url ? "center" : "";
  const style = kind === "color-text" && text.colour ? `color:${text.colour}` : "";
  const fold = options.custom.cellOptions?.wrapText ? " fold" : "";
  return node("td", { class: align + fold, style, title: written }, url ? node("a", { href: url }, written) : written);
}

function meter(value, options, written) {
  const share = Math.max(Math.min((value ?? 0) / (options.max ?? 1), 1), 0) * 100;
  const colour = shown(value, options).colour ?? "#5B8FF9";
  return node("div", { class: "meter" }, node("i", {}, node("b", { style: `width:${share.toFixed(1)}%;background:${colour}` })), node("span", {}, written));
}

// Grafana's link variables: fields of the row, the time range, variables of the board.
function filled(url, answer, row) {
  const field = (name) => row[answer.fields.findIndex((one) => one.name === name)];
  const query = queryOf({});
  return url
    .replace(/\$\{__data\.fields\.(\w+)\}/g, (_, name) => encodeURIComponent(field(name) ?? ""))
    .replace("${__url_time_range}", query.toString());
}

function gauges(model, answer, body) {
  const name = answer.fields.findIndex((field) => field.type === "string");
  const index = answer.fields.findIndex((field) => field.type === "number");
  const options = optionsOf(model, answer.fields[index].name);
  const most = Math.max(options.max ?? 0, ...answer.rows.map((row) => row[index] ?? 0));
  const wide = Math.min(Math.max(...answer.rows.map((row) => widthOf(String(row[name])) * 13)) + 4, body.clientWidth * 0.45);
  const made = answer.rows.map((row) => {
    const text = shown(row[index], options);
    const share = Math.max((row[index] ?? 0) / most, 0) * 100;
    const mark = most > 1 ? node("u", { style: `left:${(100 / most).toFixed(2)}%` }) : null;
    return node("div", { class: "one" },
      node("div", { class: "name", style: `width:${wide.toFixed(0)}px`, title: row[name] }, row[name]),
      node("div", { class: "rail" }, node("b", { style: `width:${share.toFixed(2)}%;background:${text.colour ?? "#5B8FF9"}` }), mark),
      node("div", { class: "value", style: `color:${text.colour ?? "inherit"}` }, whole(text)));
  });
  body.replaceChildren(node("div", { class: "gauges" }, ...made));
}

open().catch(tell);
