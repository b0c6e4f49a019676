/* Texts of the page: sizes, times, names and reasons. */

export function sizeInWords(bytes) {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  let step = 0;
  for (; bytes >= 1024 && step < units.length - 1; step++) bytes /= 1024;
  const digits = step && bytes < 10 ? 1 : 0;
  const number = bytes.toLocaleString(undefined, { maximumFractionDigits: digits });
  return `${number} ${!step && bytes === 1 ? 'byte' : units[step]}`;
}

export function timeLeftInWords(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.ceil(seconds))} sec left`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return `${minutes} min left`;
  return `${Math.floor(minutes / 60)} hr ${minutes % 60} min left`;
}

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString()} ${number === 1 ? one : many}`;

export const extensionOf = (name) => (name.includes('.') ? name.split('.').pop().toLowerCase() : '');

/** Writes a name into an element. A long name breaks anywhere except inside its extension. */
export function writeName(element, name) {
  const dot = name.lastIndexOf('.');
  const ending = dot > 0 && name.length - dot <= 10 ? name.slice(dot) : '';
  const last = document.createElement('span');
  last.className = 'ending';
  last.textContent = ending;
  element.replaceChildren(name.slice(0, name.length - ending.length), ...(ending ? [last] : []));
}

/** The speed of one upload over its last seconds. Times are in milliseconds. */
export class Speed {
  static WINDOW_MS = 5000;
  static MIN_MS = 500;
  samples = [];

  note(now, loaded) {
    // After a failure, part of a file is sent again.
    if (this.samples.length && loaded < this.samples.at(-1).loaded) this.samples = [];
    this.samples.push({ now, loaded });
    while (this.samples.length > 2 && now - this.samples[1].now >= Speed.WINDOW_MS) this.samples.shift();
  }

  /** Bytes per second, or null as long as that would be a guess. */
  get perSecond() {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (!first || last.now - first.now < Speed.MIN_MS || last.loaded === first.loaded) return null;
    return (1000 * (last.loaded - first.loaded)) / (last.now - first.now);
  }
}

/** How far an upload is: "34% of 8 MiB", and its speed and the time left once they are known. */
export function progressInWords({ loaded, size }, perSecond) {
  const percent = size ? Math.floor((100 * loaded) / size) : 100;
  const words = [`${percent}% of ${sizeInWords(size)}`];
  if (perSecond && loaded < size) {
    words.push(`${sizeInWords(Math.round(perSecond))}/s`, timeLeftInWords((size - loaded) / perSecond));
  }
  return words.join(' · ');
}
