/* Small pictures of files that are still being sent.

The page's Content-Security-Policy has no blob: URLs, so pictures are decoded and drawn instead of linked. */

const SIDE_PX = 112;
let last = Promise.resolve();

/** Draws a picture into a canvas, one after the other. Resolves to null if the browser can't decode it. */
export function preview(file, wanted) {
  last = last.then(async () => {
    if (!wanted()) return null;
    let bitmap;
    try {
      bitmap = await createImageBitmap(file, { resizeHeight: 2 * SIDE_PX, resizeQuality: 'medium' });
    } catch {
      return null;
    }
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = SIDE_PX;
    const scale = Math.max(SIDE_PX / bitmap.width, SIDE_PX / bitmap.height);
    const [width, height] = [bitmap.width * scale, bitmap.height * scale];
    canvas.getContext('2d').drawImage(bitmap, (SIDE_PX - width) / 2, (SIDE_PX - height) / 2, width, height);
    bitmap.close();
    return canvas;
  });
  return last;
}
