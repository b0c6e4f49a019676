'use strict';

const main = document.querySelector('main');
const { filesUrl, linksUrl } = main.dataset;
const limits = JSON.parse(main.dataset.limits);
const byId = (id) => document.getElementById(id);

// The server refuses changes without this header: see refuse_other_sites() in app.py.
const OWN = { 'X-Pigeonhole': '1' };
const LOST = 'The connection was lost.';

// --- Words.

function sizeInWords(bytes) {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  let step = 0;
  for (; bytes >= 1024 && step < units.length - 1; step++) bytes /= 1024;
  const digits = step && bytes < 10 ? 1 : 0;
  return `${bytes.toLocaleString(undefined, { maximumFractionDigits: digits })} ${units[step]}`;
}

function reason({ error, kind, filename }) {
  if (kind === 'exists') return `There is a file named ${filename} already.`;
  if (kind === 'type') return `${error} Allowed are ${limits.allowed.join(', ')}.`;
  if (kind === 'size') return `${error} The limit is ${sizeInWords(limits.max_bytes)}.`;
  return error;
}

let quiet;
/** Shows a sentence for a few seconds; screen readers read it out. */
function say(sentence) {
  byId('said').textContent = sentence;
  byId('said').classList.add('shown');
  clearTimeout(quiet);
  quiet = setTimeout(() => byId('said').classList.remove('shown'), 5000);
}

// --- The list of files.

const rows = new Map();
let wanted = false;
let loading = null;

/** Shows what the server has. Calls during a request are answered by one more request. */
function refresh() {
  wanted = true;
  loading ??= (async () => {
    while (wanted) {
      wanted = false;
      await load();
    }
    loading = null;
  })();
  return loading;
}

async function load() {
  try {
    show(await answer(filesUrl));
    byId('trouble').hidden = true;
  } catch (error) {
    byId('trouble').querySelector('span').textContent = `${error.message} The list may be out of date.`;
    byId('trouble').hidden = false;
  }
}

function show(files) {
  const list = byId('files');
  const before = new Map(rows);
  rows.clear();
  for (const file of files) {
    // A row that shows the same file stays, and keeps the focus.
    const old = before.get(file.name);
    const same = old && old.file.etag === file.etag && old.file.modified === file.modified;
    rows.set(file.name, same ? old : { file, element: fileRow(file) });
  }
  const shown = [...rows.values()].map((row) => row.element);
  for (const { element } of before.values()) if (!shown.includes(element)) element.remove();
  shown.forEach((element, place) => {
    if (list.children[place] !== element) list.insertBefore(element, list.children[place] ?? null);
  });
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  byId('total').textContent = files.length
    ? `${files.length} ${files.length === 1 ? 'file' : 'files'}, ${sizeInWords(bytes)}`
    : '';
  byId('empty').hidden = files.length > 0;
}

function fileRow(file) {
  const row = byId('file-row').content.cloneNode(true).firstElementChild;
  const part = (selector) => row.querySelector(selector);
  const modified = new Date(file.modified);
  part('.name').textContent = file.name;
  part('.name').href = file.url;
  part('.size').textContent = sizeInWords(file.size);
  part('time').textContent = modified.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  part('time').dateTime = modified.toISOString();
  part('.tile').append(tile(file));
  part('.open').href = file.url;
  part('.open').setAttribute('aria-label', `Open ${file.name}`);
  part('.download').href = file.url;
  part('.download').download = file.name.split('/').pop();
  part('.download').setAttribute('aria-label', `Download ${file.name}`);
  part('.copy').setAttribute('aria-label', `Copy link to ${file.name}`);
  part('.copy').addEventListener('click', () => copy(part('.copy'), () => new URL(file.url, location).href));
  part('.expiring').setAttribute('aria-label', `Copy expiring link to ${file.name}`);
  part('.expiring').addEventListener('click', () => copy(part('.expiring'), () => expiringLink(file)));
  part('.delete').setAttribute('aria-label', `Delete ${file.name}`);
  part('.delete').addEventListener('click', () => askToDelete(file, row));
  return row;
}

