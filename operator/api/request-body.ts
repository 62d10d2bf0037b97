/** Reads a request's body within a bound, as text. */

export type BodyRead = { is: 'ok'; text: string } | { is: 'too_large' } | { is: 'broken' };

/** What is declared too large is not read at all; what is not declared is read up to the bound. */
export async function readBody(request: Request, bytesMax: number): Promise<BodyRead> {
  const declared = request.headers.get('content-length');
  if (declared !== null && !withinBound(declared, bytesMax)) return { is: 'too_large' };
  if (request.body === null) return { is: 'ok', text: '' };
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let size = 0;
  let text = '';
  try {
    if (declared !== null) {
      return { is: 'ok', text: decoder.decode(await request.arrayBuffer()) };
    }
    for await (const chunk of request.body) {
      size += chunk.byteLength;
      if (size > bytesMax) return { is: 'too_large' };
      text += decoder.decode(chunk, { stream: true });
    }
    return { is: 'ok', text: text + decoder.decode() };
  } catch {
    // Not UTF-8, or the connection ended: either way there is no request to answer for.
    return { is: 'broken' };
  }
}

/** Node's parser refuses a body that is longer than declared, so the declared length is the bound. */
function withinBound(declared: string, bytesMax: number): boolean {
  return /^[0-9]{1,9}$/.test(declared) && Number.parseInt(declared, 10) <= bytesMax;
}
