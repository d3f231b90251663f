import { createCipheriv } from 'node:crypto';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { decryptPassword, RepositoryPasswordError } from '../agent/artifacts/password.ts';
import { Secret } from '../state/secret.ts';
import { encryptedPassword, key, password } from './support/artifacts.ts';

test.for([
  { summary: 'a password', encrypted: encryptedPassword, clear: password },
  {
    summary: 'a password that fills its block',
    encrypted: 'QBI9Aj7/m9GFEvddTio/kxdPc5CASthO4FLVmAnLeSo=',
    clear: '0123456789ABCDEF',
  },
])('decrypts $summary, as protocol.md has it', ({ encrypted, clear }) => {
  expect(decryptPassword(encrypted, new Secret(key))?.reveal()).toBe(clear);
});

test.for([16, 24, 32])('decrypts passwords of every padding with a key of %i bytes', (keyBytes) => {
  const longKey = 'Xk7pQ2mZ9aLr4TwBXk7pQ2mZ9aLr4TwB'.slice(0, keyBytes);
  const passwords = Array.from({ length: 33 }, (_, index) => 'x'.repeat(index + 1));

  const decrypted = passwords.map((clear) => decryptPassword(encrypt(clear, longKey), new Secret(longKey))?.reveal());

  expect(decrypted).toEqual(passwords);
});

test.for(['pässwörd', '密码-パスワード', '🔑', ' blanks ', 'tab\tand\nline', '\ufeffmark', '\u0001\u0002'])(
  'decrypts %j to the letter',
  (clear) => {
    expect(decryptPassword(encrypt(clear, key), new Secret(key))?.reveal()).toBe(clear);
  },
);

test.for([undefined, null, '', '  '])('%j is no password, even without a key', (encrypted) => {
  expect(decryptPassword(encrypted, null)).toBeNull();
});

test.for([
  { summary: 'a key that is missing', encrypted: encryptedPassword, key: null },
  { summary: 'a key of another application', encrypted: encryptedPassword, key: 'Zk7pQ2mZ9aLr4TwB' },
  { summary: 'a key of a wrong length', encrypted: encryptedPassword, key: 'short' },
  { summary: 'text that is no Base64', encrypted: 'not at all!', key },
  { summary: 'text that was cut', encrypted: encryptedPassword.slice(0, -4), key },
  { summary: 'bytes that are no UTF-8', encrypted: encrypt(Buffer.from([0xff, 0xfe, 0xc3]), key), key },
])('$summary is a failure that prints nothing secret', ({ encrypted, key: tried }) => {
  const act = () => decryptPassword(encrypted, tried === null ? null : new Secret(tried));

  const error = thrownBy(act);

  expect(error).toBeInstanceOf(RepositoryPasswordError);
  expect(error).toMatchObject({ code: 'ARTIFACT_PASSWORD_UNREADABLE' });
  const printed = inspect(error) + JSON.stringify(error);
  for (const secret of [password, encrypted, tried ?? key]) expect(printed).not.toContain(secret);
});

function encrypt(clear: string | Buffer, withKey: string): string {
  const cipher = createCipheriv(`aes-${withKey.length * 8}-ecb`, Buffer.from(withKey), null);
  const bytes = typeof clear === 'string' ? Buffer.from(clear, 'utf8') : clear;
  return Buffer.concat([cipher.update(bytes), cipher.final()]).toString('base64');
}

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
