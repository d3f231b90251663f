import { registerHooks } from 'node:module';

/** What a plugin may import from anywhere, and where it is in this agent. */
const contract = new Map([
  ['cartridge-agent/plugin', beside('../../plugins/contract')],
  ['cartridge-agent/plugin/testing', beside('../../plugins/testing')],
]);

/**
 * From now on, in this thread, `cartridge-agent/plugin` and `zod` resolve from any folder, with or without node_modules
 * near it. Theirs would be another zod than the one that reads their schemas. Only a package that lives in a node_modules
 * keeps the zod that was installed for it.
 *
 * @see plugins.md, "A plugin in TypeScript"
 */
export function provideModules(): void {
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const url = contract.get(specifier);
      if (url !== undefined) return { url, shortCircuit: true };
      if (!/^zod($|\/)/.test(specifier)) return nextResolve(specifier, context);
      const ours = () => nextResolve(specifier, { ...context, parentURL: import.meta.url });
      if (context.parentURL?.includes('/node_modules/') !== true) return ours();
      try {
        return nextResolve(specifier, context);
      } catch {
        return ours();
      }
    },
  });
}

/** As we are: source beside source, built beside built. */
function beside(path: string): string {
  const [extension = '.ts'] = /\.[a-z]+$/.exec(import.meta.url) ?? [];
  return new URL(`${path}${extension}`, import.meta.url).href;
}