function tile(file) {
  const ending = document.createElement('span');
  ending.textContent = file.name.includes('.') ? file.name.split('.').pop().slice(0, 5) : '?';
  ending.dataset.kind = file.mime.split('/')[0];
  if (!file.thumbnail) return ending;
  const picture = document.createElement('img');
  picture.alt = '';
  picture.loading = 'lazy';
  picture.decoding = 'async';
  picture.src = file.thumbnail;
  picture.addEventListener('error', () => picture.replaceWith(ending));
  return picture;
}

// --- Links.

async function expiringLink(file) {
  return (await answer(linksUrl + file.name.split('/').map(encodeURIComponent).join('/'))).url;
}

async function copy(button, link) {
  let url;
  try {
    url = await link();
  } catch (error) {
    say(error.message);
    return;
  }
  try {
    await navigator.clipboard.writeText(url);
  } catch {
    // No permission, or no clipboard at all: the address of this page is neither https nor this machine.
    copyByHand(url);
    return;
  }
  button.classList.add('done');
  setTimeout(() => button.classList.remove('done'), 2000);
  say(button.classList.contains('expiring') ? 'Link copied. It works for about an hour.' : 'Link copied.');
}

function copyByHand(url) {
  const field = byId('by-hand').querySelector('input');
  field.value = url;
  byId('by-hand').showModal();
  field.select();
}

// --- Deleting.

function askToDelete(file, row) {
  const question = byId('question');
  byId('question-title').textContent = `Delete ${file.name}?`;
  question.returnValue = 'cancel';
  question.onclose = async () => {
    if (question.returnValue !== 'delete') return;
    try {
      await answer(filesUrl + '/' + file.name.split('/').map(encodeURIComponent).join('/'), 'DELETE');
    } catch (error) {
      say(`${file.name} could not be deleted. ${error.message}`);
      return;
    }
    // The focus must not fall off the page with the row that held it.
    const neighbour = row.nextElementSibling ?? row.previousElementSibling;
    (neighbour?.querySelector('.delete') ?? byId('files-title')).focus();
    say(`${file.name} is deleted.`);
    await refresh();
  };
  question.showModal();
}

// --- Uploads. The script of Flask-FS sends the files; this page shows how far they are, and what the server says of them.

const uploads = new Map();
const STATES = { running: 'Waiting', offline: 'Waiting for the network', retrying: 'Trying again', done: 'Storing' };

addEventListener('fs-upload:added', (event) => {
  event.preventDefault();
  const upload = event.detail;
  const row = byId('upload-row').content.cloneNode(true).firstElementChild;
  row.querySelector('.name').textContent = upload.name;
  row.querySelector('progress').setAttribute('aria-label', `Upload of ${upload.name}`);
  byId('uploads').append(row);
  uploads.set(upload, row);
  const ending = upload.name.split('.').pop().toLowerCase();
  if (upload.size > limits.max_bytes) {
    turnDown(upload, { error: 'This file is too large.', kind: 'size' });
  } else if (!limits.allowed.includes(ending)) {
    turnDown(upload, { error: 'Files of this type are not accepted.', kind: 'type' });
  } else {
    begin(upload);
  }
});

addEventListener('fs-upload:progress', ({ detail: upload }) => {
  const row = uploads.get(upload);
  const percent = upload.size ? (100 * upload.loaded) / upload.size : 100;
  row.querySelector('progress').value = percent;
  row.querySelector('.state').textContent = `${Math.floor(percent)}% of ${sizeInWords(upload.size)}`;
});

addEventListener('fs-upload:state', ({ detail: upload }) => {
  const row = uploads.get(upload);
  if (!row) return;
  row.querySelector('.state').textContent = STATES[upload.state] ?? '';
  if (upload.state === 'done') claim(upload);
  if (upload.state === 'failed') refuse(row, upload, { error: upload.error, kind: 'lost' });
});

function begin(upload) {
  const row = uploads.get(upload);
  row.className = 'upload';
  row.querySelector('.state').textContent = STATES.running;
  row.querySelector('.message').textContent = '';
  row.querySelector('.choices').replaceChildren();
  row.querySelector('.cancel').onclick = () => dismiss(upload);
}

