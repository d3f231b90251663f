import { createLog } from '../../agent/log.ts';
import { createPluginHost } from '../../agent/plugins/host.ts';
import { sampleDocument } from '../../plugins/contract.ts';

// An agent as far as its plugins see one, to be killed: it fires `startServers`, says so, and goes on.

const { instance } = await sampleDocument('startServers');
const never = new AbortController().signal;
const { folder, sections } = JSON.parse(process.argv[2] ?? '');
const host = createPluginHost({
  pluginsDir: folder,
  sections: new Map(
    Object.entries<Record<string, string>>(sections).map(([name, it]) => [name, new Map(Object.entries(it))]),
  ),
  instance: () => ({ ...instance, state: 'started' }),
  secrets: () => null,
  environment: process.env,
  owner: folder,
  temporaryFolder: folder,
  log: createLog({ level: 'debug', pretty: false, colour: false, output: 2 }),
});
await host.ready;
const limits = { limitMs: 10_000, attempt: 1, leftMs: null, signal: never, overtaken: never };
for (const runner of host.runnersFor('startServers')) {
  await runner.run({ name: 'startServers', input: {}, ...limits, onStatus() {}, onExtend() {}, onLengthen() {} });
}
process.stdout.write('started\n');
setInterval(() => {}, 60_000);
