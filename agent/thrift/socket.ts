import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { reasonOf } from '../../state/errors.ts';
import { trustIn } from '../authorities.ts';
import { notReached, type Receiver, ReceiverTlsFileError } from './failures.ts';

/** How to know a receiver. `ca`: a PEM file, null for what this system and Node trust. */
export type ReceiverTls = {
  readonly ca: string | null;
  readonly servername: string | null;
  /** If not, anybody is believed to be the receiver: as the original agents did. */
  readonly verify: boolean;
};

/**
 * Begins to connect.
 *
 * @throws ReceiverTlsFileError
 */
export function openSocket({ host, port }: Receiver, tls: ReceiverTls): TLSSocket {
  // An address is no name: SNI refuses it, and the certificate is checked against the address anyway.
  const servername = tls.servername ?? (isIP(host) === 0 ? host : '');
  return connect({ host, port, servername, ...trust(tls) });
}

/** Resolves when the receiver has shown who it is. @throws ReceiverNotReachedError, ReceiverTlsError */
export function secured(socket: TLSSocket, receiver: Receiver): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', (cause) => reject(notReached(receiver, cause)));
    socket.once('close', () => reject(notReached(receiver, new Error('it hung up'))));
  });
}

/** Said aloud: NODE_TLS_REJECT_UNAUTHORIZED and the flags of Node change only what is not said. */
function trust({ ca, verify }: ReceiverTls) {
  // Old platforms have certificates, and speak versions, that are not safe; where nothing is checked they may.
  if (!verify) return { rejectUnauthorized: false, minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
  // Servers of the platform came with certificates of 1024 bits: whoever names one means that one.
  const ciphers = ca === null ? {} : { ciphers: 'DEFAULT:@SECLEVEL=1' };
  try {
    return { ...ciphers, ...trustIn(ca), rejectUnauthorized: true, minVersion: 'TLSv1.2' } as const;
  } catch (cause) {
    throw new ReceiverTlsFileError(`cannot use thrift.tls.ca: ${reasonOf(cause)}`, { cause });
  }
}