/** Has the server make a file of what it has received. */
async function claim(upload, conflict = 'refuse') {
  const row = uploads.get(upload);
  const body = new FormData();
  body.append('conflict', conflict);
  body.append('token', upload.token);
  begin(upload);
  row.querySelector('.state').textContent = STATES.done;
  let response;
  try {
    response = await fetch(filesUrl, { method: 'POST', headers: OWN, body });
  } catch {
    refuse(row, upload, { error: `${LOST} Nothing was stored.`, kind: 'lost' });
    return;
  }
  const said = await response.json().catch(() => ({ error: `The server responded with an error (${response.status}).` }));
  if (response.ok) await stored(row, upload, said);
  else refuse(row, upload, said);
}

/** Refuses a file before it is sent. */
function turnDown(upload, problem) {
  upload.cancel();
  refuse(uploads.get(upload), upload, problem);
}

function dismiss(upload) {
  const row = uploads.get(upload);
  uploads.delete(upload);
  upload.cancel();
  remove(row);
}

async function stored(row, upload, { name }) {
  const held = row.contains(document.activeElement);
  await refresh();
  row.remove();
  rows.get(name)?.element.classList.add('fresh');
  uploads.delete(upload);
  upload.cancel();
  if (held) byId('picker').focus();
  say(name === upload.name ? `${name} is stored.` : `${upload.name} is stored as ${name}.`);
}

function refuse(row, upload, problem) {
  row.className = `upload ${problem.kind === 'exists' ? 'asking' : 'refused'}`;
  row.querySelector('.state').textContent = '';
  row.querySelector('.message').textContent = reason(problem);
  const choice = (words, act) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'button';
    button.textContent = words;
    button.setAttribute('aria-label', `${words}: ${upload.name}`);
    button.addEventListener('click', act);
    return button;
  };
  const again = (words, conflict) => choice(words, () => {
    if (upload.state === 'done') {
      claim(upload, conflict);
    } else {
      begin(upload);
      upload.resume();
    }
    row.querySelector('.cancel').focus();
  });
  const away = (words) => choice(words, () => dismiss(upload));
  const choices = {
    exists: () => [again('Keep both', 'keep-both'), again('Replace', 'replace'), away('Skip')],
    lost: () => [again('Try again', 'refuse'), away('Dismiss')],
  };
  row.querySelector('.choices').replaceChildren(...(choices[problem.kind] ?? (() => [away('Dismiss')]))());
}

function remove(row) {
  const held = row.contains(document.activeElement);
  row.remove();
  if (held) byId('picker').focus();
}

/** The JSON that the server answers with, or an Error with a sentence for people. */
async function answer(url, method = 'GET') {
  let response;
  try {
    response = await fetch(url, { method, headers: OWN });
  } catch {
    throw new Error(LOST);
  }
  const content = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw new Error(content?.error ?? `The server responded with an error (${response.status}).`);
  return content;
}

// --- What people do.

const hasFiles = (event) => event.dataTransfer?.types.includes('Files');
// Moving over an element inside the page leaves its parent: only when all that was entered is left, the pointer is out.
let entered = 0;

addEventListener('dragenter', (event) => {
  if (hasFiles(event)) document.body.classList.toggle('dragging', ++entered > 0);
});
addEventListener('dragleave', (event) => {
  if (hasFiles(event)) document.body.classList.toggle('dragging', --entered > 0);
});
// Before the script of Flask-FS, which takes what is dropped and pasted.
addEventListener('drop', (event) => {
  if (!hasFiles(event)) return;
  entered = 0;
  document.body.classList.remove('dragging');
  const folders = [...event.dataTransfer.items].filter((item) => item.webkitGetAsEntry?.()?.isDirectory);
  if (!folders.length) return;
  event.preventDefault();
  event.stopPropagation();
  say('Folders are not accepted. Drop the files that are in them.');
}, true);
addEventListener('beforeunload', (event) => {
  if (['running', 'offline', 'retrying'].some((state) => [...uploads.keys()].some((upload) => upload.state === state)))
    event.preventDefault();
});
byId('trouble').querySelector('button').addEventListener('click', refresh);
byId('limit').textContent = sizeInWords(limits.max_bytes);
refresh();
