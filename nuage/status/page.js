"use strict";
// Draws what /status says in place of the table, and keeps it up to date. It only reads.

// What each state means, in the order in which they are shown.
const STATES = {
  resolved: "The VRS resolved its port: it is connected.",
  waiting: "It is at the bridge, and something is still to come.",
  refused: "It is not connected as it should be, and waiting does not help.",
  suspect: "Docker does not know it, and its link carries traffic.",
  unattached: "No container has joined it, or it has left.",
};
// Up to how many endpoints are drawn as cards, and up to how many with their names. More are icons.
const CARDS = 60, NAMES = 300;
// How many endpoints a box has that may share its row with another one.
const NARROW = 6;
// How many problems are told, and how many of the things that an audit found.
const MOST = 50;
// Milliseconds between two questions to a daemon that sends no events, and to one that does; and for an answer.
const POLL = 2000, CHECK = 30000, PATIENCE = 10000;

const byId = (id) => document.getElementById(id);
const picture = byId("picture"), explained = byId("explained"), liveness = byId("liveness");
let report = null, received = 0, chosen = location.hash.slice(1), wanted = new Set(), sought = "";
const tiles = new Map(), boxes = new Map();

// ---- Elements. A text from outside is only ever a text node or the value of an attribute.

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function icon(state) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${state}`);
  svg.append(use);
  return svg;
}

const time = (since) => make("time", { "data-since": since }, age(since));

// ---- Values.

// The daemon's clock; the browser's own may be wrong.
const now = () => report.time + (performance.now() - received) / 1000;

function age(since) {
  let left = Math.max(0, Math.floor(now() - since));
  const parts = [];
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
    const count = Math.floor(left / size);
    left %= size;
    if (count || (unit === "s" && !parts.length)) parts.push(`${count} ${unit}`);
    else if (parts.length) break;
  }
  return parts.slice(0, 2).join(" ");
}

const named = (endpoint) => endpoint.container ?? endpoint.id.slice(0, 12);
const network = (endpoint) => report.networks.find((each) => each.id === endpoint.network_id);
const problemsOf = (subject) => report.problems.filter((each) => each.subject === subject);
const shown = (endpoint) =>
  (!wanted.size || wanted.has(endpoint.state)) &&
  (!sought || [named(endpoint), endpoint.address, endpoint.address_v6, endpoint.mac, endpoint.id, endpoint.policy_group]
    .some((text) => text?.toLowerCase().includes(sought)));

// ---- The picture.

function frame() {
  const search = make("input", { id: "search", type: "search", placeholder: "name, address, policy group",
    "aria-label": "Show endpoints with this in their name or address" });
  search.addEventListener("input", () => { sought = search.value.trim().toLowerCase(); draw(); });
  picture.replaceChildren(make("div", { id: "tools" }, make("div", { id: "states" }), search), make("div", { id: "topology" }));
}

// Replaces the buttons of a list, and leaves the focus on the one that has it.
function renew(list, items) {
  const focused = [...list.children].findIndex((each) => each.contains(document.activeElement));
  list.replaceChildren(...items);
  const next = items[focused];
  (next?.querySelector("button") ?? next)?.focus();
}

function drawStates() {
  renew(byId("states"), Object.keys(STATES).map((state) => {
    const count = report.endpoint_states[state] ?? 0;
    // They do not count any more, but one may want to see why they were refused.
    const gone = report.endpoints.filter((each) => each.gone && each.state === state).length;
    const button = make("button", { class: count || gone ? state : `${state} none`, "aria-pressed": wanted.has(state),
      title: STATES[state] }, icon(state), `${count} ${state}${gone ? `, ${gone} removed` : ""}`);
    button.addEventListener("click", () => {
      if (!wanted.delete(state)) wanted.add(state);
      draw();
    });
    return button;
  }));
}

// Puts children in this order into a parent, and moves only those that are elsewhere.
function arrange(parent, children) {
  children.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
  while (parent.children.length > children.length) parent.lastElementChild.remove();
}

function box(key, create) {
  if (!boxes.has(key)) boxes.set(key, create());
  return boxes.get(key);
}

function placeBox(kind, key, name) {
  return box(key, () => {
    const inner = make("div", { class: "inner" });
    const element = make("section", { class: `box ${kind}` }, make("h2", {}, make("small", {}, `${kind} `), name), inner);
    return { element, inner };
  });
}

function networkBox(id, seen) {
  const found = box(`network-${id}`, () => {
    const button = make("button"), inner = make("div", { class: "tiles" });
    if (seen) button.addEventListener("click", () => choose(`network-${id}`));
    else button.disabled = true;
    return { element: make("div", { class: "net" }, button, inner), inner, button };
  });
  found.button.replaceChildren(...(seen ? [make("small", {}, "network "), `${id.slice(0, 12)} `, make("small", {}, seen.pool)]
    : [make("small", {}, "network not known")]));
  found.button.setAttribute("aria-pressed", chosen === `network-${id}`);
  return found;
}

// What is drawn is a tree: each level is a map from a key to its box and what is in it.
function branch(children, found) {
  if (!children.has(found.element)) children.set(found.element, { found, children: new Map(), tiles: null });
  return children.get(found.element).children;
}

function topology(endpoints) {
  const members = new Map();
  for (const endpoint of endpoints) {
    const id = network(endpoint) ? endpoint.network_id : "";
    if (!members.has(id)) members.set(id, []);
    members.get(id).push(endpoint);
  }
  const root = new Map();
  const hidden = wanted.size || sought;
  for (const seen of report.networks) {
    if (hidden && !members.has(seen.id)) continue;
    let level = root, key = "";
    for (const kind of ["organization", "domain", "zone", "subnet"]) {
      if (seen[kind] === null) continue;
      key += `${kind} ${JSON.stringify(seen[kind])} `;
      level = branch(level, placeBox(kind, key, seen[kind]));
    }
    leaf(level, networkBox(seen.id, seen), members.get(seen.id) ?? []);
  }
  if (members.has("")) leaf(root, networkBox("", null), members.get(""));
  return root;
}

function leaf(level, found, endpoints) {
  level.set(found.element, { found, children: null, tiles: endpoints });
}

// Puts everything where it belongs, and returns how many endpoints there are.
function settle(parent, level) {
  let count = 0;
  for (const { found, children, tiles: endpoints } of level.values()) {
    if (endpoints) arrange(found.inner, endpoints.map(tile));
    const within = children ? settle(found.inner, children) : endpoints.length;
    found.element.classList.toggle("broad", within > NARROW);
    count += within;
  }
  arrange(parent, [...level.keys()]);
  return count;
}

function tile(endpoint) {
  let known = tiles.get(endpoint.id);
  if (!known) {
    known = { element: make("button", { tabindex: -1 }), text: "" };
    known.element.addEventListener("click", () => choose(`endpoint-${endpoint.id}`));
    known.element.dataset.key = `endpoint-${endpoint.id}`;
    tiles.set(endpoint.id, known);
  }
  const text = JSON.stringify(endpoint);
  if (known.text !== text) {
    known.text = text;
    const { element } = known, words = [named(endpoint), endpoint.address, endpoint.gone ? "removed" : endpoint.state];
    element.className = `tile ${endpoint.state}${endpoint.gone ? " gone" : ""}`;
    element.title = words.filter(Boolean).join(", ") + (endpoint.reason && `: ${endpoint.reason}`);
    element.setAttribute("aria-label", element.title);
    element.replaceChildren(icon(endpoint.state), make("span", { class: "name" }, named(endpoint)), note(endpoint));
  }
  known.element.setAttribute("aria-pressed", chosen === known.element.dataset.key);
  return known.element;
}

function note(endpoint) {
  const state = endpoint.gone ? "refused, removed" : endpoint.state;
  return make("small", {}, ...(endpoint.state === "resolved" ? [endpoint.address ?? ""] : [`${state} `, time(endpoint.since)]));
}

function draw() {
  const endpoints = report.endpoints.filter(shown), root = byId("topology");
  root.className = endpoints.length <= CARDS ? "cards" : endpoints.length <= NAMES ? "names" : "dots";
  drawStates();
  const levels = topology(endpoints);
  if (levels.size) settle(root, levels);
  else root.replaceChildren(make("p", { class: "nothing" }, report.networks.length ? "No endpoint is like that." :
    "No network yet: docker network create --driver=nuage makes one."));
  const there = new Set(endpoints.map((each) => each.id));
  for (const id of tiles.keys()) if (!there.has(id)) tiles.delete(id);
  for (const [key, { element }] of boxes) if (!element.isConnected) boxes.delete(key);
  // One stop for the Tab key; the arrow keys go from one endpoint to the next.
  if (!root.querySelector(".tile[tabindex='0']")) root.querySelector(".tile")?.setAttribute("tabindex", 0);
}

function step(event) {
  const from = event.target.closest?.(".tile");
  const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
  if (event.key === "Escape") choose("");
  if (!from || !by) return;
  const all = [...picture.querySelectorAll(".tile")], next = all[all.indexOf(from) + by];
  if (!next) return;
  event.preventDefault();
  from.setAttribute("tabindex", -1);
  next.setAttribute("tabindex", 0);
  next.focus();
}

// ---- What is beside it.

function choose(key) {
  chosen = chosen === key ? "" : key;
  history.replaceState(null, "", chosen ? `#${chosen}` : location.pathname);
  draw();
  explain();
  tick();
  tiles.get(chosen.replace(/^endpoint-/, ""))?.element.scrollIntoView({ block: "nearest" });
}

