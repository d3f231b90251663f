// All there is for authors of plugins, published as `cartridge-agent/plugin`. It loads neither zod nor a schema: a
// plugin's worker, and an agent without plugins, pay for what they use.

export type { Checkout, Commit, FetchedArtifact, WantedArtifact } from './contract/artifacts.ts';
export type {
  Exec,
  ExecOptions,
  ExecResult,
  HealthContext,
  LogTopic,
  PluginContext,
  PluginLog,
} from './contract/context.ts';
export { type GateName, type HookName, hooks, isHookName, type NoticeName } from './contract/hooks.ts';
export {
  hookInputProblems,
  hookInputSchema,
  type JsonSchema,
  sampleDocument,
  unknownInputFields,
} from './contract/input-schema.ts';
export type { HookInput, HookInputs, HookInstance, RawJson } from './contract/input-types.ts';
export type { MetadataClient, MetadataOptions } from './contract/metadata.ts';
export {
  type Answer,
  contractVersion,
  definePlugin,
  type HookDefinition,
  type HookDetails,
  type HookFunction,
  type Hooks,
  type NoOptions,
  type Plugin,
  type Verdict,
} from './contract/plugin.ts';
export { type PluginProblem, type ReadPlugin, readPlugin } from './contract/read-plugin.ts';
export { type ReadVerdict, readVerdict } from './contract/verdict.ts';
