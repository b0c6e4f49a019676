/* Uploads. The script of Flask-FS sends the files. This one shows their progress and what the server says about them. */

import { preview } from './preview.js';
import { LOST, OWN, problemIn } from './server.js';
import { Speed, count, extensionOf, progressInWords, sizeInWords, writeName } from './words.js';

const byId = (id) => document.getElementById(id);
const STATES = { running: 'Waiting', offline: 'Waiting for the network', retrying: 'Trying again', done: 'Storing' };
const CONFLICTS = [['Keep both', 'Keep all', 'keep-both'], ['Replace', 'Replace all', 'replace'], ['Skip', 'Skip all', null]];

/** Each upload with its row, its speed, and what it waits for: '' (nothing), 'asking' (a decision) or 'problem'. */
const uploads = new Map();
const groups = new Map();
let finished = [];
let page;

/** Starts uploads. *page* has limits, filesUrl, say(sentence), and stored(name), which shows a new file in the list. */
export function startUploads(given) {
  page = given;
  addEventListener('fs-upload:added', added);
  addEventListener('fs-upload:progress', ({ detail: upload }) => uploads.has(upload) && showProgress(upload));
  addEventListener('fs-upload:state', ({ detail: upload }) => uploads.has(upload) && changed(upload));
  addEventListener('beforeunload', (event) => {
    const states = [...uploads.keys()].map((upload) => upload.state);
    if (states.some((state) => ['running', 'offline', 'retrying'].includes(state))) event.preventDefault();
  });
  byId('retry-all').addEventListener('click', () => withProblem(canRetry).forEach(retry));
  byId('dismiss-all').addEventListener('click', () => withProblem().forEach(dismiss));
  byId('conflicts').querySelector('.choices').append(
    ...CONFLICTS.map(([, words, conflict]) => button(words, () => waiting('asking').forEach((upload) => decide(upload, conflict)))),
  );
}

const waiting = (what) => [...uploads.keys()].filter((upload) => uploads.get(upload).waits === what);
const withProblem = (which = () => true) => waiting('problem').filter(which);
const canRetry = (upload) => uploads.get(upload).problem.kind === 'lost';

function added(event) {
  event.preventDefault();
  const upload = event.detail;
  const row = byId('upload-row').content.cloneNode(true).firstElementChild;
  const kind = extensionOf(upload.name);
  writeName(row.querySelector('.name'), upload.name);
  row.querySelector('.tile span').textContent = kind.slice(0, 5) || '?';
  row.querySelector('progress').setAttribute('aria-label', `Upload of ${upload.name}`);
  row.querySelector('.cancel').setAttribute('aria-label', `Cancel ${upload.name}`);
  row.querySelector('.cancel').addEventListener('click', () => dismiss(upload));
  row.querySelector('.choices').append(
    ...CONFLICTS.map(([words, , conflict]) => button(words, () => decide(upload, conflict), `${words}: ${upload.name}`)),
  );
  uploads.set(upload, { row, speed: new Speed(), waits: '', problem: null });
  if (upload.size > page.limits.max_bytes) {
    upload.cancel();
    fail(upload, { error: 'This file is too large.', kind: 'size' });
    return;
  }
  if (!page.limits.allowed.includes(kind)) {
    upload.cancel();
    fail(upload, { error: "This type of file isn't accepted.", kind: 'type' });
    return;
  }
  begin(upload);
  if (!page.limits.images.includes(kind) || !upload.file) return;
  preview(upload.file, () => uploads.has(upload)).then((canvas) => canvas && row.querySelector('.tile').replaceChildren(canvas));
}

function showProgress(upload) {
  const { row, speed } = uploads.get(upload);
  speed.note(performance.now(), upload.loaded);
  row.querySelector('progress').value = upload.size ? (100 * upload.loaded) / upload.size : 100;
  row.querySelector('.state').textContent = progressInWords(upload, speed.perSecond);
}

function changed(upload) {
  if (upload.state === 'done') store(upload);
  else if (upload.state === 'failed') fail(upload, { error: upload.error, kind: 'lost' });
  else if (STATES[upload.state]) uploads.get(upload).row.querySelector('.state').textContent = STATES[upload.state];
}

/** Shows an upload as in progress. */
function begin(upload) {
  const known = uploads.get(upload);
  Object.assign(known, { waits: '', problem: null, speed: new Speed() });
  known.row.className = 'upload';
  known.row.querySelector('.state').textContent = STATES.running;
  known.row.querySelector('.message').textContent = '';
  if (!known.row.isConnected) byId('uploads').append(known.row);
  settle();
}

/** Asks the server to create a file from the upload. */
async function store(upload, conflict = 'refuse') {
  const { row } = uploads.get(upload);
  const body = new FormData();
  body.append('conflict', conflict);
  body.append('token', upload.token);
  begin(upload);
  row.querySelector('.state').textContent = STATES.done;
  let response;
  try {
    response = await fetch(page.filesUrl, { method: 'POST', headers: OWN, body });
  } catch {
    fail(upload, { error: `${LOST} Nothing was stored.`, kind: 'lost' });
    return;
  }
  const content = await response.json().catch(() => null);
  if (response.ok) {
    await page.stored(content.name);
    if (!uploads.has(upload)) return;
    finished.push([upload.name, content.name]);
    dismiss(upload);
  } else if (content?.kind === 'exists') {
    ask(upload, content.filename);
  } else {
    fail(upload, problemIn(response, content));
  }
}