function facts(pairs) {
  const list = make("dl");
  for (const [term, value] of Object.entries(pairs)) {
    if (value !== null && value !== undefined && value !== "") list.append(make("dt", {}, term), make("dd", {}, String(value)));
  }
  return list;
}

function remedies(problems) {
  return problems.map((each) => make("p", { class: "problem" }, "What to do: ", each.remedy));
}

const place = (seen) =>
  seen && { organization: seen.organization, domain: seen.domain, zone: seen.zone, subnet: seen.subnet };

function explainEndpoint(endpoint) {
  const seen = network(endpoint);
  return [
    make("h2", { class: endpoint.state }, icon(endpoint.state), named(endpoint)),
    make("p", {}, make("strong", {}, endpoint.gone ? "refused and removed" : endpoint.state), " for ", time(endpoint.since)),
    make("p", {}, endpoint.reason || STATES[endpoint.state]),
    ...remedies(problemsOf(endpoint.id)),
    facts({
      address: endpoint.address, "IPv6 address": endpoint.address_v6, "MAC address": endpoint.mac,
      "policy group": endpoint.policy_group && `${endpoint.policy_group} (from the ${endpoint.policy_from})`,
      ...place(seen), network: endpoint.network_id?.slice(0, 12), link: endpoint.link, port: endpoint.ofport,
      container: endpoint.container_id?.slice(0, 12), endpoint: endpoint.id.slice(0, 12),
    }),
    make("h3", {}, "On the host"),
    make("pre", {}, `nuage-plugin explain ${endpoint.container ?? endpoint.id}`),
  ];
}

