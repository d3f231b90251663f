import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from './support/current-test.ts';
import { ask, start } from './support/plugin-service.ts';
import { type PluginStage, test as staged } from './support/plugins.ts';

// The plugin `service` in its worker, and a systemd that is none.
const test = staged.concurrent;

test('a unit is left to systemd', async ({ stage }) => {
  const { environment, calls } = systemctl(stage);
  const plugin = await start(stage, { unit: 'apache2', reload: 'SIGUSR1' }, 'started', environment);

  for (const hook of ['startServers', 'artifactUpdated', 'drain', 'clean', 'clean'] as const) {
    expect([hook, await ask(plugin, hook)]).toEqual([hook, { kind: 'done' }]);
  }

  expect(calls()).toEqual(['start', 'kill --signal=SIGUSR1 --kill-who=main', 'stop', 'stop']);
});

test('a unit systemd has given up is started again, and what systemd says is told', async ({ stage }) => {
  const { environment, calls, state } = systemctl(stage);
  const section = { unit: 'apache2', restartMs: '10', steadyMs: '0' };
  const plugin = await start(stage, section, 'active', environment);
  await ask(plugin, 'startServers');

  state('failed');

  const problem = { message: 'plugin service reports: apache2 died once, with the state failed' };
  await expect.poll(() => plugin.host.problems(), { timeout: 8_000 }).toMatchObject([problem]);
  await expect.poll(calls).toEqual(['start', 'start']);
  expect(await plugin.host.health()).toEqual({ service_up: 100, service_restarts: 1 });
  state('refused');
  expect(await ask(plugin, 'artifactUpdated')).toEqual({
    kind: 'failed',
    reason: 'cannot reload-or-restart apache2: Access denied',
  });
});

/** No systemd here: one that keeps the state of a single unit in a file. */
function systemctl({ folder }: PluginStage) {
  const [bin, stateFile, callsFile] = [join(folder, 'bin'), join(folder, 'state'), join(folder, 'calls')];
  const body = `
    verb=$1; shift
    while [ $# -gt 1 ]; do options="$options $1"; shift; done
    [ "$1" = apache2 ] || exit 5
    state=$(cat ${stateFile} 2>/dev/null || echo inactive)
    [ $verb = is-active ] && { echo $state; [ $state = active ]; exit; }
    [ $state = refused ] && { echo 'Access denied' >&2; exit 4; }
    echo "$verb$options" >>${callsFile}
    case $verb in start|restart) echo active >${stateFile};; stop) echo inactive >${stateFile};; esac`;
  mkdirSync(bin);
  writeFileSync(join(bin, 'systemctl'), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return {
    environment: { ...process.env, PATH: `${bin}:${process.env['PATH']}` },
    calls: () => (existsSync(callsFile) ? readFileSync(callsFile, 'utf8').trim().split('\n') : []),
    state: (state: string) => writeFileSync(stateFile, state),
  };
}
