import { AgentError } from '../../state/errors.ts';

/** Something about a plugin that a person has to see to. */
export abstract class PluginError extends AgentError {
  /** The configuration is wrong, and the agent does not start with it; else the plugin is left out, and the agent goes on. */
  abstract readonly isConfiguration: boolean;
  /** Null: it is about all of them. */
  abstract readonly plugin: string | null;
  override readonly lasting: boolean = true;
}

/** agent.conf has a section for a plugin that is not there. */
export class PluginMissingError extends PluginError {
  override readonly name = 'PluginMissingError';
  readonly code = 'PLUGIN_NOT_FOUND';
  readonly remedy = 'Put the plugin into plugins.dir under that name, or remove its section from agent.conf.';
  readonly isConfiguration = true;
  readonly plugin: string;

  constructor(plugin: string, options: { pluginsDir: string; nearest: string | null }) {
    const question = options.nearest === null ? '' : `, did you mean ${options.nearest}?`;
    super(`cannot find plugin ${plugin}${question}`, { facts: { plugin, ...options } });
    this.plugin = plugin;
  }
}

/** What a plugin says of itself, or what agent.conf says of it, is wrong; `complaint` says what. */
export class PluginInvalidError extends PluginError {
  override readonly name = 'PluginInvalidError';
  readonly code = 'PLUGIN_INVALID';
  readonly remedy: string;
  readonly isConfiguration = true;
  readonly plugin: string;

  constructor(plugin: string, { text, remedy, path }: { text: string; remedy: string; path: string }) {
    super(`cannot use plugin ${plugin}: ${text}`, { facts: { plugin, path, wrong: text } });
    this.remedy = remedy;
    this.plugin = plugin;
  }
}

/** Two of the same name, or two that want what only one can have. */
export class PluginConflictError extends PluginError {
  override readonly name = 'PluginConflictError';
  readonly code = 'PLUGIN_CONFLICT';
  readonly remedy = 'Remove all but one of them.';
  readonly isConfiguration = true;
  readonly plugin = null;

  /** @param claim - what they both are: `called warm`, `taking over checkout` */
  constructor(claim: string, claimants: readonly string[]) {
    super(`cannot use more than one plugin ${claim}: ${claimants.join(', ')}`, { facts: { claim, claimants } });
  }
}

/** The folder of plugins cannot be looked into. */
export class PluginFolderError extends PluginError {
  override readonly name = 'PluginFolderError';
  readonly code = 'PLUGIN_FOLDER_UNREADABLE';
  readonly remedy = 'Make plugins.dir a readable folder for the user the agent runs as.';
  readonly isConfiguration = false;
  readonly plugin = null;

  constructor(path: string, options: { cause: unknown }) {
    super(`cannot look into ${path}`, { ...options, facts: { path } });
  }
}

/** Whoever may write a plugin runs as the agent. */
export class PluginRefusedError extends PluginError {
  override readonly name = 'PluginRefusedError';
  readonly code = 'PLUGIN_REFUSED';
  readonly remedy = 'Run chmod o-w on it, after a look at what is in it.';
  readonly isConfiguration = false;
  readonly plugin: string | null;

  /** @param path - what everybody may change: the file, or a folder it is in */
  constructor(plugin: string | null, path: string) {
    const what = plugin === null ? 'plugins' : `plugin ${plugin}`;
    super(`cannot trust ${what}: everybody may change ${path}`, { facts: { plugin, path } });
    this.plugin = plugin;
  }
}

/** It cannot be loaded: it is left out until the agent starts again. */
export class PluginBrokenError extends PluginError {
  override readonly name = 'PluginBrokenError';
  readonly code = 'PLUGIN_BROKEN';
  readonly remedy = 'Correct the plugin (`cartridge-agent plugin check` shows more), then start the agent again.';
  readonly isConfiguration = false;
  readonly plugin: string;

  constructor(plugin: string, reason: string, options: { path: string; cause?: unknown }) {
    const cause = 'cause' in options ? { cause: options.cause } : {};
    super(`cannot load plugin ${plugin}: ${reason}`, { ...cause, facts: { plugin, path: options.path, reason } });
    this.plugin = plugin;
  }
}

/** It has crashed again and again: nothing of it is called until the agent starts again. */
export class PluginOffError extends PluginError {
  override readonly name = 'PluginOffError';
  readonly code = 'PLUGIN_OFF';
  readonly remedy = 'Correct the plugin, then start the agent again: it has crashed too often to be tried once more.';
  readonly isConfiguration = false;
  readonly plugin: string;

  constructor(plugin: string, options: { crashes: number; reason: string }) {
    super(`cannot go on with plugin ${plugin}: ${options.reason}`, { facts: { plugin, ...options } });
    this.plugin = plugin;
  }
}

/** A thread of this process goes on, whatever it is told: a system call, or a loop V8 cannot interrupt. */
export class PluginUnendableError extends PluginError {
  override readonly name = 'PluginUnendableError';
  readonly code = 'PLUGIN_UNENDABLE';
  readonly remedy = 'Correct the plugin, then kill the agent (SIGKILL): what it has in hand is journalled.';
  readonly isConfiguration = false;
  readonly plugin: string;

  constructor(plugin: string) {
    super(`cannot end the worker of plugin ${plugin}`, { facts: { plugin } });
    this.plugin = plugin;
  }
}

/** A plugin says that something it looks after is not well. */
export class PluginReportError extends PluginError {
  override readonly name = 'PluginReportError';
  readonly code = 'PLUGIN_REPORT';
  readonly remedy =
    'See to what the plugin reports: its log and its README say more. It takes this back when it is over.';
  readonly isConfiguration = false;
  override readonly lasting = false;
  readonly plugin: string;

  constructor(plugin: string, problem: string) {
    super(`plugin ${plugin} reports: ${problem}`, { facts: { plugin, problem } });
    this.plugin = plugin;
  }
}

/** A function of a plugin that took over a part of the agent has failed. */
export class PluginCallError extends PluginError {
  override readonly name = 'PluginCallError';
  readonly code = 'PLUGIN_FAILED';
  readonly remedy = 'Read what the plugin says in the log, and correct it or what it complains about.';
  readonly isConfiguration = false;
  override readonly lasting = false;
  readonly plugin: string;

  constructor(plugin: string, work: string, reason: string) {
    super(`cannot ${work} with plugin ${plugin}: ${reason}`, { facts: { plugin, work, reason } });
    this.plugin = plugin;
  }
}

/** A plugin cannot be loaded, and git must not take over what it may have put in place. */
export class PluginCheckoutLostError extends PluginError {
  override readonly name = 'PluginCheckoutLostError';
  readonly code = 'PLUGIN_CHECKOUT_LOST';
  readonly remedy =
    'Correct the plugin and start the agent again; to have git take over, remove the plugin and its section instead.';
  readonly isConfiguration = false;
  readonly plugin: string | null;

  /** @param options - `cause`: why the plugin cannot be loaded */
  constructor(path: string, options: { cause: PluginError }) {
    const { plugin, message } = options.cause;
    super(`cannot leave ${path} to git, which has not placed it: ${message}`, { ...options, facts: { plugin, path } });
    this.plugin = plugin;
  }
}
