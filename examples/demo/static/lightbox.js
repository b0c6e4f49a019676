/* Images in full size: arrow keys go to the next one, Escape closes. Used by the list and by the gallery. */

import { writeName } from './words.js';

const dialog = document.getElementById('lightbox');
const part = (selector) => dialog.querySelector(selector);
let pictures = [];
let place = 0;

/** Opens one of several images, each {name, url, fallback}. The focus returns to where it was. */
export function openLightbox(shown, first) {
  pictures = shown;
  go(first);
  dialog.classList.toggle('single', shown.length < 2);
  dialog.showModal();
  part('.close').focus();
}

function go(to) {
  place = (to + pictures.length) % pictures.length;
  const { name, url, fallback } = pictures[place];
  const image = document.createElement('img');
  image.alt = name;
  // The file itself might not be public, or might be on a server that this page doesn't load images from.
  image.addEventListener('error', () => (image.src = fallback), { once: true });
  image.src = url;
  part('.stage').replaceChildren(image);
  writeName(part('.name'), name);
  part('.place').textContent = `${place + 1} of ${pictures.length}`;
}

dialog.addEventListener('keydown', (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) go(place + step);
});
part('.previous').addEventListener('click', () => go(place - 1));
part('.next').addEventListener('click', () => go(place + 1));
part('.close').addEventListener('click', () => dialog.close());
part('.stage').addEventListener('click', (event) => {
  if (event.target === event.currentTarget) dialog.close();
});
dialog.addEventListener('close', () => part('.stage').replaceChildren());

const links = [...document.querySelectorAll('.gallery a')];
links.forEach((link, index) => {
  link.addEventListener('click', (event) => {
    // Opening in a new tab still works.
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    openLightbox(links.map((each) => ({ name: each.dataset.name, url: each.href, fallback: each.firstElementChild.src })), index);
  });
});
