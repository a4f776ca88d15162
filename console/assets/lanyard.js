// What pages do with a script: security keys, copying, the countdown of the session,
// filters of tables, keys, links whose secret is in the fragment, the theme. All but
// security keys work without. Everything is found by data- attributes, also in
// fragments that htmx brings later. Text is set as text: nothing here makes markup.

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// post sends a form or JSON to the console and gives its JSON answer. An answer that
// is an error throws its sentence. JSON has no fields for the frame of the console: who
// opened the form goes into a header.
async function post(url, body, acting) {
  const json = !(body instanceof URLSearchParams);
  const response = await fetch(url, {
    method: "POST",
    headers: { Accept: "application/json", ...(json && { "Content-Type": "application/json" }), ...(acting && { "Lanyard-Acting": acting }) },
    body: json ? JSON.stringify(body) : body,
    signal: AbortSignal.timeout(30000),
  }).catch(() => { throw new Error("The server did not answer. Check the connection and try again."); });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok || answer.error) {
    const error = new Error(answer.error || `The server answered ${response.status}. Try again.`);
    error.location = answer.location;
    throw error;
  }
  return answer;
}

// Security keys.
//
//   <form data-webauthn="get|create" data-begin="/path" data-finish="/path">
//     … fields sent to both … <p class="error" data-error hidden></p> <button>…</button>
//   </form>
//
// begin answers with the options ({"publicKey": {…}}), finish with {"location": "/…"}.
// data-autofill starts the ceremony when the page opens, offering passkeys where the
// browser fills in names.
let pending; // the ceremony that waits for autofill

async function ceremony(form, mediation) {
  const { acting, ...fields } = Object.fromEntries(new FormData(form));
  const begun = await post(form.dataset.begin, fields, acting);
  const options = begun.publicKey ?? begun;
  const create = form.dataset.webauthn === "create";
  pending?.abort();
  const control = new AbortController();
  if (mediation) pending = control;
  const credential = create
    ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options), signal: control.signal })
    : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options), signal: control.signal, ...(mediation && { mediation }) });
  const answer = await post(form.dataset.finish, { ...fields, credential: credential.toJSON() }, acting).catch((error) => {
    error.asked = true; // somebody has used a key, and waits
    throw error;
  });
  location.assign(answer.location ?? location.href);
}

function explain(error) {
  switch (error.name) {
    case "NotAllowedError": return "The security key was not used: the request was cancelled or took too long. Try again.";
    case "InvalidStateError": return "This security key is registered already. Use another one.";
    case "SecurityError": return "The browser does not allow security keys at this address. Open the console by its name, with https.";
    case "NotSupportedError": return "This security key cannot do what is asked. Use another one.";
    default: return error.message;
  }
}

async function runCeremony(form) {
  const button = $("button:not([type=button])", form);
  show(form, "");
  button.disabled = true;
  try {
    await ceremony(form);
  } catch (error) {
    if (error.location) return location.assign(error.location);
    show(form, explain(error));
    button.disabled = false;
    button.focus();
  }
}

function show(form, text) {
  const place = $("[data-error]", form);
  if (!place) return;
  place.textContent = text;
  place.hidden = !text;
}

function prepareCeremonies() {
  const can = "PublicKeyCredential" in window && "parseRequestOptionsFromJSON" in PublicKeyCredential;
  for (const form of $$("form[data-webauthn]")) {
    if (!can) show(form, "This browser cannot use security keys. Use another way, or another browser.");
    // Until here they were disabled: the browser alone would send a form that nothing answers.
    for (const button of $$("button", form)) button.disabled = !can;
  }
  const quiet = $("form[data-webauthn=get][data-autofill]");
  if (can && quiet) {
    PublicKeyCredential.isConditionalMediationAvailable?.().then((available) => {
      // A failure here is silent: nobody asked for anything yet.
      if (available) ceremony(quiet, "conditional").catch((error) => error.asked && show(quiet, explain(error)));
    });
  }
}

// Copying.
async function copy(button) {
  const text = button.dataset.copy || $("code", button.parentElement).textContent;
  const name = button.getAttribute("aria-label");
  try {
    await navigator.clipboard.writeText(text.replace(/\n$/, ""));
  } catch {
    getSelection().selectAllChildren($("code", button.parentElement) ?? button.parentElement);
    return;
  }
  button.classList.add("done");
  button.setAttribute("aria-label", "Copied");
  setTimeout(() => {
    button.classList.remove("done");
    button.setAttribute("aria-label", name);
  }, 2000);
}

// The session: how long it lasts still, told on every page, also of other tabs.
function countdown() {
  const box = $("#session");
  if (!box) return;
  let ends = Date.parse(box.dataset.expires);
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("lanyard") : null;
  channel?.postMessage({ ends });
  channel?.addEventListener("message", (event) => {
    if (event.data.ends > ends) ends = event.data.ends;
    tick();
  });
  const words = (ms) => {
    const minutes = Math.floor(ms / 60000);
    if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
    return minutes >= 1 ? `${minutes} min` : `${Math.max(0, Math.floor(ms / 1000))} s`;
  };
  let said = "", next;
  function tick() {
    clearTimeout(next);
    const left = ends - Date.now();
    const text = words(left);
    if (text !== said) for (const place of $$("[data-left]")) place.textContent = text;
    said = text;
    box.hidden = left > 5 * 60000;
    if (left <= 0) $("strong", box).textContent = "Your session has ended.";
    next = setTimeout(tick, left > 6 * 60000 ? 30000 : 1000);
  }
  tick();
}