function ask(upload, filename) {
  const known = uploads.get(upload);
  if (!known) return;
  known.waits = 'asking';
  known.row.className = 'upload asking';
  known.row.querySelector('.state').textContent = '';
  known.row.querySelector('.message').textContent = `A file named ${filename} already exists.`;
  settle();
}

function decide(upload, conflict) {
  if (!conflict) {
    dismiss(upload);
    return;
  }
  const { row } = uploads.get(upload);
  const held = row.contains(document.activeElement);
  store(upload, conflict);
  if (held) row.querySelector('.cancel').focus();
}

function fail(upload, problem) {
  const known = uploads.get(upload);
  if (!known) return;
  const reason = problem.kind === 'size' ? `${problem.error} The limit is ${sizeInWords(page.limits.max_bytes)}.` : problem.error;
  Object.assign(known, { waits: 'problem', problem: { ...problem, reason }, item: null });
  keepFocus(known.row, () => known.row.remove());
  settle();
}

function retry(upload) {
  begin(upload);
  if (upload.state === 'done') store(upload);
  else upload.resume();
}

/** Ends an upload: cancels it, or removes a finished one from the list. */
function dismiss(upload) {
  const { row } = uploads.get(upload);
  uploads.delete(upload);
  upload.cancel();
  keepFocus(row, () => row.remove());
  settle();
}

/** Shows what applies to several uploads: problems, conflicts, and at the end the stored files. */
function settle() {
  showProblems();
  const conflicts = waiting('asking').length;
  keepFocus(byId('conflicts'), () => (byId('conflicts').hidden = conflicts < 2));
  byId('conflicts').querySelector('p').textContent = `${count(conflicts, 'file')} already exist.`;
  if (waiting('').length || !finished.length) return;
  const [[name, stored], ...others] = finished;
  if (others.length) page.say(`Uploaded ${count(finished.length, 'file')}.`);
  else page.say(name === stored ? `Uploaded ${name}.` : `Uploaded ${name} as ${stored}.`);
  finished = [];
}

/** A summary of all problems: each reason once, with the affected files. */
function showProblems() {
  const box = byId('problems');
  const problems = withProblem();
  box.querySelector('h2').textContent = `${count(problems.length, 'file')} ${problems.length === 1 ? "wasn't" : "weren't"} uploaded`;
  const shown = grouped(problems);
  keepFocus(box, () => {
    for (const [reason, group] of groups) {
      if (shown.has(reason)) continue;
      group.remove();
      groups.delete(reason);
    }
    for (const [reason, concerned] of shown) {
      if (!groups.has(reason)) groups.set(reason, groupOf(reason));
      const list = groups.get(reason).querySelector('ul');
      const items = concerned.map((upload) => (uploads.get(upload).item ??= itemOf(upload)));
      for (const item of [...list.children]) if (!items.includes(item)) item.remove();
      list.append(...items.filter((item) => item.parentElement !== list));
    }
    byId('retry-all').hidden = problems.filter(canRetry).length < 2;
    byId('dismiss-all').hidden = problems.length < 2;
    box.hidden = !problems.length;
  });
}

const reasonOf = (upload) => uploads.get(upload).problem.reason;

function grouped(problems) {
  const shown = new Map();
  for (const upload of problems) shown.set(reasonOf(upload), [...(shown.get(reasonOf(upload)) ?? []), upload]);
  return shown;
}

function groupOf(reason) {
  const group = byId('problem-group').content.cloneNode(true).firstElementChild;
  byId('problems').querySelector('.groups').append(group);
  // Screen readers read out what changes in an alert.
  group.querySelector('.message').textContent = reason;
  return group;
}

function itemOf(upload) {
  const item = byId('problem').content.cloneNode(true).firstElementChild;
  writeName(item.querySelector('.name'), upload.name);
  if (canRetry(upload)) item.querySelector('.choices').append(button('Retry', () => retry(upload), `Retry: ${upload.name}`));
  item.querySelector('.choices').append(button('Dismiss', () => dismiss(upload), `Dismiss: ${upload.name}`));
  return item;
}

function button(words, act, label = words) {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = 'button';
  made.textContent = words;
  made.setAttribute('aria-label', label);
  made.addEventListener('click', act);
  return made;
}

/** Does something that might remove the focused element, and then moves the focus to the nearest useful one. */
function keepFocus(element, act) {
  const visible = (each) => each.getClientRects().length > 0;
  const held = element.contains(document.activeElement);
  act();
  if (!held || (document.activeElement !== document.body && visible(document.activeElement))) return;
  const next = [...document.querySelectorAll('#problems button, #uploads button')].find(visible);
  (next ?? byId('picker')).focus();
}
