import fc from "fast-check";
import { identifier } from "../../src/db/base/quote.ts";
import { FORMS } from "./ddl-forms.ts";
import { numbersOf } from "./seed.ts";

/** Something that a random history has made. */
interface Thing {
  readonly kind: string;
  name: string;
  /** What goes with which it goes too; the first is what it stands in. */
  readonly parents: readonly Thing[];
}

const ODD = [
  "größe",
  "two words",
  'quo"te',
  "CamelCase",
  "semi;colon",
  "--dash",
  "$dollar$",
  "漢字",
  "order",
];
const TYPES = [
  "int",
  "text",
  "numeric(12, 3)",
  "jsonb",
  "uuid",
  "timestamptz",
  "int[]",
  "bytea",
  "inet",
  "date",
  "interval",
  "boolean",
  "varchar(40)",
  "tsvector",
  "int4range",
];
const TEXTS = [
  "'plain'",
  "'it''s; not -- over'",
  "E'a\\'b\\\\'",
  "$$dollar; quoted$$",
  "$x$ $$ $x$",
  "'größe → 😀'",
  "U&'\\0041'",
  "''",
];
const PLACE = /\$(\+|-|>|)([a-z_]+?)(2|@|)(?![a-z_0-9])|\$n(\d\d)/g;
const WORDS = new Set(["int", "type", "text"]);

/** Makes statements one after the other, each of which the ones before it allow. */
export class DdlWriter {
  #things: Thing[] = [];
  #count = 0;
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = numbersOf(seed);
  }

  number(below: number): number {
    return Math.floor(this.#random() * below);
  }

  /** A statement without its semicolon, which begins like that. */
  next(begin = ""): string {
    const forms = FORMS.filter((form) => form.startsWith(begin));
    for (;;) {
      const found = this.#filled(this.#pick(forms));
      if (found !== undefined) return found;
    }
  }

  /** A file of some statements; some of them ask for each by itself, where that may be. */
  file(most: number, directives = false): string {
    const statements = Array.from({ length: 1 + this.number(most) }, () => this.next());
    const joint = this.#pick([";\n", ";\n--> statement-breakpoint\n", "; -- done; really\n", ";"]);
    const head = directives && this.number(12) === 0 ? "-- tidemark: no-transaction\n" : "";
    return `${head}${statements.join(joint)};`;
  }

  #pick<T>(list: readonly T[]): T {
    const found = list[this.number(list.length)];
    if (found === undefined) throw new Error("there is nothing to pick from");
    return found;
  }

  /** The form with all its places taken; undefined where something that it needs is not there yet. */
  #filled(form: string): string | undefined {
    const used = new Map<string, Thing>();
    const after: (() => void)[] = [];
    this.#count += 1;
    const number = this.#count;
    const pieces: string[] = [];
    let end = 0;
    for (const match of form.matchAll(PLACE)) {
      const [whole, sign = "", kind = "", mark = "", digits] = match;
      // Dollar quotes are no places.
      const text =
        digits !== undefined
          ? `${number}${digits}`
          : this.#place(sign, kind, mark, used, after, number);
      if (text === undefined) return undefined;
      pieces.push(form.slice(end, match.index), text);
      end = match.index + whole.length;
    }
    for (const act of after) act();
    return pieces.join("") + form.slice(end);
  }

  #place(
    sign: string,
    kind: string,
    mark: string,
    used: Map<string, Thing>,
    after: (() => void)[],
    number: number,
  ): string | undefined {
    if (sign === "" && WORDS.has(kind)) {
      if (kind === "int") return String(1 + this.number(40));
      return this.#pick(kind === "type" ? TYPES : TEXTS);
    }
    if (kind === "n" || kind.startsWith("n_")) return `${number}${kind.slice(1)}${mark}`;
    if (!KINDS.has(kind)) return `$${sign}${kind}${mark}`;
    const name = () =>
      this.number(8) === 0 ? `${this.#pick(ODD)} ${number}` : `${kind}_${number}`;
    if (sign === "+") {
      const made = name();
      after.push(() => {
        const parents = [...used.values()];
        this.#things.push({ kind, name: made, parents });
      });
      return identifier(made);
    }
    const key = mark === "2" ? `${kind}2` : kind;
    const thing = used.get(key) ?? this.#some(kind, [...used.values()]);
    if (thing === undefined) return undefined;
    used.set(key, thing);
    if (sign === ">") {
      // What was made of it, in bodies too, has its old name.
      if (this.#things.some(({ parents }) => parents.includes(thing))) return undefined;
      const made = name();
      after.push(() => {
        thing.name = made;
      });
      return identifier(made);
    }
    if (sign === "-") after.push(() => this.#drop(thing));
    if (mark === "@") return identifier(thing.parents[0]?.name ?? "");
    return identifier(thing.name);
  }

  #some(kind: string, others: readonly Thing[]): Thing | undefined {
    const all = this.#things.filter((thing) => thing.kind === kind && !others.includes(thing));
    return all.length === 0 ? undefined : this.#pick(all);
  }

  #drop(thing: Thing): void {
    this.#things = this.#things.filter((one) => one !== thing);
    for (const one of [...this.#things]) if (one.parents.includes(thing)) this.#drop(one);
  }
}

const KINDS: ReadonlySet<string> = new Set(
  FORMS.flatMap((form) => [...form.matchAll(/\$\+([a-z_]+)/g)].map(([, kind = ""]) => kind)),
);

/** How many forms there are. */
export const FORM_COUNT = FORMS.length;

/** Files of such statements. */
export const ddlText = fc.nat().map((seed) => {
  const writer = new DdlWriter(seed);
  for (let i = writer.number(20); i > 0; i -= 1) writer.next();
  return writer.file(4, true);
});
