import type { Commands, Reads } from "../aggregates.ts";

/** What the routes work with, once the application is ready. */
export interface Services {
  readonly commands: Commands;
  readonly reads: Reads;
  /** Whether every projection has come this far within the time. */
  readonly waitFor: (instanceId: string, position: number, timeoutMs: number) => Promise<boolean>;
}

export interface ApiOptions {
  /** Undefined until the application is ready: every route answers 503. */
  readonly services: () => Services | undefined;
  /** For requests that name none (`X-Instance`). */
  readonly instance: string;
  /** Who sends it may ask. Undefined: everybody who reaches the routes. */
  readonly token: string | undefined;
  /** Told of what nobody expected, without any text of a request. */
  readonly onDefect: (error: unknown, request: { method: string; path: string }) => void;
}
