/** Reads a request's body within a bound, as text. */

export type BodyRead = { is: 'ok'; text: string } | { is: 'too_large' } | { is: 'broken' };

/** What is declared too large is not read at all; what is not declared is read up to the bound. */
export async function readBody(request: Request, bytesMax: number): Promise<BodyRead> {
  if (request.method === 'GET' || request.method === 'HEAD') return { is: 'ok', text: '' };
  const declared = request.headers.get('content-length');
  if (declared !== null && !withinBound(declared, bytesMax)) return { is: 'too_large' };
  try {
    // A declared body is read straight from the connection, without a web stream around it.
    const bytes = declared === null ? await upTo(request, bytesMax) : await request.arrayBuffer();
    if (bytes === null) return { is: 'too_large' };
    return {
      is: 'ok',
      text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
    };
  } catch {
    // Not UTF-8, or the connection ended: either way there is no request to answer for.
    return { is: 'broken' };
  }
}

/** Null when there is more. */
async function upTo(request: Request, bytesMax: number): Promise<Uint8Array | null> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request.body ?? []) {
    size += part.byteLength;
    if (size > bytesMax) return null;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** Node's parser refuses a body that is longer than declared, so the declared length is the bound. */
function withinBound(declared: string, bytesMax: number): boolean {
  return /^[0-9]{1,9}$/.test(declared) && Number.parseInt(declared, 10) <= bytesMax;
}
