import { enableCompileCache } from 'node:module';
import { workerData } from 'node:worker_threads';
import type { WorkerStart } from './messages.ts';

// What a worker of a plugin is started with. The rest is loaded only now, so that the cache has it too: to strip the types
// of twenty files takes longer than all else.
const { compileCache } = workerData as WorkerStart;
if (compileCache !== null) enableCompileCache(compileCache);
await import('./working.ts');
