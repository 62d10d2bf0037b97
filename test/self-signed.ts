/** A certificate for `localhost` that lives a day, made here: no test holds a key that was written down before. */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export interface SelfSigned {
  /** PEM. */
  cert: string;
  key: string;
}

const DAY_MS = 24 * 60 * 60_000;

/** DER tags (X.690). */
const TAG = { integer: 0x02, bits: 0x03, octets: 0x04, oid: 0x06, utf8: 0x0c, time: 0x17 };
const SEQUENCE = 0x30;
const SET = 0x31;
/** commonName, subjectAltName, ecdsa-with-SHA256. */
const OID = { commonName: '550403', altName: '551d11', ecdsaSha256: '2a8648ce3d040302' };

/** X.509 v3 over P-256 (RFC 5280), just enough of it for TLS to believe the name. */
export function selfSigned(name = 'localhost'): SelfSigned {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = der(SEQUENCE, der(TAG.oid, hex(OID.ecdsaSha256)));
  const subject = der(
    SEQUENCE,
    der(SET, der(SEQUENCE, der(TAG.oid, hex(OID.commonName)), der(TAG.utf8, Buffer.from(name)))),
  );
  const altNames = der(SEQUENCE, der(0x82, Buffer.from(name)));
  const extensions = der(
    SEQUENCE,
    der(SEQUENCE, der(TAG.oid, hex(OID.altName)), der(TAG.octets, altNames)),
  );
  const now = Date.now();
  const body = der(
    SEQUENCE,
    der(0xa0, der(TAG.integer, hex('02'))),
    der(TAG.integer, Buffer.concat([hex('01'), randomBytes(8)])),
    algorithm,
    subject,
    der(SEQUENCE, utc(now - DAY_MS), utc(now + DAY_MS)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  );
  const signature = sign('sha256', body, privateKey);
  const cert = der(SEQUENCE, body, algorithm, der(TAG.bits, hex('00'), signature));
  const lines = cert.toString('base64').replaceAll(/(.{64})/g, '$1\n');
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const { length } = body;
  const long = length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...(length < 128 ? [length] : long)]), body]);
}

/** UTCTime, `YYMMDDHHMMSSZ`. */
function utc(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[^0-9]/g, '');
  return der(TAG.time, Buffer.from(`${digits.slice(2, 14)}Z`));
}

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}
