import type { Node } from "libpg-query";
import type { Statement } from "./statements.ts";

/** A statement that changes a setting of its session. */
interface Setting {
  /** What it sets: a later one of the same name takes its place. */
  readonly name: string;
  /** Only until the end of its transaction. */
  readonly local: boolean;
  /** Takes the setting back. */
  readonly reset: boolean;
}

/** A setting that a file has made, to be made again. */
export interface MadeSetting {
  readonly name: string;
  /** The statement that made it. */
  readonly text: string;
}

/** The settings that a file has made up to a statement, in the order in which they were made last. */
export interface Settings {
  /** Until the end of the file. */
  readonly session: readonly MadeSetting[];
  /** Until the file ends the transaction that it has opened. */
  readonly local: readonly MadeSetting[];
}

export const NO_SETTINGS: Settings = { session: [], local: [] };

const ROLES: ReadonlySet<string> = new Set(["role", "session_authorization"]);
const DECISIVE: ReadonlySet<string> = new Set(["search_path", ...ROLES]);

/** It decides which objects a statement means, or with whose rights it runs. */
export function isDecisive({ name }: MadeSetting): boolean {
  return DECISIVE.has(name);
}

/**
 * Follows the settings of a file: `SET`, `RESET`, `SET ROLE`, `select set_config(…)`. What a
 * function or a DO block sets is not seen.
 */
export class SettingsTracker {
  #session = new Map<string, MadeSetting>();
  #local = new Map<string, MadeSetting>();

  /** To be told of each statement in order. */
  follow({ tree, text }: Statement): void {
    for (const setting of settingsOf(tree, text)) this.#apply(setting, text);
  }

  /** The file has ended a transaction of its own. */
  endTransaction(): void {
    this.#local = new Map();
  }

  get now(): Settings {
    return { session: [...this.#session.values()], local: [...this.#local.values()] };
  }

  #apply({ name, local, reset }: Setting, text: string): void {
    if (name === "") {
      // RESET ALL leaves the role as it is.
      for (const settings of [this.#session, this.#local]) {
        for (const made of settings.keys()) if (!ROLES.has(made)) settings.delete(made);
      }
      return;
    }
    this.#local.delete(name);
    const settings = local ? this.#local : this.#session;
    settings.delete(name);
    if (name === "session_authorization") settings.delete("role");
    if (!reset) settings.set(name, { name, text });
  }
}

/** The statement decides which objects the names after it mean. */
export function decidesNames({ tree, text }: Statement): boolean {
  return settingsOf(tree, text).some(({ name }) => DECISIVE.has(name));
}

/** The statement takes back whatever is set, our time-outs too. */
export function resetsAll(tree: Node): boolean {
  return "VariableSetStmt" in tree && tree.VariableSetStmt.kind === "VAR_RESET_ALL";
}

/** The statement changes settings of its session, and nothing else. */
export function isSetting(tree: Node, text: string): boolean {
  return settingsOf(tree, text).length > 0;
}

function settingsOf(tree: Node, text: string): readonly Setting[] {
  if ("VariableSetStmt" in tree) {
    const { kind = "", name = "", is_local: local = false } = tree.VariableSetStmt;
    if (resetsAll(tree)) return [{ name: "", local: false, reset: true }];
    const reset = kind === "VAR_RESET" || kind === "VAR_SET_DEFAULT";
    return [{ name: name.toLowerCase(), local, reset: reset && !local }];
  }
  if (!("SelectStmt" in tree) || tree.SelectStmt.fromClause !== undefined) return [];
  const calls = (tree.SelectStmt.targetList ?? []).map(setConfigOf);
  return calls.every((call) => call !== undefined)
    ? calls.map(({ name, local }) => ({ name: name ?? text, local, reset: false }))
    : [];
}

/** `set_config('name', …, local)`; undefined for any other expression. */
function setConfigOf(target: Node): { name: string | undefined; local: boolean } | undefined {
  const value = "ResTarget" in target ? target.ResTarget.val : undefined;
  if (value === undefined || !("FuncCall" in value)) return undefined;
  const { funcname = [], args = [] } = value.FuncCall;
  const last = funcname.at(-1);
  if (last === undefined || !("String" in last) || last.String.sval !== "set_config") {
    return undefined;
  }
  const [name, , local] = args.map((arg) => ("A_Const" in arg ? arg.A_Const : undefined));
  return {
    name: name?.sval?.sval?.toLowerCase(),
    local: local?.boolval?.boolval ?? false,
  };
}