function explainNetwork(seen) {
  const counts = Object.entries(seen.endpoints).map(([state, count]) => `${count} ${state}`).join(", ");
  return [
    make("h2", {}, `Network ${seen.id.slice(0, 12)}`),
    ...remedies(problemsOf(seen.id)),
    facts({
      ...place(seen), user: seen.user, pool: seen.pool, gateway: seen.gateway, "IPv6 pool": seen.pool_v6,
      "IPv6 gateway": seen.gateway_v6, MTU: seen.mtu, internal: seen.internal ? "yes" : null,
      external: seen.gwbridge ? "docker_gwbridge" : null,
      "policy group": seen.policy_group, "redirection target": seen.redirection_target, endpoints: counts || "none",
      network: seen.id,
    }),
  ];
}

function explainPart(part) {
  const { seconds, api_version, ...details } = part.details;
  return [
    make("h2", { class: health(part) }, icon(iconOf(part)), short(part.name)),
    make("p", {}, part.status),
    ...remedies(problemsOf(part.key)),
    make("p", {}, part.there === null ? "unknown for " : part.there ? "there for " : "away for ", time(part.since)),
    facts({ address: part.address, "came back": part.returns ? `${part.returns} times` : null, ...details,
      "API version": api_version, "answers in": seconds ? `${Math.ceil(seconds * 1000)} ms` : null }),
  ];
}

const more = (all) => (all.length > MOST ? make("p", {}, `and ${all.length - MOST} more`) : null);

function explainAll() {
  const problems = report.problems.slice(0, MOST).map((each) => {
    const endpoint = report.endpoints.find((one) => one.id === each.subject);
    const text = endpoint ? make("button", {}, each.text) : each.text;
    if (endpoint) text.addEventListener("click", () => choose(`endpoint-${each.subject}`));
    return make("li", { class: "problem" }, text, make("span", { class: "remedy" }, `What to do: ${each.remedy}`));
  });
  const { audit } = report, repairs = Object.values(audit.repairs).reduce((sum, count) => sum + count, 0);
  return [
    make("h2", {}, problems.length ? `Problems: ${report.problems.length}` : "No problem"),
    make("ul", {}, ...problems),
    more(report.problems),
    make("h3", {}, "Audit"),
    make("p", {}, ...(audit.last === null ? ["none yet"] : ["the last one ", time(audit.last), " ago"]),
      audit.problem ? `: ${audit.problem}` : ""),
    make("p", {}, `repairs since the start: ${repairs || "none"}`),
    make("ul", {}, ...audit.proposals.slice(0, MOST).map((each) => make("li", {}, each))),
    more(audit.proposals),
    make("h3", {}, "Clean-up"),
    make("p", {}, report.cleanup.length ? `due for ${report.cleanup.length} endpoints and networks` : "nothing is due"),
    make("h3", {}, "States"),
    make("ul", {}, ...Object.entries(STATES).map(([state, text]) =>
      make("li", { class: state }, icon(state), make("strong", {}, ` ${state} `), text))),
  ].filter(Boolean);
}

