/** A small plausible data set: two organisations, people and machines. */
export interface SeedOrg {
  readonly id: string;
  readonly name: string;
  readonly domain: string;
}

interface Common {
  readonly id: string;
  readonly org: string;
  readonly username: string;
}

export interface SeedHuman extends Common {
  readonly kind: "human";
  readonly firstName: string;
  readonly lastName: string;
  readonly preferredLanguage: string;
  readonly email: string;
  readonly isEmailVerified: boolean;
}

export interface SeedMachine extends Common {
  readonly kind: "machine";
  readonly name: string;
  readonly description: string;
}

/** The tenant that all of it belongs to. */
export const SEED_INSTANCE = "demo";

/** Of those whose address is verified. */
export const SEED_PASSWORD = "low water at noon";

const ANALYTICAL = {
  id: "org-analytical",
  name: "Analytical Engines",
  domain: "analytical.example",
};
const HARBOUR = { id: "org-harbour", name: "Harbour Pilots", domain: "harbour.example" };

export const SEED_ORGS: readonly SeedOrg[] = [ANALYTICAL, HARBOUR];

export const SEED_USERS: readonly (SeedHuman | SeedMachine)[] = [
  person("ada", ANALYTICAL, ["Ada", "Lovelace"], "en", true),
  person("charles", ANALYTICAL, ["Charles", "Babbage"], "en", true),
  person("emilie", ANALYTICAL, ["Émilie", "du Châtelet"], "fr", false),
  person("grace", HARBOUR, ["Grace", "Hopper"], "en", true),
  person("mary", HARBOUR, ["Mary", "Anning"], "en", false),
  machine("ci", ANALYTICAL, "CI", "Deploys the releases"),
  machine("tides", HARBOUR, "Tide gauge", "Reports the level of the harbour"),
];

function person(
  username: string,
  { id: org, domain }: SeedOrg,
  [firstName, lastName]: readonly [string, string],
  preferredLanguage: string,
  isEmailVerified: boolean,
): SeedHuman {
  const email = `${username}@${domain}`;
  const names = { firstName, lastName, preferredLanguage };
  return { kind: "human", id: `user-${username}`, org, username, ...names, email, isEmailVerified };
}

function machine(
  username: string,
  { id: org }: SeedOrg,
  name: string,
  description: string,
): SeedMachine {
  return { kind: "machine", id: `user-${username}`, org, username, name, description };
}
