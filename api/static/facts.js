// What a file will do: figures, layers, kinds of line, tools. A fact that is not known is not shown.

import { make } from "./dom.js";
import { profileName } from "./library.js";
import { bytes, day, duration, number, word } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const MAX_BARS = 160;
const MAX_ROWS = 24;

const given = (value) => value !== null && value !== undefined && value !== "";
const lines = (rows) => rows.filter(([, value]) => given(value));

export function factList(rows, kind = "facts") {
  return make("dl", { class: kind }, ...lines(rows).map(([key, value]) => make("div", { class: "fact", "data-fact": key }, make("dt", {}, word(key)), make("dd", {}, value))));
}

function extent(box) {
  if (!box) return null;
  const [width, depth, height] = [0, 1, 2].map((axis) => number(box.max[axis] - (axis < 2 ? box.min[axis] : 0), 1));
  return word("fact_size_value", { width, depth, height });
}

function heat(facts) {
  if (!given(facts.max_nozzle_c)) return null;
  return word("fact_heat_value", { nozzle: number(facts.max_nozzle_c), bed: number(facts.max_bed_c ?? 0) });
}

const filament = (program) => word("fact_filament_value", { grams: number(program.filament_g, 1), metres: number(program.filament_mm / 1_000, 2) });

function layerText(program, facts) {
  return given(facts.layer_height_mm) ? word("fact_layers_value", { count: number(program.layers), height: number(facts.layer_height_mm, 2) }) : number(program.layers);
}

// What a person looks at first.
export function mainFacts(program) {
  const { facts } = program;
  return factList([
    ["fact_time", duration(program.estimated_s)],
    ["fact_filament", filament(program)],
    ["fact_layers", layerText(program, facts)],
    ["fact_size", extent(facts.bbox_extruding_mm)],
    ["fact_heat", heat(facts)],
    ["fact_slicer", facts.slicer],
    ["fact_parts", number(program.parts)],
    ["fact_material", program.material],
    ["fact_profile", profileName(program.profile)],
  ]);
}

function claims(facts) {
  const said = [];
  if (given(facts.claimed_time_s)) said.push(duration(facts.claimed_time_s));
  if (given(facts.claimed_filament_g)) said.push(`${number(facts.claimed_filament_g, 1)} g`);
  if (given(facts.claimed_filament_mm)) said.push(`${number(facts.claimed_filament_mm / 1_000, 2)} m`);
  if (given(facts.claimed_material)) said.push(facts.claimed_material);
  return said.join(" · ");
}

export function moreFacts(program) {
  const { facts } = program;
  const off = facts.heaters_off_at_end;
  return factList([
    ["fact_heating", given(facts.heating_s) ? duration(facts.heating_s + (facts.homing_s ?? 0)) : null],
    ["fact_first_layer", given(facts.first_layer_height_mm) ? `${number(facts.first_layer_height_mm, 2)} mm` : null],
    ["fact_chamber", facts.max_chamber_c ? `${number(facts.max_chamber_c)} °C` : null],
    ["fact_fan", given(facts.max_fan) ? `${number(facts.max_fan * 100)} %` : null],
    ["fact_flavour", facts.flavour],
    ["fact_model", facts.printer_model],
    ["fact_claims", claims(facts)],
    ["fact_objects", facts.objects ? number(facts.objects) : null],
    ["fact_pauses", facts.pauses ? number(facts.pauses) : null],
    ["fact_heaters", off === undefined ? null : word(off ? "fact_heaters_off" : "fact_heaters_on")],
    ["fact_file", word("fact_file_value", { size: bytes(program.size_bytes), lines: number(facts.lines ?? 0) })],
    ["fact_added", day(program.created_at)],
    ["fact_hash", program.sha256],
  ], "facts small");
}

// Seconds of each layer as bars; neighbours share one when there are many.
export function layerChart(table) {
  const step = Math.max(1, Math.ceil(table.length / MAX_BARS));
  const bars = [];
  for (let at = 0; at < table.length; at += step) bars.push(Math.max(...table.slice(at, at + step).map((layer) => layer.time_s)));
  const most = Math.max(...bars, 0.001);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${bars.length} 40`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "chart");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", word("layers_chart", { least: duration(Math.min(...bars)), most: duration(most) }));
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", bars.map((seconds, index) => `M${index} 40V${(39 - (seconds / most) * 38).toFixed(2)}h.85V40z`).join(""));
  svg.append(path);
  const longest = table.reduce((worst, layer) => (layer.time_s > worst.time_s ? layer : worst), table[0]);
  const text = word("layers_longest", { time: duration(longest.time_s), z: number(longest.z_mm, 2) });
  return make("div", { class: "layers" }, svg, make("p", { class: "muted" }, text));
}

export function featureTable(features) {
  const sorted = [...features].sort((a, b) => b.time_s - a.time_s).slice(0, MAX_ROWS);
  const whole = features.reduce((sum, row) => sum + row.time_s, 0) || 1;
  return make("ul", { class: "shares" }, ...sorted.map((row) => {
    const share = make("progress", { max: 1, value: row.time_s / whole, "aria-label": word("upload_progress", { name: row.name }) });
    return make("li", {}, make("span", { class: "share-name" }, row.name), make("span", { class: "muted" }, `${duration(row.time_s)} · ${number((row.time_s / whole) * 100)} %`), share);
  }));
}

export function toolList(tools) {
  return make("ul", { class: "tool-list" }, ...tools.slice(0, MAX_ROWS).map((tool) => {
    const facts = [`${number(tool.filament_g, 1)} g`, `${number(tool.filament_mm / 1_000, 2)} m`];
    if (given(tool.max_nozzle_c)) facts.push(`${number(tool.max_nozzle_c)} °C`);
    return make("li", {}, make("strong", {}, word("tool_name", { number: tool.tool + 1 })), " ", facts.join(" · "));
  }));
}
