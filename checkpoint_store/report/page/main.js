// -- what is looked at stands in the address, so that a page that loads itself again shows the same

const DEFAULTS = { job: 0, chunk: null, q: "", show: "all", sort: "index", page: 0, range: null };
let state = { ...DEFAULTS };
let shown = null;
let drawings = [];

function stateFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const whole = (name) => (/^\d+$/.test(given.get(name) ?? "") ? Number(given.get(name)) : null);
  const place = index.jobs.findIndex((facts) => facts.job_id.startsWith(given.get("job") || " "));
  const range = /^(\d+)-(\d+)$/.exec(given.get("range") ?? "");
  return {
    job: Math.max(0, place),
    chunk: whole("chunk"),
    q: given.get("q") ?? "",
    show: given.get("show") in FILTERS ? given.get("show") : "all",
    sort: given.get("sort") in ORDERS ? given.get("sort") : "index",
    page: whole("page") ?? 0,
    range: range && [Number(range[1]), Number(range[2])],
  };
}

function addressOf(wanted) {
  const given = new URLSearchParams();
  if (index.jobs.length) given.set("job", index.jobs[wanted.job].job_id);
  for (const name of ["chunk", "q", "show", "sort", "page"]) if (wanted[name] !== DEFAULTS[name]) given.set(name, wanted[name]);
  if (wanted.range) given.set("range", wanted.range.join("-"));
  return `#${given}`;
}

function change(changes) {
  Object.assign(state, changes);
  history.replaceState(null, "", addressOf(state));
  showState();
}

const open = (chunk) => change({ chunk });

function showState() {
  if (!index.jobs.length) return;
  if (shown?.job !== state.job) showJob();
  else shown.list();
  showChunk();
}

// -- the jobs

const JOBS_PAGE = 20;
let jobsPage = 0;
let jobsWanted = "";

function showJobs() {
  const rows = one("jobs-rows");
  if (!rows) return;
  const found = index.jobs.map((facts, place) => [facts, place]).filter(([facts]) => `${facts.file_name} ${facts.title ?? ""} ${facts.status} ${facts.job_id} ${facts.model ?? ""}`.toLowerCase().includes(jobsWanted));
  const last = Math.max(0, Math.ceil(found.length / JOBS_PAGE) - 1);
  jobsPage = Math.min(jobsPage, last);
  rows.replaceChildren(...found.slice(jobsPage * JOBS_PAGE, (jobsPage + 1) * JOBS_PAGE).map(([facts, place]) => jobRow(facts, place)));
  one("jobs-pager").replaceChildren(...pagerButtons(jobsPage, last, (next) => { jobsPage = next; showJobs(); }));
}

function jobRow(facts, place) {
  const bar = s("svg", { class: "progress small", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" }, s("rect", { class: "k-pending plain", width: 100, height: 8 }), s("rect", { class: "k-completed plain", width: facts.total ? (100 * facts.completed) / facts.total : 100, height: 8 }));
  return h("tr", { class: place === state.job && "chosen" },
    h("th", { scope: "row", dir: "auto" }, h("a", { href: `#job=${encodeURIComponent(facts.job_id)}`, "aria-current": place === state.job && "true" }, facts.file_name)),
    h("td", {}, chip(facts.status)),
    h("td", {}, bar, h("span", { class: "share" }, percent(facts.completed, facts.total))),
    h("td", { class: "number" }, `${grouped(facts.completed)} / ${grouped(facts.total)}`),
    h("td", { class: "number" }, facts.failed ? grouped(facts.failed) : ""),
    h("td", { class: "number" }, facts.in_doubt ? grouped(facts.in_doubt) : ""),
    h("td", { class: "number" }, number(facts.spent)),
    h("td", { class: "when" }, ago(facts.updated_at)),
    h("td", {}, h("code", {}, facts.job_id.slice(0, 8))));
}

function showFinder() {
  if (index.jobs.length <= JOBS_PAGE) return;
  const input = h("input", { type: "search", placeholder: "find a job", "aria-label": "Find a job" });
  input.addEventListener("input", () => { jobsWanted = input.value.trim().toLowerCase(); jobsPage = 0; showJobs(); });
  one("jobs-find").append(input);
}

// -- one job

function showJob() {
  const details = detailsOf(state.job);
  const pick = (start, stop) => {
    if (stop - start === 1) {
      open(start);
      return;
    }
    change({ range: [start, stop], page: 0 });
    one("chunks").scrollIntoView({ block: "start" });
  };
  const [map, drawMapNow] = details.facts.total ? mapCard(details, pick) : [null, () => {}];
  const plots = plotsOf(details, open);
  const [list, drawList] = details.facts.is_detailed && details.facts.total ? chunksCard(details, state, change, open) : [null, () => []];
  one("job").replaceChildren(...[
    jobHead(details),
    map,
    plots.length && h("div", { class: "plots" }, plots.map(([card]) => card)),
    h("div", { class: "plots cards" }, [errorsCard(details, open), doubtCard(details, open), runnersCard(details), planCard(details)]),
    list,
  ].filter(Boolean));
  drawings = [drawMapNow, ...plots.map(([, draw]) => draw)];
  for (const draw of drawings) draw();
  drawList();
  shown = { job: state.job, details, list: drawList };
  document.title = `${visible(details.facts.file_name)} - checkpoint-store report`;
  showJobs();
}

function showChunk() {
  const dialog = one("chunk");
  const chunk = state.chunk;
  const details = shown.details;
  if (chunk === null || chunk >= details.facts.total || !details.facts.is_detailed) {
    if (dialog.open) dialog.close();
    return;
  }
  fillChunk(dialog, details, chunk, open, () => dialog.close());
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function listen() {
  const dialog = one("chunk");
  dialog.addEventListener("close", () => { if (state.chunk !== null) change({ chunk: null }); });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = state.chunk + (step ?? 0);
    if (!step || next < 0 || next >= shown.details.facts.total) return;
    event.preventDefault();
    open(next);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || dialog.open || event.target.matches("input, select, textarea")) return;
    event.preventDefault();
    one("search")?.focus();
  });
  addEventListener("hashchange", () => {
    state = { ...stateFromAddress() };
    shown = null;
    showState();
  });
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    for (const draw of drawings) draw();
  });
}

// -- a page that is written again loads itself again, unless somebody is reading or typing

function tellWhen() {
  const seconds = index.refresh_seconds;
  const age = (Date.now() - index.written_at) / 1000;
  const isLate = seconds !== null && age > 60 + 10 * seconds;
  const words = seconds === null ? "" : isLate ? "; nobody seems to write it any more" : "; it follows the work";
  one("when").classList.toggle("live", seconds !== null && !isLate);
  one("when").textContent = `Written ${moment(index.written_at, true)}${words}`;
  return isLate;
}

function follow() {
  const isLate = tellWhen();
  if (index.refresh_seconds === null) return;
  const wait = Math.max(index.refresh_seconds, isLate ? 60 : 0);
  setTimeout(() => {
    const isBusy = one("chunk").open || document.activeElement?.matches("input, select") || String(getSelection());
    if (isBusy || document.hidden) follow();
    else location.reload();
  }, 1000 * wait);
}

state = stateFromAddress();
showFinder();
listen();
showState();
follow();
document.documentElement.dataset.ready = "true";
