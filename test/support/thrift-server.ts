import type { Certificate } from './certificates.ts';
import { onTestFinished } from './current-test.ts';
import { type ServerOptions, spawnThriftServer, type ThriftServer } from './thrift-peer.ts';

/** It is gone after the test. */
export async function startThriftServer(certificate: Certificate, options: ServerOptions = {}): Promise<ThriftServer> {
  const server = await spawnThriftServer(certificate, options);
  onTestFinished(() => server.kill());
  return server;
}
