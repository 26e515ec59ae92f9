/** A role, as `init` is told of it. */
export interface RoleName {
  readonly name: string;
  /** Given to the role when it is made, and never to one that is there. It is hashed before it is sent. */
  readonly password?: string | undefined;
}

/** What a database is prepared for. */
export interface Setup {
  readonly database: string;
  /** Migrates, and owns what it makes. */
  readonly owner: RoleName;
  /** Logs in in the owner's place, and makes everything in its name. Undefined where the owner itself logs in. */
  readonly deployer: RoleName | undefined;
  /** Serves: reads and writes rows, and changes no object. */
  readonly app: RoleName;
  readonly ledgerSchema: string;
}

export interface InitOptions extends Setup {
  /** Connects as a role that may make roles and databases, to any database of the server. */
  readonly adminUrl: string;
  /** Connects as the one who will migrate; the database need not be there yet. Makes the ledger. */
  readonly migrationUrl: string | undefined;
  /** Connects as the application. */
  readonly appUrl: string | undefined;
}

/** Something that must be so. */
export interface Want {
  /** `role shop_app`: as people say it. */
  readonly what: string;
  /** Statements of SQL that are lacking, one a row: none where it is so. */
  readonly lacking: string;
  /** Of a role that is to log in: gives it the password, which no statement of `lacking` has. */
  readonly password?: { readonly role: RoleName; readonly variable: string };
  /** Where the admin has no right to it, the rest is of use without. */
  readonly isOptional?: boolean;
}

export interface InitReport {
  readonly outcome: "made" | "there";
  readonly database: string;
  readonly owner: string;
  readonly deployer: string | undefined;
  readonly app: string;
  /** In the order in which they were looked at. */
  readonly steps: readonly {
    readonly what: string;
    readonly outcome: "made" | "there" | "refused";
  }[];
  /** What was found otherwise than this would have made it, and left so. Each a sentence. */
  readonly notes: readonly string[];
}
