// How a value is written: field options, units, mappings and thresholds, as Grafana resolves them.

export const PALETTE = ["#5B8FF9", "#4CB8A5", "#E0A030", "#9A7FD1", "#E07A5F", "#7FB3D5", "#A3C95C", "#D48CB8", "#C9B458", "#6F7C91"];

let language = "zh-CN";
let zone = "Asia/Shanghai";

export function speak(newLanguage, newZone) {
  language = newLanguage;
  zone = newZone;
}

const WORDS = {
  "zh-CN": { updated: "更新于", away: "数据暂不可用", range: "时间", now: "今天", variables: "变量" },
  en: { updated: "updated", away: "data is not available", range: "Time", now: "today", variables: "variables" },
};
export const said = (name) => WORDS[language][name];

export function number(value, decimals, least = 0) {
  return new Intl.NumberFormat(language, { minimumFractionDigits: least, maximumFractionDigits: decimals }).format(value);
}

// Decimals of a unit that Grafana leaves open, so that small and large numbers both stay short.
function suitable(value) {
  const size = Math.abs(value);
  return size >= 100 ? 0 : size >= 10 ? 1 : 2;
}

function scaled(value, steps, decimals, least = 0) {
  const size = Math.abs(value);
  const [divisor, suffix] = steps.find(([least]) => size >= least) ?? [1, ""];
  const part = value / divisor;
  return [number(part, divisor === 1 ? decimals : Math.max(decimals ?? 0, 1), least), suffix];
}

const LATIN = [[1e9, "B"], [1e6, "M"], [1e3, "k"]];
const BYTES = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]];

// Statements give 万元 in Chinese: ten thousand of them are 亿元, and less than one is told in 元.
function chineseMoney(value, decimals) {
  const size = Math.abs(value);
  if (size >= 1e4) return [number(value / 1e4, 2, Math.min(decimals, 2)), "亿元"];
  if (size >= 1 || size === 0) return [size >= 1000 ? number(value, 0) : number(value, decimals, decimals), "万元"];
  return [number(value * 1e4, 0), "元"];
}

// Long numbers in 万 and 亿, or k and M.
function large(value, digits, decimals) {
  if (Math.abs(value) < 1e5) return [number(value, digits, decimals ?? 0), ""];
  return language === "en" ? scaled(value, LATIN, 1) : scaled(value, [[1e8, "亿"], [1e4, "万"]], 1);
}

// [number, unit]
export function parts(value, unit, decimals) {
  if (value === null || value === undefined) return ["—", ""];
  if (typeof value !== "number") return [String(value), ""];
  const digits = decimals ?? suitable(value);
  if (unit === "percentunit") return [number(value * 100, decimals ?? 1, decimals ?? 1), "%"];
  if (unit === "suffix:万元") return chineseMoney(value, digits);
  if (unit === "currencyCNY") {
    const [text, suffix] = scaled(Math.abs(value), LATIN, Math.min(digits, 1), Math.min(decimals ?? 0, 1));
    return [`${value < 0 ? "−" : ""}¥${text}`, suffix];
  }
  if (unit === "bytes") return scaled(value, BYTES, 0);
  if (unit?.startsWith("prefix:")) return [unit.slice(7) + number(value, digits, digits), ""];
  if (unit?.startsWith("suffix:")) {
    const [text, scale] = large(value, digits, decimals);
    return [text + scale, unit.slice(7)];
  }
  return large(value, digits, decimals);
}

export function time(ms, options) {
  return new Intl.DateTimeFormat(language === "en" ? "en-GB" : "zh-CN", { timeZone: zone, hourCycle: "h23", ...options }).format(ms);
}

// Day of a time axis: 10/08 in Chinese, 8 Oct in English.
export const dayMark = (ms) => time(ms, language === "en" ? { month: "short", day: "numeric" } : { month: "2-digit", day: "2-digit" });

// Units that stand behind a number in smaller letters; letters such as k, M and % belong to the number.
export const isWord = (unit) => unit.length > 1 || /[^\x00-\x7f]/.test(unit);

// 11-24 19:30 in the board's zone
export function shortTime(ms) {
  const found = Object.fromEntries(
    new Intl.DateTimeFormat("en-GB", { timeZone: zone, month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" })
      .formatToParts(ms).map((part) => [part.type, part.value]),
  );
  return `${found.month}-${found.day} ${found.hour}:${found.minute}`;
}

// Offset of the board's zone at a moment, in ms.
export function offset(ms) {
  const found = Object.fromEntries(
    new Intl.DateTimeFormat("en-GB", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" })
      .formatToParts(ms).map((part) => [part.type, Number(part.value)]),
  );
  return Date.UTC(found.year, found.month - 1, found.day, found.hour, found.minute, found.second) - Math.floor(ms / 1000) * 1000;
}

// Options of a field: the panel's defaults with every override that matches its name.
export function optionsOf(panel, name) {
  const config = panel.fieldConfig;
  const found = structuredClone(config.defaults);
  found.custom ??= {};
  for (const rule of config.overrides ?? []) {
    const matches = rule.matcher.id === "byName" ? rule.matcher.options === name : new RegExp(rule.matcher.options).test(name);
    if (!matches) continue;
    for (const { id, value } of rule.properties) {
      if (id.startsWith("custom.")) found.custom[id.slice(7)] = value;
      else found[id] = value;
    }
  }
  return found;
}

function mapped(value, mappings) {
  for (const mapping of mappings ?? []) {
    if (mapping.type === "value" && Object.hasOwn(mapping.options, String(value))) return { ...mapping.options[String(value)] };
    if (mapping.type === "regex" && typeof value === "string") {
      const pattern = new RegExp(mapping.options.pattern);
      if (pattern.test(value)) return { ...mapping.options.result, text: value.replace(pattern, mapping.options.result.text) };
    }
  }
  return null;
}

function passed(value, steps) {
  let colour = null;
  for (const step of steps ?? []) if (step.value === null || step.value === undefined || value >= step.value) colour = step.color;
  return colour;
}

// {text, unit, colour} of a value; colour null: none in particular
export function shown(value, options) {
  const found = mapped(value, options.mappings);
  if (found) return { text: found.text ?? String(value), unit: "", colour: found.color ?? null };
  let [text, unit] = parts(value, options.unit, options.decimals);
  if (options.unit?.startsWith("time:") && typeof value === "number") [text, unit] = [shortTime(value), ""];
  let colour = null;
  if (typeof value === "number" && options.color?.mode === "thresholds") colour = passed(value, options.thresholds?.steps);
  if (options.color?.mode === "fixed" && !["text", "transparent"].includes(options.color.fixedColor)) colour = options.color.fixedColor;
  return { text, unit, colour };
}

export const whole = ({ text, unit }) => text + (unit && /^[A-Za-z%]/.test(unit) && unit !== "%" && unit.length > 1 ? ` ${unit}` : unit);

export function titleOf(name, options, labels = {}) {
  const title = options.displayName ?? name;
  return title.replace(/\$\{__field\.labels\.(\w+)\}/g, (_, label) => labels[label] ?? "");
}
