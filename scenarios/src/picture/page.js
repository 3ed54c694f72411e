"use strict";
(() => {
  const run = JSON.parse(document.getElementById("data").textContent);
  const ops = run.operations, words = ops.words, total = ops.from.length;
  const el = (id) => document.getElementById(id);
  const make = (tag, text, kind) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };

  // ---- What each operation was ----

  const KINDS = [
    ["acknowledged", "acknowledged"], ["stale", "stale read"], ["refused", "refused"],
    ["unknown", "outcome unknown"], ["lost", "lost"], ["risen", "there against all that was said"],
  ];
  const kind = new Uint8Array(total);
  for (let i = 0; i < total; i++) kind[i] = [0, 2, 3, 3][ops.outcome[i]];
  for (const id of ops.stale) kind[id - 1] = 1;
  for (const id of ops.lost) kind[id - 1] = 4;
  for (const id of ops.risen) if (id <= total) kind[id - 1] = 5;
  const stuck = new Set(ops.stuck);
  const counts = KINDS.map((_, n) => kind.reduce((sum, one) => sum + (one === n), 0));
  const end = (i) => ops.from[i] + (ops.took[i] < 0 ? Math.max(0, run.stopped - ops.from[i]) : ops.took[i]);

  // ---- Time as people read it ----

  const seconds = (us, digits = 3) => (us / 1e6).toFixed(digits) + " s";
  const length = (us) => us < 1000 ? us + " µs" : us < 1e6 ? (us / 1000).toFixed(us < 1e4 ? 2 : 1) + " ms" : seconds(us, 2);
  const size = (bytes) => bytes < 10240 ? bytes + " bytes" : bytes < 1 << 20 ? (bytes / 1024).toFixed(1) + " KiB" : (bytes / 1048576).toFixed(1) + " MiB";

  // ---- The theme ----

  const root = document.documentElement, wants = matchMedia("(prefers-color-scheme: dark)");
  let theme = "system", ink = {};
  const colours = () => {
    root.dataset.theme = theme === "system" ? (wants.matches ? "dark" : "light") : theme;
    const style = getComputedStyle(root);
    const names = ["paper", "card", "ink", "soft", "faint", "line", "grid", "accent", "primary", "in-step", "syncing", "apart",
      "paused", "off", "starting", "message", "request", "fault", "shade", ...KINDS.map(([name]) => name)];
    for (const name of names) ink[name] = style.getPropertyValue("--" + name).trim();
    el("theme").textContent = { system: "Theme: system", light: "Theme: light", dark: "Theme: dark" }[theme];
  };
  const FONT = '12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif';

  // ---- What is shown ----

  const view = { from: 0, to: 1 };
  const begin = Math.min(0, ...run.faults.map((fault) => fault.from), ops.from[0] ?? 0);
  const finish = Math.max(run.stopped, ops.from[total - 1] ?? 0, 1000);
  const margin = (finish - begin) * 0.015;
  const least = begin - margin, most = finish + margin;
  const shown = new Set(KINDS.keys());
  const filter = { key: "", client: "", node: "" };
  let chosen = null, passing = [];
  const passes = (i) => shown.has(kind[i])
    && (!filter.client || words[ops.client[i]] === filter.client)
    && (!filter.node || words[ops.node[i]] === filter.node)
    && (!filter.key || words[ops.key[i]].includes(filter.key));

  // ---- Lanes ----

  const GUTTER = 118, AXIS = 24, NODE_LANE = 46, GAP = 14;
  const clientLane = run.clients.length <= 40 ? 15 : Math.max(1.5, Math.min(9, 420 / run.clients.length));
  const nodeTop = (n) => AXIS + n * NODE_LANE;
  const clientsTop = AXIS + run.nodes.length * NODE_LANE + GAP;
  const height = clientsTop + run.clients.length * clientLane + 14;
  const laneOfNode = new Map(run.nodes.map((node, n) => [node.name, n]));
  const laneOfClient = new Map(run.clients.map((client, n) => [client.name, n]));
  const yOfNode = (name) => { const n = laneOfNode.get(name); return n === undefined ? null : nodeTop(n) + 15; };
  const yOfClient = (i) => clientsTop + (laneOfClient.get(words[ops.client[i]]) ?? 0) * clientLane + clientLane / 2;

  const canvases = ["overview", "picture", "throughput", "lag"].map(el);
  const [overview, picture, throughput, lag] = canvases;
  let width = 800;
  const prepare = (canvas, tall) => {
    const ratio = devicePixelRatio || 1;
    canvas.style.height = tall + "px";
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(tall * ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, tall);
    pen.font = FONT;
    pen.textBaseline = "middle";
    return pen;
  };
  const x = (us) => GUTTER + (us - view.from) / (view.to - view.from) * (width - GUTTER);
  const time = (px) => view.from + (px - GUTTER) / (width - GUTTER) * (view.to - view.from);
  const wholeX = (us) => GUTTER + (us - least) / (most - least) * (width - GUTTER);
  const text = (pen, what, at, y, colour, align = "left") => {
    pen.fillStyle = colour; pen.textAlign = align; pen.fillText(what, at, y);
  };
  const clipped = (pen, what, room) => {
    if (pen.measureText(what).width <= room) return what;
    while (what.length > 1 && pen.measureText(what + "…").width > room) what = what.slice(0, -1);
    return what.length > 1 ? what + "…" : "";
  };

  // ---- The axis ----

  const ticks = () => {
    const wish = (view.to - view.from) / Math.max(3, (width - GUTTER) / 110);
    const power = 10 ** Math.floor(Math.log10(wish));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= wish) || power * 10;
    const found = [];
    for (let t = Math.ceil(view.from / step) * step; t <= view.to; t += step) found.push(t);
    return [found, step];
  };
  const tickLabel = (t, step) => (t / 1e6).toFixed(Math.max(0, Math.min(6, 6 - Math.floor(Math.log10(step) + 1e-9)))) + " s";
  const grid = (pen, top, bottom, labels) => {
    const [marks, step] = ticks();
    for (const t of marks) {
      const at = x(t);
      if (at < GUTTER) continue;
      pen.fillStyle = ink.grid; pen.fillRect(Math.round(at), top, 1, bottom - top);
      if (labels && at < width - 24) text(pen, tickLabel(t, step), at, 10, ink.soft, "center");
    }
  };
  const shadeFaults = (pen, top, bottom) => {
    for (const fault of run.faults) {
      const from = Math.max(GUTTER, x(fault.from)), to = Math.min(width, x(fault.until ?? finish));
      if (to < GUTTER || from > width || to - from < 2) continue;
      pen.fillStyle = ink.shade; pen.fillRect(from, top, to - from, bottom - top);
    }
  };

  // ---- The picture ----

  const drawNodes = (pen) => {
    run.nodes.forEach((node, n) => {
      const top = nodeTop(n);
      pen.fillStyle = ink.line; pen.fillRect(0, top + NODE_LANE - 1, width, 1);
      text(pen, clipped(pen, node.name, GUTTER - 16), 4, top + 15, ink.ink);
      for (const [from, until, state, words] of node.states) {
        const left = Math.max(GUTTER, x(from)), right = Math.min(width, x(until));
        if (right <= GUTTER || left >= width || right <= left) continue;
        pen.fillStyle = ink[state] || ink.off;
        if (state === "off" || state === "paused" || state === "starting") {
          pen.globalAlpha = .35; pen.fillRect(left, top + 6, right - left, 18); pen.globalAlpha = 1;
          pen.fillStyle = pen.strokeStyle = ink[state]; pen.lineWidth = 1; pen.save(); pen.beginPath();
          pen.rect(left, top + 6, right - left, 18); pen.clip(); pen.beginPath();
          for (let at = left - 18; at < right; at += 7) { pen.moveTo(at, top + 24); pen.lineTo(at + 18, top + 6); }
          pen.stroke(); pen.restore();
        } else {
          pen.fillRect(left, top + 6, Math.max(1, right - left), 18);
        }
        if (right - left > 34) {
          const label = clipped(pen, words, right - left - 12);
          const dim = state === "off" || state === "paused" || state === "starting";
          text(pen, label, left + 6, top + 15.5, dim ? ink.ink : ink.card);
        }
      }
    });
    for (const fault of run.faults) {
      const from = x(fault.from), until = x(fault.until ?? finish);
      if (until < GUTTER || from > width) continue;
      for (const machine of fault.machines) {
        const n = laneOfNode.get(machine);
        if (n === undefined) continue;
        const left = Math.max(GUTTER, from), right = Math.max(left + 3, Math.min(width, until)), y = nodeTop(n) + 30;
        const held = chosen && chosen.fault === fault;
        pen.fillStyle = ink.fault; pen.globalAlpha = held ? 1 : .75; pen.fillRect(left, y, right - left, 3); pen.globalAlpha = 1;
        const label = clipped(pen, fault.kind, right - left - 4);
        if (label.length > 3) text(pen, label, left + 1, y + 9, ink.fault);
      }
    }
  };
  const drawMessages = (pen) => {
    if (!el("messages").checked) return;
    const m = run.messages, first = view.from, last = view.to;
    let seen = 0;
    for (let i = 0; i < m.sent.length; i++) if (m.sent[i] + m.took[i] >= first && m.sent[i] <= last) seen++;
    pen.strokeStyle = ink.message;
    pen.globalAlpha = Math.max(.06, Math.min(.7, 260 / Math.max(1, seen)));
    pen.lineWidth = 1;
    const stride = Math.max(1, Math.floor(seen / 12000));
    pen.beginPath();
    for (let i = 0, at = 0; i < m.sent.length; i++) {
      if (m.sent[i] + m.took[i] < first || m.sent[i] > last) continue;
      if (at++ % stride) continue;
      pen.moveTo(x(m.sent[i]), nodeTop(m.from[i]) + 15); pen.lineTo(x(m.sent[i] + m.took[i]), nodeTop(m.to[i]) + 15);
    }
    pen.stroke(); pen.globalAlpha = 1;
    if (chosen && chosen.message !== undefined) {
      const i = chosen.message;
      pen.lineWidth = 2.5; pen.beginPath();
      pen.moveTo(x(m.sent[i]), nodeTop(m.from[i]) + 15); pen.lineTo(x(m.sent[i] + m.took[i]), nodeTop(m.to[i]) + 15); pen.stroke();
    }
  };
  const drawRequest = (pen, i) => {
    const node = yOfNode(words[ops.node[i]]);
    if (node === null) return;
    const from = x(ops.from[i]), to = x(end(i)), y = yOfClient(i), middle = (from + to) / 2;
    pen.moveTo(from, y); pen.lineTo(middle, node);
    if (ops.took[i] >= 0 && ops.outcome[i] < 2) pen.lineTo(to, y);
  };
  const visible = () => passing.filter((i) => end(i) >= view.from && ops.from[i] <= view.to);
  const drawOperations = (pen) => {
    const inView = visible();
    if (el("requests").checked && inView.length < 900) {
      pen.strokeStyle = ink.request; pen.globalAlpha = Math.max(.15, Math.min(.5, 60 / inView.length)); pen.lineWidth = 1; pen.beginPath();
      for (const i of inView) drawRequest(pen, i);
      pen.stroke(); pen.globalAlpha = 1;
    }
    const tall = Math.max(1, clientLane - 4);
    for (let wanted = 0; wanted < KINDS.length; wanted++) {
      pen.fillStyle = ink[KINDS[wanted][0]];
      for (const i of inView) {
        if (kind[i] !== wanted) continue;
        const from = Math.max(GUTTER, x(ops.from[i])), to = x(end(i));
        pen.globalAlpha = wanted === 0 ? .8 : 1;
        pen.fillRect(from, yOfClient(i) - tall / 2, Math.max(wanted ? 2.2 : 1.4, to - from), tall);
      }
    }
    pen.globalAlpha = 1;
    if (chosen && chosen.op !== undefined) {
      const i = chosen.op, y = yOfClient(i), from = x(ops.from[i]), to = Math.max(from + 2, x(end(i)));
      pen.strokeStyle = ink.ink; pen.lineWidth = 1.5; pen.beginPath(); drawRequest(pen, i); pen.stroke();
      pen.lineWidth = 2; pen.strokeRect(from - 3, y - tall / 2 - 3, to - from + 6, tall + 6);
    }
  };
  const drawClientNames = (pen) => {
    let group = null;
    run.clients.forEach((client, n) => {
      const y = clientsTop + n * clientLane + clientLane / 2;
      if (clientLane >= 12) text(pen, clipped(pen, client.name, GUTTER - 16), 4, y, ink.soft);
      else if (client.group !== group) text(pen, client.group + " …", 4, y + 4, ink.soft);
      group = client.group;
    });
  };
  const drawPicture = () => {
    const pen = prepare(picture, height);
    grid(pen, 20, height, true);
    shadeFaults(pen, 20, height);
    pen.save(); pen.beginPath(); pen.rect(GUTTER, 0, width - GUTTER, height); pen.clip();
    drawOperations(pen); drawMessages(pen);
    const healed = x(run.healed);
    pen.strokeStyle = ink.soft; pen.setLineDash([3, 4]); pen.lineWidth = 1; pen.beginPath(); pen.moveTo(healed, 20); pen.lineTo(healed, height); pen.stroke(); pen.setLineDash([]);
    if (healed > width - 100) text(pen, "all faults end", healed - 5, height - 7, ink.soft, "right");
    else text(pen, "all faults end", healed + 5, height - 7, ink.soft);
    pen.restore();
    drawNodes(pen); drawClientNames(pen);
  };

  // ---- Beside it: the whole run, throughput, lag ----

  // A bin of less than a tenth of a second would show single operations as peaks.
  const binsOf = (from, to) => Math.max(8, Math.min(240, Math.floor((to - from) / 1e5)));
  const bins = (from, to) => {
    const BINS = binsOf(from, to), rows = KINDS.map(() => new Float64Array(BINS));
    for (const i of passing) {
      const bin = Math.floor((ops.from[i] - from) / (to - from) * BINS);
      if (bin >= 0 && bin < BINS) rows[kind[i]][bin]++;
    }
    return rows;
  };
  const drawOverview = () => {
    const tall = 46, pen = prepare(overview, tall), rows = bins(least, most);
    text(pen, "whole run", 4, 23, ink.soft);
    for (const fault of run.faults) {
      pen.fillStyle = ink.shade;
      pen.fillRect(wholeX(fault.from), 4, Math.max(1, wholeX(fault.until ?? finish) - wholeX(fault.from)), tall - 8);
    }
    stack(pen, rows, wholeX(least), wholeX(most), 6, tall - 6);
    const from = wholeX(view.from), to = wholeX(view.to);
    pen.fillStyle = ink.paper; pen.globalAlpha = .66;
    pen.fillRect(GUTTER, 2, Math.max(0, from - GUTTER), tall - 4); pen.fillRect(to, 2, Math.max(0, width - to), tall - 4);
    pen.globalAlpha = 1; pen.strokeStyle = ink.accent; pen.lineWidth = 1.5; pen.strokeRect(from + .5, 2.5, Math.max(3, to - from - 1), tall - 5);
  };
  const stack = (pen, rows, left, right, top, bottom) => {
    const BINS = rows[0].length;
    let peak = 1;
    for (let bin = 0; bin < BINS; bin++) peak = Math.max(peak, rows.reduce((sum, row) => sum + row[bin], 0));
    const step = (right - left) / BINS;
    for (let bin = 0; bin < BINS; bin++) {
      let y = bottom;
      rows.forEach((row, n) => {
        const tall = row[bin] / peak * (bottom - top);
        if (!tall) return;
        pen.fillStyle = ink[KINDS[n][0]]; pen.fillRect(left + bin * step, y - tall, Math.max(1, step - .4), tall); y -= tall;
      });
    }
    return peak;
  };
  const drawThroughput = () => {
    const tall = 92, pen = prepare(throughput, tall);
    grid(pen, 14, tall - 6, false); shadeFaults(pen, 14, tall - 6);
    const peak = stack(pen, bins(view.from, view.to), GUTTER, width, 22, tall - 6);
    const rate = peak / ((view.to - view.from) / binsOf(view.from, view.to) / 1e6);
    text(pen, "operations", 4, 26, ink.ink); text(pen, "a second", 4, 42, ink.ink);
    text(pen, "at most " + (rate < 10 ? rate.toFixed(1) : Math.round(rate)), GUTTER + 4, 14, ink.soft);
  };
  const LINES = ["in-step", "apart", "unknown", "syncing", "primary"];
  const drawLag = () => {
    const tall = 104, pen = prepare(lag, tall), names = Object.keys(run.lag).sort();
    grid(pen, 14, tall - 8, false); shadeFaults(pen, 14, tall - 8);
    text(pen, "lag behind", 4, 26, ink.ink); text(pen, "the primary", 4, 42, ink.ink);
    let peak = 1000;
    for (const name of names) for (const [at, , behind] of run.lag[name]) if (at >= view.from && at <= view.to) peak = Math.max(peak, behind);
    text(pen, "at most " + length(peak), GUTTER + 4, 14, ink.soft);
    pen.save(); pen.beginPath(); pen.rect(GUTTER, 0, width - GUTTER, tall); pen.clip();
    names.forEach((name, n) => {
      pen.strokeStyle = ink[LINES[n % LINES.length]]; pen.lineWidth = 1.8; pen.beginPath();
      let last = null;
      for (const [at, , behind] of run.lag[name]) {
        const y = tall - 9 - behind / peak * (tall - 34);
        if (last === null || at - last > 5e6) pen.moveTo(x(at), y); else pen.lineTo(x(at), y);
        last = at;
      }
      pen.stroke();
    });
    pen.restore();
    names.forEach((name, n) => {
      pen.fillStyle = ink[LINES[n % LINES.length]]; pen.fillRect(6, 56 + n * 15, 12, 3);
      if (58 + n * 15 < tall) text(pen, name, 24, 58 + n * 15, ink.soft);
    });
    if (!names.length) text(pen, "nothing followed anything", GUTTER + 90, 14, ink.soft);
  };

  let pending = false;
  const draw = () => {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      width = Math.max(420, document.querySelector(".drawing").clientWidth);
      drawOverview(); drawPicture(); drawThroughput(); drawLag(); listOperations();
    });
  };
  const refilter = () => { passing = []; for (let i = 0; i < total; i++) if (passes(i)) passing.push(i); draw(); };
  const look = (from, to) => {
    const span = Math.max(200, Math.min(most - least, to - from));
    from = Math.max(least, Math.min(most - span, from));
    view.from = from; view.to = from + span; draw();
  };
  const zoom = (factor, around = (view.from + view.to) / 2) =>
    look(around - (around - view.from) * factor, around + (view.to - around) * factor);
  const centre = (us, span = Math.min(view.to - view.from, 2e6)) => look(us - span / 2, us + span / 2);

  // ---- Details of what was clicked ----

  const details = el("details");
  const facts = (title, tag, rows, more) => {
    details.replaceChildren(make("h3", title));
    if (tag) { const label = make("span", tag[1], "tag"); label.style.background = `var(--${tag[0]})`; details.append(label); }
    const list = make("dl");
    for (const [name, value] of rows) list.append(make("dt", name), make("dd", value));
    details.append(list);
    if (more) details.append(make("p", more));
  };
  const STORY = {
    1: "The value that it returned had been overwritten, and that had been acknowledged, before this read began.",
    2: "It surely did not happen: every node that was asked refused it.",
    3: "The request left and no answer came: it may have happened at any time since, or never.",
    4: "The client was told that this write had happened; at the end of the run it was not there.",
    5: "It was there at the end although the client was told that it had not happened, or more often than it was sent.",
  };
  const idle = () => {
    chosen = null;
    details.replaceChildren(make("h3", "Nothing selected"),
      make("p", "Click an operation, a message, a fault or a node's band to see what it was. Shift and drag zooms into a stretch of time."),
      make("p", `${total.toLocaleString("en")} operations and ${run.messages.sent.length.toLocaleString("en")} messages between nodes are on this page.`));
    if (run.left_out) details.append(make("p", `${run.left_out.toLocaleString("en")} more messages were too many to be written down.`));
  };
  const choose = (i, move) => {
    chosen = { op: i };
    if (move && (ops.from[i] < view.from || end(i) > view.to || view.to - view.from > 3e6)) centre(ops.from[i] + Math.max(0, ops.took[i]) / 2);
    facts(`Operation #${i + 1}`, KINDS[kind[i]], [
      ["what", `${words[ops.action[i]]} ${words[ops.key[i]]}`], ["client", words[ops.client[i]]], ["node", words[ops.node[i]]],
      ["began", seconds(ops.from[i], 6)], ["took", ops.took[i] < 0 ? "never ended" : length(ops.took[i])], ["told", words[ops.answer[i]]],
    ], stuck.has(i + 1) ? "No order of the operations on this key explains this answer." : STORY[kind[i]]);
    location.replace("#op=" + (i + 1));
    draw();
  };
  const chooseMessage = (i) => {
    const m = run.messages;
    chosen = { message: i };
    facts("Message", ["message", "between nodes"], [
      ["from", run.nodes[m.from[i]].name], ["to", run.nodes[m.to[i]].name], ["sent", seconds(m.sent[i], 6)],
      ["under way", length(m.took[i])], ["bytes", size(m.bytes[i])], ["connection", "#" + m.connection[i]],
    ], m.took[i] > 2e5 ? "It was sent again until it got through." : undefined);
    draw();
  };
  const chooseFault = (fault) => {
    chosen = { fault };
    facts(fault.kind, ["fault", "fault"], [
      ["what", fault.text], ["from", seconds(fault.from)],
      ["until", fault.until === null ? "the end" : fault.until === fault.from ? "done in a moment" : seconds(fault.until)],
    ]);
    draw();
  };
  const chooseState = (node, state) => {
    chosen = { state };
    facts(node.name, [state[2], state[2].replace("-", " ")], [["was", state[3]], ["from", seconds(state[0])], ["until", seconds(state[1])]]);
    draw();
  };

  // ---- What is under the pointer ----

  const nearestMessage = (px, py) => {
    if (!el("messages").checked) return null;
    const m = run.messages;
    let best = null, distance = 5;
    for (let i = 0; i < m.sent.length; i++) {
      if (m.sent[i] > view.to || m.sent[i] + m.took[i] < view.from) continue;
      const x1 = x(m.sent[i]), x2 = x(m.sent[i] + m.took[i]), y1 = nodeTop(m.from[i]) + 15, y2 = nodeTop(m.to[i]) + 15;
      if (py < Math.min(y1, y2) || py > Math.max(y1, y2)) continue;
      const off = Math.abs(px - (x1 + (x2 - x1) * (py - y1) / (y2 - y1)));
      if (off < distance) { best = i; distance = off; }
    }
    return best;
  };
  const under = (px, py) => {
    if (px < GUTTER) return null;
    if (py >= clientsTop - 2) {
      const lane = Math.floor((py - clientsTop) / clientLane);
      let best = null, distance = 6;
      for (const i of passing) {
        if (laneOfClient.get(words[ops.client[i]]) !== lane) continue;
        const from = x(ops.from[i]), to = Math.max(from + 2, x(end(i)));
        const off = px < from ? from - px : px > to ? px - to : 0;
        if (off < distance || off === distance && best !== null && kind[i] > kind[best]) { best = i; distance = off; }
      }
      return best === null ? null : { op: best };
    }
    const lane = Math.floor((py - AXIS) / NODE_LANE), node = run.nodes[lane], at = time(px);
    if (!node) return null;
    const inside = py - nodeTop(lane);
    if (inside > 26) {
      const slack = (view.to - view.from) * 4 / width;
      const fault = run.faults.find((fault) => fault.machines.includes(node.name) && at >= fault.from - slack && at <= (fault.until ?? finish) + slack);
      if (fault) return { fault };
    }
    if (inside < 5 || inside > 25) { const message = nearestMessage(px, py); if (message !== null) return { message }; }
    const state = node.states.find(([from, until]) => at >= from && at < until);
    return state ? { node, state } : null;
  };
  const summary = (found) => {
    if (found.op !== undefined) return `#${found.op + 1} ${words[ops.action[found.op]]} ${words[ops.key[found.op]]}: ${words[ops.answer[found.op]]}`;
    if (found.message !== undefined) { const m = run.messages, i = found.message; return `${run.nodes[m.from[i]].name} → ${run.nodes[m.to[i]].name}, ${size(m.bytes[i])}, ${length(m.took[i])}`; }
    if (found.fault) return `${found.fault.kind}: ${found.fault.text}`;
    return `${found.node.name}: ${found.state[3]}`;
  };
  const open = (found) => {
    if (!found) { idle(); draw(); }
    else if (found.op !== undefined) choose(found.op);
    else if (found.message !== undefined) chooseMessage(found.message);
    else if (found.fault) chooseFault(found.fault);
    else chooseState(found.node, found.state);
  };
  const place = (event, canvas) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };

  let drag = null;
  picture.addEventListener("pointerdown", (event) => {
    const [px, py] = place(event, picture);
    drag = { px, py, from: view.from, to: view.to, shift: event.shiftKey, moved: false };
    picture.setPointerCapture(event.pointerId);
  });
  picture.addEventListener("pointermove", (event) => {
    const [px, py] = place(event, picture), tip = el("tip");
    if (drag) {
      if (Math.abs(px - drag.px) > 3) { drag.moved = true; picture.classList.add("dragging"); tip.hidden = true; }
      if (drag.moved && !drag.shift) {
        const shift = (drag.px - px) / (width - GUTTER) * (drag.to - drag.from);
        look(drag.from + shift, drag.to + shift);
      }
      return;
    }
    const found = under(px, py);
    tip.hidden = !found;
    picture.style.cursor = found ? "pointer" : "";
    if (found) {
      tip.textContent = summary(found);
      tip.style.left = Math.min(px + 14, width - 220) + "px";
      tip.style.top = picture.offsetTop + py + 18 + "px";
    }
  });
  picture.addEventListener("pointerleave", () => { el("tip").hidden = true; });
  picture.addEventListener("pointerup", (event) => {
    const [px, py] = place(event, picture), held = drag;
    drag = null; picture.classList.remove("dragging");
    if (!held) return;
    if (held.moved && held.shift) look(time(Math.min(px, held.px)), time(Math.max(px, held.px)));
    else if (!held.moved) open(under(px, py));
  });
  for (const canvas of [picture, throughput, lag]) canvas.addEventListener("wheel", (event) => {
    if (event.ctrlKey || event.metaKey) { event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : .8, time(place(event, canvas)[0])); }
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      const shift = event.deltaX / width * (view.to - view.from); look(view.from + shift, view.to + shift);
    }
  }, { passive: false });
  const sweep = (event) => {
    if (!(event.buttons & 1)) return;
    const at = least + (place(event, overview)[0] - GUTTER) / (width - GUTTER) * (most - least), span = Math.min(view.to - view.from, (most - least) * .35);
    look(at - span / 2, at + span / 2);
  };
  overview.addEventListener("pointerdown", sweep);
  overview.addEventListener("pointermove", sweep);

  // ---- Keys ----

  const walk = (step) => {
    if (!passing.length) return;
    const now = chosen && chosen.op !== undefined ? chosen.op : null;
    if (now === null) return choose(visible()[0] ?? passing[0], true);
    const next = step > 0 ? passing.find((i) => i > now) : passing.findLast((i) => i < now);
    if (next !== undefined) choose(next, true);
  };
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, select, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
    const span = view.to - view.from;
    const act = {
      ArrowLeft: () => look(view.from - span * .15, view.to - span * .15), ArrowRight: () => look(view.from + span * .15, view.to + span * .15),
      "+": () => zoom(.6), "=": () => zoom(.6), "-": () => zoom(1.6), "0": () => look(least, most),
      n: () => walk(1), p: () => walk(-1), Escape: () => { idle(); draw(); }, "?": () => el("help").showModal(),
    }[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  // ---- The lists ----

  const ROWS_MAX = 250;
  const listOperations = () => {
    const inView = visible(), body = el("operations").tBodies[0], rows = [];
    el("count").textContent = `${inView.length.toLocaleString("en")} of ${total.toLocaleString("en")}` + (inView.length > ROWS_MAX ? `, the first ${ROWS_MAX} listed` : "");
    for (const i of inView.slice(0, ROWS_MAX)) {
      const row = make("tr"); row.dataset.go = i; row.tabIndex = 0;
      if (chosen && chosen.op === i) row.className = "chosen";
      const told = make("td", words[ops.answer[i]]);
      if (kind[i]) told.style.color = `var(--${KINDS[kind[i]][0]})`;
      if (kind[i] === 1 || kind[i] > 3) told.textContent += ` (${KINDS[kind[i]][1]})`;
      row.append(make("td", i + 1), make("td", seconds(ops.from[i]), "time"), make("td", words[ops.client[i]]),
        make("td", `${words[ops.action[i]]} ${words[ops.key[i]]}`), make("td", words[ops.node[i]]), told);
      rows.push(row);
    }
    body.replaceChildren(...rows);
  };
  const goes = (table, act) => {
    const go = (event) => { const row = event.target.closest("tr[data-go]"); if (row) act(Number(row.dataset.go)); };
    table.addEventListener("click", go);
    table.addEventListener("keydown", (event) => { if (event.key === "Enter") go(event); });
  };
  goes(el("operations"), (i) => choose(i));
  const events = [];
  for (const fault of run.faults) {
    events.push([fault.from, "fault", fault.text, fault]);
    if (fault.until !== null && fault.until > fault.from) events.push([fault.until, "healed", fault.text, fault]);
  }
  for (const [at, who, what] of run.remarks) {
    if (what.startsWith("begin ") || /^(cut|heal|link) to /.test(what) || what === "heal all") continue;
    // Those who look and order are no part of the story; what they order is.
    if (what.startsWith("start ") && !laneOfNode.has(who) || who === "observer") continue;
    if (at >= least) events.push([at, who === "*" ? "world" : who, what.replace(/^log . \w+ /, ""), null]);
  }
  events.sort((one, other) => one[0] - other[0]);
  const listEvents = () => el("events").tBodies[0].replaceChildren(...events.slice(0, 3000).map(([at, who, what, fault], n) => {
    const row = make("tr"); row.dataset.go = n; row.tabIndex = 0;
    const name = make("td", who, "who");
    if (fault) name.style.color = who === "fault" ? "var(--fault)" : "var(--in-step)";
    row.append(make("td", seconds(at), "time"), name, make("td", what));
    return row;
  }));
  goes(el("events"), (n) => { centre(events[n][0], Math.min(view.to - view.from, 4e6)); if (events[n][3]) chooseFault(events[n][3]); });

  // ---- The rest of the page ----

  const fillHead = () => {
    el("name").textContent = run.name; el("seed").textContent = run.server ?? "seed " + run.seed; el("title").textContent = run.title;
    el("about").textContent = run.about.trim(); el("replay").textContent = run.replay; el("trace").textContent = run.trace;
    if (run.server) el("origin").textContent = "Played with real processes: they do not do the same twice.";
    el("verdict").textContent = run.passed ? "✓ passed" : "✗ failed";
    el("verdict").classList.add(run.passed ? "passed" : "failed");
    el("failures").hidden = !run.failures.length;
    for (const failure of run.failures) {
      const card = make("div", undefined, "failure"); card.append(make("strong", failure.text));
      const known = failure.proof.filter((id) => id <= total);
      if (known.length) {
        const proof = make("div", undefined, "proof"); proof.append(make("span", "Shown by"));
        for (const id of known.slice(0, 12)) { const button = make("button", "#" + id); button.type = "button"; button.addEventListener("click", () => choose(id - 1, true)); proof.append(button); }
        if (known.length > 12) proof.append(make("span", `and ${known.length - 12} more`));
        card.append(proof);
      }
      el("failures").append(card);
    }
    const KEY = ["acknowledged-writes", "lost-writes", "lost-window", "stale-reads", "stalest-read", "longest-outage", "failover", "recovery", "peak-lag", "full-resyncs"];
    for (const name of KEY) {
      const measure = run.measures.find((measure) => measure.name === name);
      if (!measure) continue;
      const box = make("div", undefined, "figure"); box.title = measure.meaning;
      box.append(make("b", measure.amount), make("span", name.replaceAll("-", " "))); el("figures").append(box);
    }
    for (const measure of run.measures) {
      const row = make("tr"); row.append(make("td", measure.name), make("td", measure.amount), make("td", measure.meaning)); el("measures").tBodies[0].append(row);
    }
  };
  const fillFilters = () => {
    KINDS.forEach(([name, label], n) => {
      if (!counts[n] && n > 0) return;
      const chip = make("button", undefined, "chip"), dot = make("i", undefined, "dot"); dot.style.background = `var(--${name})`;
      chip.type = "button"; chip.setAttribute("aria-pressed", "true"); chip.append(dot, `${label} ${counts[n].toLocaleString("en")}`);
      chip.addEventListener("click", () => { shown.has(n) ? shown.delete(n) : shown.add(n); chip.setAttribute("aria-pressed", shown.has(n)); refilter(); });
      el("outcomes").append(chip);
    });
    for (const [id, names] of [["client", run.clients.map((client) => client.name)], ["node", run.nodes.map((node) => node.name)]]) {
      el(id).append(new Option("any", ""), ...names.map((name) => new Option(name, name)));
      el(id).addEventListener("change", () => { filter[id] = el(id).value; refilter(); });
    }
    el("key").addEventListener("input", () => { filter.key = el("key").value.trim(); refilter(); });
    for (const id of ["messages", "requests"]) el(id).addEventListener("change", draw);
    const states = [["primary", "primary"], ["in-step", "replica, link up"], ["syncing", "receives a dataset"], ["apart", "replica, link down"], ["paused", "stands still"], ["off", "does not run"], ["fault", "fault"], ["message", "message between nodes"], ["request", "request and answer (when zoomed in)"]];
    for (const [name, label] of states) { const item = make("span"), dot = make("i", undefined, "dot"); dot.style.background = `var(--${name})`; item.append(dot, label); el("legend").append(item); }
  };
  el("in").addEventListener("click", () => zoom(.5));
  el("out").addEventListener("click", () => zoom(2));
  el("fit").addEventListener("click", () => look(least, most));
  el("keys").addEventListener("click", () => el("help").showModal());
  el("copy").addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(run.replay); el("copy").textContent = "Copied"; } catch { getSelection().selectAllChildren(el("replay")); }
  });
  el("theme").addEventListener("click", () => { theme = { system: "light", light: "dark", dark: "system" }[theme]; colours(); draw(); });
  wants.addEventListener("change", () => { colours(); draw(); });
  new ResizeObserver(draw).observe(document.querySelector(".drawing"));

  // For scripts: where an operation is on the screen, after it has been brought there.
  window.squall = {
    locate(id) {
      const i = id - 1; centre(ops.from[i] + Math.max(0, ops.took[i]) / 2, 4e5);
      const box = picture.getBoundingClientRect();
      return { x: box.left + x(ops.from[i] + Math.max(0, ops.took[i]) / 2), y: box.top + yOfClient(i) };
    },
  };

  colours(); fillHead(); fillFilters(); listEvents(); idle();
  look(least, most); refilter();
  const asked = /^#op=(\d+)$/.exec(location.hash);
  if (asked && asked[1] >= 1 && asked[1] <= total) choose(asked[1] - 1, true);
})();
