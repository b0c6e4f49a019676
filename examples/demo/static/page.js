/* The list of files: search, sort, links, selection, deletion. Uploads are in uploads.js. */

import { openLightbox } from './lightbox.js';
import { pathOf, request } from './server.js';
import { startUploads } from './uploads.js';
import { count, extensionOf, sizeInWords, writeName } from './words.js';

const main = document.querySelector('main');
const { filesUrl, linksUrl, deletionsUrl } = main.dataset;
const limits = JSON.parse(main.dataset.limits);
const byId = (id) => document.getElementById(id);

/** Shows a sentence between the uploads and the list; screen readers read it out. */
function say(sentence) {
  byId('said').textContent = sentence;
}

// --- The list of files.

/** All files by name, each with its row, in the order of the server: newest first. */
const rows = new Map();
const selected = new Set();
let wanted = false;
let loading = null;

/** Shows the files on the server. Calls during a request cause one more request. */
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
    update(await request(filesUrl));
    byId('trouble').hidden = true;
  } catch (error) {
    byId('trouble').querySelector('span').textContent = `${error.message} The list might be out of date.`;
    byId('trouble').hidden = false;
  }
  byId('loading').hidden = true;
}

function update(files) {
  const before = new Map(rows);
  rows.clear();
  for (const file of files) {
    // A row that shows the same file stays, and keeps the focus.
    const old = before.get(file.name);
    const same = old && old.file.etag === file.etag && old.file.modified === file.modified;
    rows.set(file.name, same ? old : { file, element: fileRow(file) });
  }
  show();
}

const ORDERS = {
  newest: () => 0,
  oldest: () => 0,
  name: (one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }),
  largest: (one, other) => other.size - one.size,
  smallest: (one, other) => one.size - other.size,
};

/** Shows the files that match the search, in the chosen order. */
function show() {
  const words = byId('search').value.trim().toLowerCase().split(/\s+/);
  const found = [...rows.values()].filter(({ file }) => words.every((word) => file.name.toLowerCase().includes(word)));
  found.sort((one, other) => ORDERS[byId('sort').value](one.file, other.file));
  if (byId('sort').value === 'oldest') found.reverse();

  const list = byId('files');
  const shown = found.map(({ element }) => element);
  for (const element of [...list.children]) if (!shown.includes(element)) element.remove();
  shown.forEach((element, place) => {
    if (list.children[place] !== element) list.insertBefore(element, list.children[place] ?? null);
  });

  const bytes = found.reduce((sum, { file }) => sum + file.size, 0);
  const all = found.length < rows.size ? `${found.length.toLocaleString()} of ${count(rows.size, 'file')}` : count(rows.size, 'file');
  byId('total').textContent = rows.size ? `${all}, ${sizeInWords(bytes)}` : '';
  byId('empty').hidden = rows.size > 0;
  byId('toolbar').hidden = !rows.size;
  byId('nothing-found').hidden = !rows.size || found.length > 0;
  byId('nothing-found').querySelector('strong').textContent = `No files match “${byId('search').value.trim()}”.`;

  // Don't delete files that aren't visible.
  const names = found.map(({ file }) => file.name);
  for (const name of [...selected]) if (!names.includes(name)) selected.delete(name);
  showSelection();
}

function fileRow(file) {
  const row = byId('file-row').content.cloneNode(true).firstElementChild;
  const part = (selector) => row.querySelector(selector);
  const label = (selector, words) => part(selector).setAttribute('aria-label', words);
  const modified = new Date(file.modified);
  writeName(part('.name'), file.name);
  part('.name').href = file.url;
  part('.size').textContent = sizeInWords(file.size);
  part('time').textContent = modified.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  part('time').dateTime = modified.toISOString();
  part('.tile').replaceWith(tile(file));
  label('.select input', `Select ${file.name}`);
  part('.select input').addEventListener('change', ({ target }) => {
    selected[target.checked ? 'add' : 'delete'](file.name);
    showSelection();
  });
  part('.download').href = file.url;
  part('.download').download = file.name.split('/').pop();
  label('.download', `Download ${file.name}`);
  label('.copy', `Copy link to ${file.name}`);
  part('.copy').addEventListener('click', () => copy(part('.copy'), () => new URL(file.url, location).href));
  label('.expiring', `Copy 1-hour link to ${file.name}`);
  part('.expiring').addEventListener('click', () => copy(part('.expiring'), () => expiringLink(file)));
  label('.delete', `Delete ${file.name}`);
  part('.delete').addEventListener('click', () => askToDelete([file.name]));
  return row;
}

function tile(file) {
  const ending = document.createElement('span');
  ending.textContent = extensionOf(file.name).slice(0, 5) || '?';
  ending.dataset.kind = file.mime.split('/')[0];
  const plain = document.createElement('div');
  plain.className = 'tile';
  plain.setAttribute('aria-hidden', 'true');
  plain.append(ending);
  if (!file.thumbnail) return plain;
  const button = document.createElement('button');
  const picture = document.createElement('img');
  button.type = 'button';
  button.className = 'tile';
  button.setAttribute('aria-label', `View ${file.name}`);
  button.addEventListener('click', () => view(file));
  picture.alt = '';
  picture.loading = 'lazy';
  picture.decoding = 'async';
  picture.width = picture.height = 56;
  picture.src = file.thumbnail;
  picture.addEventListener('error', () => button.replaceWith(plain));
  button.append(picture);
  return button;
}

function view({ name }) {
  const shown = [...byId('files').children].filter((row) => row.querySelector('button.tile'));
  const files = [...rows.values()].filter(({ element }) => shown.includes(element));
  files.sort((one, other) => shown.indexOf(one.element) - shown.indexOf(other.element));
  const pictures = files.map(({ file }) => ({ name: file.name, url: file.url, fallback: file.thumbnail }));
  openLightbox(pictures, pictures.findIndex((picture) => picture.name === name));
}