// Filters of tables.
function filter(form) {
  const table = document.getElementById(form.dataset.filter);
  if (!table) return;
  const words = $("input", form).value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = $$("tbody tr", table).filter((row) => !row.hasAttribute("data-none"));
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    shown += !row.hidden;
  }
  const place = $("[data-count]", form);
  place.dataset.all ??= place.textContent;
  place.textContent = words.length ? `${shown} of ${place.dataset.all}` : place.dataset.all;
  let none = $("tr[data-none]", table);
  if (!none && !shown && rows.length) {
    none = document.createElement("tr");
    none.dataset.none = "";
    const cell = document.createElement("td");
    cell.colSpan = rows[0].cells.length;
    cell.className = "nothing";
    cell.textContent = "No row matches.";
    none.append(cell);
    rows[0].parentElement.append(none);
  }
  if (none) none.hidden = shown > 0;
}

// Dialogs and menus, where the browser does not know commandfor yet.
function command(button) {
  if ("commandForElement" in HTMLButtonElement.prototype) return;
  const dialog = document.getElementById(button.getAttribute("commandfor"));
  if (button.getAttribute("command") === "show-modal") dialog.showModal();
  else dialog.close();
}

// The theme, without leaving the page.
async function theme(form, button) {
  const body = new URLSearchParams(new FormData(form, button));
  await post(form.action, body);
  if (button.value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = button.value;
  for (const other of $$("button", form)) other.setAttribute("aria-pressed", other === button);
}

// Keys.
const places = { h: "/", s: "/security", u: "/users", r: "/roles", p: "/policies", w: "/why", e: "/events" };
let prefix = 0;

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, select, [contenteditable]") || $("dialog[open]")) return;
  const going = Date.now() - prefix < 1500;
  prefix = 0;
  if (going && places[event.key]) {
    location.assign(places[event.key]);
  } else if (event.key === "g") {
    prefix = Date.now();
  } else if (event.key === "/") {
    const field = $$("[data-search]").find((input) => input.checkVisibility()) ?? (openNavigation(), $("#search-narrow"));
    field?.focus();
  } else if (event.key === "?") {
    $("dialog#keys")?.showModal();
  } else {
    return;
  }
  event.preventDefault();
}

function openNavigation() {
  const nav = $("#nav");
  if (nav && !nav.checkVisibility()) nav.showPopover();
}

// A one-time link has its secret in the fragment, which no server and no log sees. It
// moves into the form and out of the address.
function fragment() {
  const field = $("input[data-fragment]");
  if (!field || location.hash.length < 2) return;
  field.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname + location.search);
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

// begin prepares what has just come into the page.
function begin(root) {
  if ("clipboard" in navigator) for (const button of $$("[data-copy]", root)) button.hidden = false;
  for (const form of $$("form[data-filter]", root)) {
    if (form.dataset.begun) continue;
    form.dataset.begun = "yes";
    $("input", form).value ||= new URLSearchParams(location.search).get("filter") ?? "";
    filter(form);
  }
  for (const input of $$("input[data-typed]", root)) typed(input);
  for (const tab of $$(".tabs [aria-current]", root)) { // where they do not all fit, the one that is open does
    const box = tab.closest(".tabs");
    box.scrollLeft += Math.max(0, tab.getBoundingClientRect().right - box.getBoundingClientRect().right + 24);
  }
}

// typed keeps the button of a dialog off until the name has been typed.
function typed(input) {
  $("button[type=submit]", input.form).disabled = input.value.trim() !== input.dataset.typed;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if ("copy" in button.dataset) copy(button);
  if (button.hasAttribute("commandfor")) command(button);
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.webauthn) {
    event.preventDefault();
    runCeremony(form);
  } else if ("filter" in form.dataset) {
    event.preventDefault();
  } else if ("themeForm" in form.dataset && event.submitter) {
    event.preventDefault();
    theme(form, event.submitter).catch(() => form.submit());
  }
});
document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (form?.dataset.filter) filter(form);
  if (event.target.dataset.typed !== undefined) typed(event.target);
});
document.addEventListener("keydown", key);
document.addEventListener("htmx:after:swap", () => begin(document));

begin(document);
fragment();
countdown();
prepareCeremonies();

// A secret that has been shown is not shown again by Back or a reload: the address
// of the answer to the form becomes that of a page without it.
const leave = $("[data-leave]");
if (leave) {
  history.replaceState(null, "", leave.dataset.leave);
  // Nor when the browser kept the page whole.
  addEventListener("pagehide", () => leave.replaceChildren());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}
