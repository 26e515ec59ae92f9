/** What an object is, as SQL names it: `table`, `column`, `materialized view`, `function`. */
export type ObjectKind = string;

interface DifferenceParts {
  readonly kind: ObjectKind;
  /** Qualified, quoted where SQL needs it: `public.users.name`, `public.add(integer, integer)`. */
  readonly name: string;
  /** What it lies in, named as SQL does, outermost first: `["public", "public.users"]`. */
  readonly within: readonly string[];
}

/** One way in which the found catalog is not the expected one. */
export type Difference = DifferenceParts &
  (
    | {
        readonly change: "missing";
        /** Its definition, where one line or a few say it. */
        readonly expected: string | undefined;
      }
    | { readonly change: "unexpected"; readonly found: string | undefined }
    | {
        readonly change: "different";
        /** What of it differs: `type`, `definition`, `owner`, `grants to app`. */
        readonly property: string;
        /** `none` where it has none. */
        readonly expected: string;
        readonly found: string;
        /** Both have the same values, in another order: those of an enum. */
        readonly isOrderAlone?: true;
      }
  );

/** Something that could not be compared, or not properly. */
export interface ComparisonWarning {
  readonly kind: "not-read" | "by-name-only" | "other-major-version";
  readonly message: string;
}

export interface Comparison {
  /** In the order of the names. Empty: the same. */
  readonly differences: readonly Difference[];
  /** On either side. A person must look. */
  readonly warnings: readonly ComparisonWarning[];
}

export interface PlannedStatement {
  /** One statement, without its semicolon; a function's body may hold some. */
  readonly sql: string;
  /** It drops rows, or the column or table that holds them. */
  readonly losesData: boolean;
  /** `outside`: it cannot run in a transaction block. */
  readonly transaction: "inside" | "outside";
}

export interface CatalogPlan {
  /** In an order in which they run. Empty: nothing to do, or nothing that can be planned. */
  readonly statements: readonly PlannedStatement[];
  /** Differences that the statements leave as they are. */
  readonly remaining: readonly Difference[];
}
