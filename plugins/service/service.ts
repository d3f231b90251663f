import type { PluginContext } from 'cartridge-agent/plugin';

/** Something that serves and that we look after. It remembers nothing itself: each call finds out how things are. */
export interface Service {
  /** For people. */
  readonly name: string;
  /** How often it is worth a look, in milliseconds. */
  readonly lookEveryMs: number;
  isRunning(): Promise<boolean>;
  /** Whether somebody wants it to run: it was started, and not stopped since. */
  wasStarted(): Promise<boolean>;
  /** Does nothing if it runs. @throws when it does not start, or ends at once */
  start(signal: AbortSignal): Promise<void>;
  /** Has it take new files. @throws when it refuses */
  reload(context: Pick<PluginContext, 'exec' | 'signal'>): Promise<void>;
  /** Resolves when nothing of it runs any more. */
  stop(signal: AbortSignal): Promise<void>;
  /** Ends it at once, as far as possible. */
  kill(): Promise<void>;
  /** Why it does not run, in words. */
  whyEnded(): string;
}
