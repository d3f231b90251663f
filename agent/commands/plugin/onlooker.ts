import type { Config } from '../../../state/config/config.ts';
import { createLog } from '../../log.ts';
import { createPluginHost, type PluginHost } from '../../plugins/host.ts';
import { pluginSections } from '../../plugins/sections.ts';
import { hookOptions } from '../../settings.ts';
import type { CommandIo } from '../command.ts';

/** The plugins of a configuration, loaded as its agent would load them, for somebody who calls nothing of them. */
export function createOnlooker(config: Config, { env }: Pick<CommandIo, 'env'>): PluginHost {
  const { instance } = hookOptions(config);
  return createPluginHost({
    pluginsDir: config.hooks.pluginsDir,
    sections: pluginSections(config),
    instance: () => ({ ...instance, state: 'active' }),
    secrets: () => null,
    environment: env,
    owner: `onlooker ${process.pid}`, // not the agent's own: what that runs goes on
    log: createLog({ level: 'silent', pretty: false, colour: false, output: 2 }),
  });
}
