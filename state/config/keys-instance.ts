import { host } from './addresses.ts';
import { key } from './key.ts';
import { choice, flag, orNone, path } from './kinds.ts';
import { duration } from './quantities.ts';

/** @see plugins.md */
export const hookKeys = {
  'extensions.dir': key(path, 'The folder of the executable hooks.', { fallback: 'extensions' }),
  'extensions.pass.secrets': key(flag, 'Whether executable hooks get CARTRIDGE_KEY, TOKEN and passwords.', {
    fallback: 'false',
  }),
  'plugins.dir': key(path, 'The folder of the plugins.', { fallback: 'plugins' }),
  'hook.timeout': key(duration('s'), 'How long a hook may take, unless it says otherwise.', { fallback: '60' }),
};

/** @see design.md "Configuration and command line" */
export const agentKeys = {
  'param.file.path': key(path, 'The identity of this instance, as the platform wrote it.', {
    fallback: 'payload/launch-params',
  }),
  'state.dir': key(path, 'The folder for what must survive a restart of the agent.', {
    fallback: '/var/lib/cartridge-agent',
  }),
  'listen.address': key(host, 'Where the ports of this instance are probed.', { fallback: 'localhost' }),
  'port.check.timeout': key(duration('ms'), 'How long to wait for the ports before people are told; then it goes on.', {
    fallback: '600000',
  }),
  'activation.deadline': key(orNone(duration('s')), 'When to give up an instance that does not become active.', {
    fallback: 'none',
    example: '15m',
  }),
  'termination.budget': key(
    duration('s'),
    'How long going down may take, all of it: drain, of three quarters at most, then clean, stop and kill.',
    {
      fallback: '10m',
    },
  ),
  'shutdown.on.sigterm': key(
    flag,
    'Whether SIGTERM takes the instance down, as containers want it, not the agent alone.',
    {
      fallback: 'false',
    },
  ),
  'termination.budget.sigterm': key(duration('s'), 'The budget in that case.', { fallback: '8' }),
  'log.level': key(choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace']), 'What is logged.', {
    fallback: 'info',
  }),
  'log.format': key(choice(['json', 'pretty']), 'How. Without it: pretty on a terminal, otherwise json.', {
    example: 'json',
  }),
};
