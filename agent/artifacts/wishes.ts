import type { Wish } from './wish.ts';

/** Where the artifact of each tenant is wanted from, as last told. */
export interface Wishes {
  get(tenantId: string): Wish | undefined;
  /** Ends the jobs that work for what this tenant wanted before, if that was something else. */
  set(wish: Wish): void;
  delete(tenantId: string): void;
  /**
   * Works for the wish of a tenant. When it becomes another meanwhile, it begins again with that one: a server that
   * hangs is not waited for when nobody wants anything of it any more.
   *
   * @param work - must end when its signal is aborted
   */
  fulfil<T>(wish: Wish, signal: AbortSignal, work: (wish: Wish, signal: AbortSignal) => Promise<T>): Promise<T>;
}

export function createWishes(): Wishes {
  const wishes = new Map<string, Wish>();
  /** Aborted when the wish of a tenant becomes another. */
  const changes = new Map<string, AbortController>();

  function changeOf(tenantId: string): AbortSignal {
    const change = changes.get(tenantId) ?? new AbortController();
    changes.set(tenantId, change);
    return change.signal;
  }

  return {
    get: (tenantId) => wishes.get(tenantId),
    set(wish) {
      const { tenantId } = wish;
      const before = wishes.get(tenantId);
      wishes.set(tenantId, wish);
      if (before === undefined || isSame(before, wish)) return;
      changes.get(tenantId)?.abort();
      changes.delete(tenantId);
    },
    delete: (tenantId) => void wishes.delete(tenantId),
    async fulfil(first, signal, work) {
      for (let wish = first; ; wish = wishes.get(wish.tenantId) ?? wish) {
        const change = changeOf(wish.tenantId);
        try {
          return await work(wish, AbortSignal.any([signal, change]));
        } catch (error) {
          signal.throwIfAborted();
          if (!change.aborted) throw error;
        }
      }
    },
  };
}

function isSame(one: Wish, other: Wish): boolean {
  const { credential: ours, ...here } = one;
  const { credential: theirs, ...there } = other;
  const hasSamePassword = ours?.password.reveal() === theirs?.password.reveal();
  return here.url === there.url && here.path === there.path && ours?.user === theirs?.user && hasSamePassword;
}
