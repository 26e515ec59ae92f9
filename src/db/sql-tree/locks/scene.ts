import type { Node } from "libpg-query";
import { type Path, pathOfTable } from "../tree.ts";

/** A column's type, by the name in `pg_type` (an array's begins with `_`). */
export interface ColumnType {
  readonly name: string;
  /** `varchar(20)`: [20]. */
  readonly modifiers: readonly number[];
}

export interface SceneColumn {
  readonly type: ColumnType | undefined;
  readonly notNull: boolean;
  /** It sorts otherwise than its type does. */
  readonly isCollated?: boolean;
}

export interface SceneCheck {
  readonly isValid: boolean;
  readonly expression: Node | undefined;
}

export interface SceneForeignKey {
  readonly columns: readonly string[];
  readonly to: SceneTable;
  /** Of a partition: it is its parent's. */
  readonly isInherited: boolean;
}

export type TableKind = "table" | "partitioned" | "view" | "matview" | "foreign";

/** A table as the statements before have left it. */
export interface SceneTable {
  /** In the database as it is now; undefined for one that is made later, or was not found. */
  readonly oid: number | undefined;
  /** Undefined where the SQL does not say and nobody knows. */
  schema: string | undefined;
  name: string;
  kind: TableKind;
  /** Made by what is about to run: nobody else uses it. */
  readonly isNew: boolean;
  /** Neither in the database nor made before: only its name is known. */
  readonly isAssumed: boolean;
  readonly columns: Map<string, SceneColumn>;
  readonly checks: Map<string, SceneCheck>;
  readonly foreignKeys: Map<string, SceneForeignKey>;
  /** Primary key, unique and exclusion constraints: their columns. */
  readonly keys: Map<string, readonly string[]>;
  /** Columns that each index needs, those of constraints included. */
  readonly indexes: Map<string, readonly string[]>;
  /** Names of indexes with an expression or a WHERE. */
  readonly computed: Set<string>;
  /** Tables it inherits from, or the one it is a partition of. */
  readonly parents: Set<SceneTable>;
  isDefaultPartition: boolean;
  /** Undefined where that is not known. */
  isUnlogged: boolean | undefined;
  /** Of a view: what it reads, and the columns that it names. */
  readonly reads: Map<SceneTable, ReadonlySet<string>>;
}

/** What a scene knows besides its tables. */
export interface SceneFacts {
  /** As `server_version_num`. */
  readonly serverVersion: number;
  readonly searchPath: readonly string[];
  /** Names of functions of which a call may give another value for each row. */
  readonly volatileFunctions: ReadonlySet<string>;
  /** Casts that leave the bytes as they are, as `varchar>text`. */
  readonly binaryCasts: ReadonlySet<string>;
  /** Names of domains that have a constraint. */
  readonly constrainedDomains: ReadonlySet<string>;
  /** The session's time zone is always UTC. */
  readonly isUtc: boolean;
}

/** What holds in any database: for files of which nobody knows where they will run. */
const ANYWHERE: SceneFacts = {
  serverVersion: 180_000,
  searchPath: ["public"],
  volatileFunctions: new Set(
    "clock_timestamp gen_random_uuid nextval random random_normal timeofday uuid_generate_v1 uuid_generate_v4 uuidv4 uuidv7".split(
      " ",
    ),
  ),
  binaryCasts: new Set(["varchar>text", "text>varchar", "cidr>inet", "citext>text"]),
  constrainedDomains: new Set(),
  isUtc: false,
};

/**
 * The tables that statements are about, as they are in a database, and as the statements before change them
 * (`follow.ts`). A name that is not known is taken for a table all the same.
 */
export class Scene {
  readonly facts: SceneFacts;
  readonly volatileFunctions: Set<string>;
  readonly constrainedDomains: Set<string>;
  readonly #tables = new Set<SceneTable>();
  searchPath: readonly string[];

  constructor(facts: SceneFacts = ANYWHERE) {
    this.facts = facts;
    this.searchPath = facts.searchPath;
    this.volatileFunctions = new Set(facts.volatileFunctions);
    this.constrainedDomains = new Set(facts.constrainedDomains);
  }

  get tables(): ReadonlySet<SceneTable> {
    return this.#tables;
  }

  add(
    given: Pick<SceneTable, "schema" | "name" | "kind"> &
      Partial<
        Pick<SceneTable, "oid" | "isNew" | "isAssumed" | "isDefaultPartition" | "isUnlogged">
      >,
  ): SceneTable {
    const table: SceneTable = {
      oid: undefined,
      isNew: false,
      isAssumed: false,
      isDefaultPartition: false,
      isUnlogged: undefined,
      ...given,
      columns: new Map(),
      checks: new Map(),
      foreignKeys: new Map(),
      keys: new Map(),
      indexes: new Map(),
      computed: new Set(),
      parents: new Set(),
      reads: new Map(),
    };
    this.#tables.add(table);
    return table;
  }

  remove(table: SceneTable): void {
    this.#tables.delete(table);
    for (const other of this.#tables) {
      other.parents.delete(table);
      other.reads.delete(table);
      for (const [name, { to }] of other.foreignKeys) {
        if (to === table) other.foreignKeys.delete(name);
      }
    }
  }

  /** Undefined where it is not known. */
  find(path: Path): SceneTable | undefined {
    return this.#first(path, (table, name) => table.name === name);
  }

  /** The table of a name; one that is not known is added, with nothing known about it. */
  table(path: Path): SceneTable {
    const found = this.find(path);
    if (found !== undefined) return found;
    const schema = path.length > 1 ? path.at(-2) : undefined;
    return this.add({ schema, name: path.at(-1) ?? "", kind: "table", isAssumed: true });
  }

  tableOf(relation: Parameters<typeof pathOfTable>[0] | undefined): SceneTable {
    return this.table(pathOfTable(relation ?? {}));
  }

  /** The table that an index is on. */
  tableOfIndex(path: Path): SceneTable | undefined {
    return this.#first(path, (table, name) => table.indexes.has(name));
  }

  /** Its partitions or children, and theirs. */
  descendants(table: SceneTable): readonly SceneTable[] {
    const children = [...this.#tables].filter(({ parents }) => parents.has(table));
    return children.flatMap((child) => [child, ...this.descendants(child)]);
  }

  /** Tables that refer to it by a foreign key. */
  referrers(table: SceneTable): readonly SceneTable[] {
    return [...this.#tables].filter(({ foreignKeys }) =>
      [...foreignKeys.values()].some(({ to }) => to === table),
    );
  }

  /** Views that read it (or a column of it), and those that read them. */
  viewsOn(table: SceneTable, column?: string): readonly SceneTable[] {
    const views = [...this.#tables].filter(({ reads }) => {
      const columns = reads.get(table);
      return column === undefined ? columns !== undefined : columns?.has(column);
    });
    return views.flatMap((view) => [view, ...this.viewsOn(view)]);
  }

  defaultPartition(table: SceneTable): SceneTable | undefined {
    return [...this.#tables].find((one) => one.isDefaultPartition && one.parents.has(table));
  }

  #first(path: Path, fits: (table: SceneTable, name: string) => boolean): SceneTable | undefined {
    const name = path.at(-1) ?? "";
    const schemas = path.length > 1 ? path.slice(-2, -1) : this.searchPath;
    const fitting = [...this.#tables].filter((table) => fits(table, name));
    for (const schema of schemas) {
      const found = fitting.find((table) => table.schema === schema);
      if (found !== undefined) return found;
    }
    return path.length > 1 ? undefined : fitting.find((table) => table.schema === undefined);
  }
}
