/** The settings of the usage page of a customer that are checked before a deployment. */
import { createPublicKey } from 'node:crypto';
import { Fn, Token } from 'aws-cdk-lib';

/** The most public keys: two for a rotation, for two signers. */
export const MAX_PORTAL_KEYS = 4;

/** The bytes of a P-256 `SubjectPublicKeyInfo` before the coordinates of an uncompressed point. Source: RFC 5480. */
const KEY_HEAD = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex').toString('base64');

/** The base64 of a P-256 `SubjectPublicKeyInfo`: 27 bytes of the head, 64 of the point. The last digit has two bits. */
const KEY = `${KEY_HEAD}[A-Za-z0-9+/]{85}[AQgw]==`;

const LABEL = '[a-z0-9]([a-z0-9-]*[a-z0-9])?';

/** The last label of a name begins with a letter. No browser lets a page be embedded by an address, apart from 127.0.0.1.
 * Source: Content Security Policy Level 3, "host-part matches". */
const LAST = '[a-z]([a-z0-9-]*[a-z0-9])?';

/** A host, or all hosts of a domain, which has two labels at least: one label would be a whole top level. */
const HOST = `((${LABEL}[.])*${LAST}|[*][.](${LABEL}[.])+${LAST})`;
const PORT = '(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})';

/** An origin as browsers write it. Only pages of this machine may be without TLS. */
const ORIGIN = `(https://${HOST}|http://(localhost|127[.]0[.]0[.]1))(:${PORT})?`;

/** The patterns of the parameters of a release, which hold several values with commas, or none. */
export const PORTAL_PATTERNS = {
  publicKeys: `^(${KEY}(,${KEY}){0,${MAX_PORTAL_KEYS - 1}})?$`,
  frameAncestors: `^(${ORIGIN}(,${ORIGIN})*)?$`,
};

/** Returns the public keys as the function reads them. A key that is known only at deployment is not checked. Throws an
 * error that names a key by its place and not by its text, which may be a private key. */
export function portalPublicKeys(keys: string[]): string {
  if (Token.isUnresolved(keys)) return Fn.join(',', keys);
  if (keys.length === 0 || keys.length > MAX_PORTAL_KEYS) {
    throw new Error(`There are ${keys.length} public keys of the usage page: set 1 to ${MAX_PORTAL_KEYS}.`);
  }
  return keys.map((key, index) => (Token.isUnresolved(key) ? key : checkedKey(key, index + 1))).join(',');
}

function checkedKey(text: string, place: number): string {
  const refuse = (wrong: string, todo: string) =>
    new Error(`The public key ${place} of the usage page ${wrong}: ${todo}.`);
  if (text.includes('PRIVATE KEY')) {
    throw refuse('is a private key', 'set its public key, and replace the pair if anybody could read it');
  }
  const key = text
    .replace('-----BEGIN PUBLIC KEY-----', '')
    .replace('-----END PUBLIC KEY-----', '')
    .replaceAll(/\s/g, '');
  if (!new RegExp(`^${KEY}$`).test(key)) {
    throw refuse(
      'is not the base64 of the SubjectPublicKeyInfo of a P-256 key (91 bytes, uncompressed)',
      'set it to the lines between BEGIN PUBLIC KEY and END PUBLIC KEY of its PEM file, or to the whole file',
    );
  }
  try {
    createPublicKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'spki' });
  } catch {
    throw refuse('is no point of the curve P-256', 'copy it again');
  }
  return key;
}

/** Returns the origins as the function reads them. An origin that is known only at deployment is not checked. */
export function portalFrameAncestors(origins: string[]): string {
  if (Token.isUnresolved(origins)) return Fn.join(',', origins);
  for (const origin of origins) {
    if (Token.isUnresolved(origin) || new RegExp(`^${ORIGIN}$`).test(origin)) continue;
    throw new Error(
      `The frame ancestor ${JSON.stringify(origin)} of the usage page is not an origin: set it to https://HOST, https://HOST:PORT or https://*.DOMAIN in lower case, or to http://localhost:PORT or http://127.0.0.1:PORT, without a path or a slash at its end.`,
    );
  }
  return origins.join(',');
}