// --- Search and sort, which the URL keeps.

function readUrl() {
  const query = new URLSearchParams(location.search);
  byId('search').value = query.get('q') ?? '';
  byId('sort').value = Object.hasOwn(ORDERS, query.get('sort') ?? '') ? query.get('sort') : 'newest';
}

function writeUrl() {
  const query = new URLSearchParams();
  if (byId('search').value.trim()) query.set('q', byId('search').value.trim());
  if (byId('sort').value !== 'newest') query.set('sort', byId('sort').value);
  history.replaceState(null, '', `${query}` ? `?${query}` : location.pathname);
}

function searchOrSort() {
  writeUrl();
  show();
}

// --- Links.

async function expiringLink(file) {
  return (await request(linksUrl + pathOf(file.name))).url;
}

async function copy(button, link) {
  let url;
  try {
    url = await link();
  } catch (error) {
    complain(button.closest('.file'), error.message);
    return;
  }
  try {
    await navigator.clipboard.writeText(url);
  } catch {
    // No permission, or no clipboard: this page is neither on https nor on this machine.
    showLink(url);
    return;
  }
  button.classList.add('done');
  setTimeout(() => button.classList.remove('done'), 2000);
  say(button.classList.contains('expiring') ? 'Link copied. It works for about an hour.' : 'Link copied.');
}

function showLink(url) {
  const field = byId('link').querySelector('input');
  field.value = url;
  byId('link').showModal();
  field.select();
}

/** Shows what went wrong in the row where it was tried. */
function complain(row, sentence) {
  row.querySelector('.message').textContent = sentence;
}

// --- Selecting and deleting.

function showSelection() {
  const shown = byId('files').children.length;
  byId('select-all').checked = shown > 0 && selected.size === shown;
  byId('select-all').indeterminate = selected.size > 0 && selected.size < shown;
  byId('selection').hidden = !selected.size;
  byId('selection').querySelector('p').textContent = `${selected.size.toLocaleString()} selected`;
  for (const { file, element } of rows.values()) element.querySelector('.select input').checked = selected.has(file.name);
}

function select(names) {
  selected.clear();
  names.forEach((name) => selected.add(name));
  showSelection();
}

function askToDelete(names) {
  const dialog = byId('question');
  const [name, ...others] = names;
  byId('question-title').textContent = `Delete ${others.length ? count(names.length, 'file') : name}?`;
  dialog.returnValue = 'cancel';
  dialog.onclose = () => dialog.returnValue === 'delete' && remove(names);
  dialog.showModal();
}

async function remove(names) {
  const doomed = names.map((name) => rows.get(name)?.element);
  try {
    if (names.length === 1) await request(`${filesUrl}/${pathOf(names[0])}`, 'DELETE');
    else await request(deletionsUrl, 'POST', { names });
  } catch (error) {
    if (names.length === 1) complain(doomed[0], `This file wasn't deleted. ${error.message}`);
    else say(`Some files weren't deleted. ${error.message}`);
    await refresh();
    return;
  }
  const all = [...byId('files').children];
  const stays = (row) => !doomed.includes(row);
  const place = all.indexOf(doomed.at(-1));
  const neighbor = all.slice(place).find(stays) ?? all.slice(0, Math.max(0, place)).findLast(stays);
  // The focus must not disappear with the row or the button that had it.
  (neighbor?.querySelector('.delete') ?? byId('files-title')).focus();
  say(names.length === 1 ? `Deleted ${names[0]}.` : `Deleted ${count(names.length, 'file')}.`);
  await refresh();
}

// --- Dragging. The script of Flask-FS accepts what is dropped and pasted.

const hasFiles = (event) => event.dataTransfer?.types.includes('Files');
// Moving over an element inside the page leaves its parent, so entering and leaving are counted.
let entered = 0;

addEventListener('dragenter', (event) => {
  if (hasFiles(event)) document.body.classList.toggle('dragging', ++entered > 0);
});
addEventListener('dragleave', (event) => {
  if (hasFiles(event)) document.body.classList.toggle('dragging', --entered > 0);
});
addEventListener('drop', (event) => {
  if (!hasFiles(event)) return;
  entered = 0;
  document.body.classList.remove('dragging');
  const folders = [...event.dataTransfer.items].filter((item) => item.webkitGetAsEntry?.()?.isDirectory);
  if (!folders.length) return;
  event.preventDefault();
  event.stopPropagation();
  say("Folders aren't accepted. Drop the files inside them instead.");
}, true);

// --- The start.

byId('trouble').querySelector('button').addEventListener('click', refresh);
byId('search').addEventListener('input', searchOrSort);
byId('sort').addEventListener('change', searchOrSort);
byId('nothing-found').querySelector('button').addEventListener('click', () => {
  byId('search').value = '';
  searchOrSort();
  byId('search').focus();
});
byId('select-all').addEventListener('change', ({ target }) => {
  const shown = [...byId('files').children];
  const names = [...rows.values()].filter(({ element }) => shown.includes(element)).map(({ file }) => file.name);
  select(target.checked ? names : []);
});
byId('selection').querySelector('.clear').addEventListener('click', () => {
  select([]);
  byId('select-all').focus();
});
byId('selection').querySelector('.danger').addEventListener('click', () => askToDelete([...selected]));
readUrl();
startUploads({
  limits,
  filesUrl,
  say,
  stored: async (name) => {
    await refresh();
    rows.get(name)?.element.classList.add('fresh');
  },
});
refresh();
