import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeInstance } from './life.ts';
import { freePort } from './mosquitto.ts';

/** What the artifacts say; nothing, before there are any. */
const content = '$(cat $STRATOS_APPLICATION_PATH/index.html 2>/dev/null)';
const takeAMoment = 'sleep 0.05';
/** May be asked for twice, as every hook: a kill may come between its end and our knowing of it. */
const startService = `
if ! kill -0 $(cat FOLDER/service.pid 2>/dev/null) 2>/dev/null; then
  setsid NODE -e "require('net').createServer((s) => s.destroy()).listen(PORT, '127.0.0.1')" \\
    > /dev/null 2>&1 3>&- < /dev/null &
  echo $! > FOLDER/service.pid
fi`;
const stopService = 'kill $(cat FOLDER/service.pid) 2>/dev/null; rm -f FOLDER/service.pid';

/** One or more for every gate. */
const hooks: Readonly<Record<string, string>> = {
  'VolumeMount.sh': step('volumeMount'),
  'InstanceStartedEvent.sh': step('instanceStarting'),
  'startServers/10-serve': step('startServers', startService),
  'startServers/20-warm': step('startServers/20'),
  'artifactUpdating/10-look': step('artifactUpdating', takeAMoment, content),
  'ArtifactUpdatedEvent.sh': step('artifactUpdated', takeAMoment, content),
  'instanceActivating/10-smoke': step('instanceActivating'),
  'InstanceActivatedEvent.sh': step('instanceActivated'),
  'drain/10-drain': step('drain'),
  'clean.sh': step('clean', stopService),
};

/**
 * Writes what the agent of a whole life finds on its machine, and makes the folder for its temporary files.
 *
 * @param options - `slowHook`: takes for ever the first time; its name as it is in the trace
 * @returns the path of agent.conf
 */
export async function prepare(
  folder: string,
  { brokerPort, repositoryUrl, slowHook }: { brokerPort: number; repositoryUrl: string; slowHook: string },
): Promise<string> {
  await mkdir(join(folder, 'tmp'));
  const port = String(await freePort());
  const words = { FOLDER: folder, PORT: port, NODE: process.execPath, SLOW: slowHook };
  const fill = (script: string) =>
    Object.entries(words).reduce((text, [word, value]) => text.replaceAll(word, value), script);
  return await writeInstance(folder, {
    brokerPort,
    applicationPath: join(folder, 'www'),
    conf: { 'artifact.clone.interval': '1', 'termination.budget': '30', 'log.level': 'debug' },
    params: { PORTS: port, REPO_URL: repositoryUrl, PERSISTENCE_MAPPING: '/dev/vdb|null|/mnt' },
    hooks: Object.fromEntries(Object.entries(hooks).map(([name, script]) => [name, fill(script)])),
  });
}

/** A script that says when it begins and when it has come to its end. */
function step(name: string, work = takeAMoment, about = ''): string {
  return [
    `echo "begin ${name} $CARTRIDGE_ATTEMPT ${about}" >> $TRACE`,
    `[ "${name}" = "SLOW" ] && mkdir FOLDER/slow 2> /dev/null && sleep 60`,
    work,
    `echo "end ${name} $CARTRIDGE_ATTEMPT ${about}" >> $TRACE`,
  ].join('\n');
}