function explain() {
  const [, kind, id] = /^(\w+)-(.*)$/.exec(chosen) ?? [];
  const among = { endpoint: [report.endpoints, "id", explainEndpoint], network: [report.networks, "id", explainNetwork],
    part: [report.parts, "key", explainPart] }[kind];
  const found = among?.[0].find((each) => each[among[1]] === id);
  const content = found ? among[2](found) : chosen ? [make("p", {}, "It is not there any more.")] : explainAll();
  const close = chosen ? make("button", { class: "close", "aria-label": "Close" }, "\u00d7") : null;
  close?.addEventListener("click", () => choose(""));
  explained.className = chosen ? "chosen" : report.problems.length ? "unwell" : "";
  // Someone may be reading or copying: what is the same stays.
  const next = make("div", {}, ...[close, ...content].filter(Boolean));
  if (explained.dataset.text !== next.innerHTML.replace(/<time.*?<\/time>/g, "") || explained.dataset.key !== chosen) {
    explained.replaceChildren(next);
    explained.dataset.key = chosen;
    explained.dataset.text = next.innerHTML.replace(/<time.*?<\/time>/g, "");
  }
}

const short = (name) => name.replace(/^the /, "");
const health = (part) => (part.there === null ? "unknown" : part.there ? "well" : "away");
const iconOf = (part) => ({ unknown: "waiting", well: "resolved", away: "refused" })[health(part)];

function drawParts() {
  renew(byId("parts"), report.parts.map((part) => {
    const button = make("button", { title: part.status }, icon(iconOf(part)), short(part.name),
      make("span", { class: "spoken" }, `: ${health(part)}`));
    button.addEventListener("click", () => choose(`part-${part.key}`));
    return make("li", { class: health(part) }, button);
  }));
}

// ---- Keeping up to date.

function take(next) {
  // An answer may be older than an event that came before it.
  if (next.pid === report?.pid && next.time < report.time) return;
  if (!report) frame();
  report = next;
  received = performance.now();
  byId("uptime").dataset.since = report.started;
  drawParts();
  draw();
  explain();
  tick();
  tell("live", live() ? "live" : `asked every ${POLL / 1000} s`);
}

// Returns the report after a change. Networks and endpoints come one by one, all else as a whole.
function changed({ networks, endpoints, ...rest }) {
  return { ...report, ...rest, networks: merged(report.networks, networks, ["organization", "domain", "zone", "subnet", "id"]),
    endpoints: merged(report.endpoints, endpoints, ["network_id", "container", "id"]) };
}

function merged(former, change, order) {
  if (!change) return former;
  const all = new Map(former.map((each) => [each.id, each]));
  for (const id of change.removed) all.delete(id);
  for (const each of change.changed) all.set(each.id, each);
  const differs = (a, b) => order.find((key) => (a[key] ?? "") !== (b[key] ?? ""));
  return [...all.values()].sort((a, b) => {
    const key = differs(a, b);
    return !key ? 0 : (a[key] ?? "") < (b[key] ?? "") ? -1 : 1;
  });
}

// The times that are shown go on by themselves.
function tick() {
  for (const element of document.querySelectorAll("time[data-since]")) {
    const text = age(Number(element.dataset.since));
    if (element.textContent !== text) element.textContent = text;
  }
}

function tell(kind, text) {
  liveness.className = kind;
  if (liveness.textContent !== text) liveness.textContent = text;
}

let events = null, asking = false;

const live = () => events?.readyState === EventSource.OPEN;

function listen() {
  events = new EventSource("events");
  events.addEventListener("report", (event) => take(JSON.parse(event.data)));
  events.addEventListener("change", (event) => take(changed(JSON.parse(event.data))));
  events.addEventListener("error", ask);
}

async function ask() {
  if (asking) return;
  asking = true;
  try {
    const answer = await fetch("status", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    const content = await answer.json();
    if (!answer.ok) throw new Error(content.error);
    take(content);
  } catch {
    tell("lost", `The plugin does not answer.${report ? " What you see is old." : ""}`);
  } finally {
    asking = false;
  }
}

document.addEventListener("keydown", step);
addEventListener("hashchange", () => { chosen = ""; if (report) choose(location.hash.slice(1)); });
setInterval(() => { if (report) tick(); }, 1000);
setInterval(() => { if (!live() && !document.hidden) ask(); }, POLL);
setInterval(() => { if (events.readyState === EventSource.CLOSED) listen(); else ask(); }, CHECK);
listen();
