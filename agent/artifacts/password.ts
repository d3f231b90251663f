import { createDecipheriv } from 'node:crypto';
import { AgentError, reasonOf } from '../../state/errors.ts';
import { Secret } from '../../state/secret.ts';

/**
 * The clear text of a repository password, or null when there is none.
 *
 * @param encrypted - `repoPassword` of the event: Base64 of AES-ECB with PKCS#7 padding
 * @param key - CARTRIDGE_KEY: 16, 24 or 32 bytes select AES-128, -192 or -256
 * @throws {@link RepositoryPasswordError} when key and password do not fit; ECB itself cannot tell, so padding and UTF-8 do
 * @see protocol.md 8.6
 */
export function decryptPassword(encrypted: string | null | undefined, key: Secret | null): Secret | null {
  const text = encrypted?.trim() ?? '';
  if (text === '') return null;
  if (key === null) throw new RepositoryPasswordError('there is no CARTRIDGE_KEY');

  const keyBytes = Buffer.from(key.reveal(), 'utf8');
  const cipherBytes = Buffer.from(text, 'base64');
  if (![16, 24, 32].includes(keyBytes.length)) {
    throw new RepositoryPasswordError(`CARTRIDGE_KEY has ${keyBytes.length} bytes, not 16, 24 or 32`);
  }
  if (cipherBytes.length === 0 || cipherBytes.length % 16 !== 0 || cipherBytes.toString('base64') !== text) {
    throw new RepositoryPasswordError('it is not Base64 of whole AES blocks');
  }
  const clear = decrypt(cipherBytes, keyBytes);
  return clear === '' ? null : new Secret(clear);
}

/** The repository password of an event cannot be decrypted with the key of this instance. */
export class RepositoryPasswordError extends AgentError {
  override readonly name = 'RepositoryPasswordError';
  override readonly lasting = true;
  readonly code = 'ARTIFACT_PASSWORD_UNREADABLE';
  readonly remedy =
    'Check that CARTRIDGE_KEY is the key of this application, and enter the repository password of the sign-up again.';

  /** @param reason - says nothing of what was decrypted, nor of the key but its length */
  constructor(reason: string) {
    super(`cannot decrypt the repository password: ${reason}`, { facts: { reason } });
  }
}

function decrypt(cipherBytes: Buffer, keyBytes: Buffer): string {
  const decipher = createDecipheriv(`aes-${keyBytes.length * 8}-ecb`, keyBytes, null);
  try {
    const clear = Buffer.concat([decipher.update(cipherBytes), decipher.final()]);
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(clear);
  } catch (error) {
    throw new RepositoryPasswordError(
      `with this key it has ${/decrypt/.test(reasonOf(error)) ? 'no valid padding' : 'no valid text'}`,
    );
  }
}
