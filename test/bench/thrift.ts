import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { shop } from '../../agent/demo/story.ts';
import { bigTopology } from '../support/big-topology.ts';
import { hasThrift, spawnThriftServer, type ThriftServer } from '../support/thrift-peer.ts';
import { warmUp } from './life.ts';
import type { Note } from './measures.ts';
import { readMemory } from './process.ts';
import { openStage } from './stage.ts';

const topology = bigTopology({ members: 100, memberId: shop.memberId, status: 'Initialized' });
const settleMs = 1_000;

/** What statistics over Thrift cost: the same start with a CEP node, and without one. */
export async function measureThrift(note: Note, signal: AbortSignal): Promise<void> {
  if (!hasThrift) throw new Error('needs thrift-compiler and python3-thrift');
  await warmUp(signal);
  await using parts = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'bench-thrift-'));
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const names = ['-subj', '/CN=cep', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, ...names], {
    stdio: 'pipe',
  });
  const cep = parts.adopt(await spawnThriftServer({ cert, key }), (it) => it.kill());
  const conf = {
    'thrift.receiver.urls': `127.0.0.1:${cep.port}`,
    'thrift.server.admin.username': 'stats',
    'thrift.server.admin.password': 'secret',
    'thrift.tls.ca': cert,
  };

  await once({ conf, cep, names: ['thriftStart', 'thriftRss', 'thriftAnon'] }, note, signal);
  await once({ conf: {}, cep: null, names: ['plainStart', 'plainRss', 'plainAnon'] }, note, signal);
}

async function once(
  {
    conf,
    cep,
    names: [start, rssName, anonName],
  }: {
    conf: Readonly<Record<string, string>>;
    cep: ThriftServer | null;
    names: readonly [Parameters<Note>[0], Parameters<Note>[0], Parameters<Note>[0]];
  },
  note: Note,
  signal: AbortSignal,
): Promise<void> {
  await using stage = await openStage(signal);
  const { peer } = stage;
  const agent = await stage.startAgent({}, conf);
  note(start, (await peer.heard('CompleteTopologyRequestEvent')) - agent.startedMs);
  await peer.say('CompleteTopologyEvent', topology);
  const activeMs = await peer.heard('InstanceActivatedEvent');
  if (cep !== null) {
    while (cep.of('published').length === 0) await pause(2, undefined, { signal });
    note('thriftFirst', performance.now() - activeMs);
  }
  await pause(settleMs, undefined, { signal });
  const { rss, anon } = readMemory(agent.pid);
  note(rssName, rss);
  note(anonName, anon);
}
