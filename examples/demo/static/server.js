/* Requests to the server, and its errors as sentences for people. */

// The server rejects changes without this header: see reject_other_sites() in app.py.
export const OWN = { 'X-Pigeonhole': '1' };
export const LOST = 'The connection was lost.';

export const pathOf = (name) => name.split('/').map(encodeURIComponent).join('/');

export const problemIn = (response, content) =>
  content?.error ? content : { error: `The server responded with an error (${response.status}).` };

/** Returns the JSON of a response. Throws an Error whose message is for people. */
export async function request(url, method = 'GET', json = undefined) {
  let response;
  try {
    response = await fetch(url, {
      method,
      headers: json ? { ...OWN, 'Content-Type': 'application/json' } : OWN,
      body: json && JSON.stringify(json),
    });
  } catch {
    throw new Error(LOST);
  }
  const content = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw new Error(problemIn(response, content).error);
  return content;
}
