import { setFlagsFromString } from "node:v8";

/**
 * Compiles WebAssembly with V8's baseline compiler alone. The grammar is needed for milliseconds: optimizing it costs 0.1 s
 * of processor time, beside a server that wants it, and pays from some 100,000 statements on. For a process of our own:
 * the flag is its, not a module's.
 */
export function useBaselineCompiler(): void {
  setFlagsFromString("--liftoff-only");
}
