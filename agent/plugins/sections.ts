import type { Config } from '../../state/config/config.ts';

/**
 * The sections `[plugin NAME]`, with what other keys of agent.conf say of plugins: `log.file.paths` are the files that
 * `log-publisher` follows unless its section names others.
 */
export function pluginSections({
  plugins,
  monitoring: { logFiles },
}: Pick<Config, 'plugins'> & { readonly monitoring: Pick<Config['monitoring'], 'logFiles'> }): Config['plugins'] {
  const written = plugins.get('log-publisher');
  if (logFiles.length === 0 || written === undefined) return plugins;
  const paths = ['paths', JSON.stringify(logFiles)] as const;
  return new Map([...plugins, ['log-publisher', new Map([paths, ...written])]]);
}
