import type { Config } from '../../state/config/config.ts';
import type { ConfigWarning, Problem } from '../../state/config/problems.ts';
import type { PluginHost } from './host.ts';

type Checked = { readonly config: Config; readonly confFile: string };
type TakenOver = Pick<PluginHost, 'checkout' | 'commit'>;

/** Git alone can keep these: an operator who relies on them must not be left without. */
export function unkeptKeys(plugins: TakenOver, { config: { artifacts }, confFile }: Checked): Problem[] {
  const checkout = plugins.checkout();
  if (checkout === null) return [];
  const keys = {
    'artifact.verify': artifacts.verify.policy !== 'none',
    'artifact.layout': artifacts.layout === 'releases',
  };
  const wrong = `cannot be kept: plugin ${checkout.plugin} has taken over checkout from git`;
  const write = 'remove it, or the plugin';
  return Object.entries(keys).flatMap(([key, isAsked]) =>
    isAsked ? [{ file: confFile, line: null, key, wrong, nearest: null, write }] : [],
  );
}

/** Nobody is in danger without these, and one of them comes from the platform: the agent starts all the same. */
export function idleKeys(plugins: TakenOver, checked: Checked): ConfigWarning[] {
  return [...idleCommit(plugins, checked), ...idleDrift(plugins, checked)];
}

function idleCommit(plugins: TakenOver, { config: { artifacts, hooks }, confFile }: Checked): ConfigWarning[] {
  const checkout = plugins.checkout();
  if (!artifacts.commitEnabled || checkout === null || plugins.commit() !== null) return [];
  const isTold = hooks.launchParams.has('COMMIT_ENABLED');
  const [file, key] = isTold ? [hooks.paramFilePath, 'COMMIT_ENABLED'] : [confFile, 'auto.commit'];
  const wrong = `true, but nothing is committed: plugin ${checkout.plugin} has taken over checkout from git, and offers no commit`;
  const write = isTold ? 'write COMMIT_ENABLED = false in agent.conf' : 'delete the line';
  return [{ file, line: null, key, wrong, nearest: null, write: `${write}, or have a plugin offer commit` }];
}

/** What differs from a commit is git's to tell, and its business no more when a plugin commits. */
function idleDrift(plugins: TakenOver, { config: { artifacts }, confFile }: Checked): ConfigWarning[] {
  const [checkout, commit] = [plugins.checkout(), plugins.commit()];
  const plugin = checkout?.plugin ?? commit?.plugin;
  if (artifacts.drift !== 'restore' || plugin === undefined) return [];
  const part = checkout === null ? 'commit' : 'checkout';
  const wrong = `restore, but nothing is put back: plugin ${plugin} has taken over ${part} from git`;
  const write = 'delete the line, or remove the plugin';
  return [{ file: confFile, line: null, key: 'artifact.drift', wrong, nearest: null, write }];
}
