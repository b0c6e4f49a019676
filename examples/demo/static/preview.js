/* Thumbnails of files that are still being sent. */

const SIDE_PX = 112;
// Decoding takes four bytes for each pixel. Cameras of phones have up to 50 million.
const MAX_PIXELS = 50_000_000;
let last = Promise.resolve();

/** Draws an image on a canvas, one at a time. Resolves to null if it's too large, or the browser can't decode it. */
export function preview(file, wanted) {
  last = last.then(() => (wanted() ? draw(file).catch(() => null) : null));
  return last;
}

async function draw(file) {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  let bitmap;
  try {
    // An image that has loaded knows its size, and isn't decoded yet. No script in an SVG file runs.
    await new Promise((resolve, reject) => Object.assign(image, { onload: resolve, onerror: reject }));
    if (image.naturalWidth * image.naturalHeight > MAX_PIXELS) return null;
    bitmap = await createImageBitmap(image, { resizeHeight: 2 * SIDE_PX, resizeQuality: 'medium' });
  } finally {
    URL.revokeObjectURL(image.src);
  }
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = SIDE_PX;
  const scale = Math.max(SIDE_PX / bitmap.width, SIDE_PX / bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  canvas.getContext('2d').drawImage(bitmap, (SIDE_PX - width) / 2, (SIDE_PX - height) / 2, width, height);
  bitmap.close();
  return canvas;
}
