import type { Finding } from "./doctor-types.ts";

export function fine(code: string, fact: string): Finding {
  return { code, level: "ok", fact, remedy: null };
}

export function wrong(
  code: string,
  level: "warning" | "error",
  fact: string,
  remedy: string,
): Finding {
  return { code, level, fact, remedy };
}
