/** A small plausible data set: two organisations, people and machines. */
export interface SeedOrg {
  readonly id: string;
  readonly name: string;
  readonly domain: string;
}

export interface SeedUser {
  readonly id: string;
  readonly org: string;
  readonly username: string;
  readonly person?: {
    readonly firstName: string;
    readonly lastName: string;
    readonly language: string;
    readonly verified: boolean;
  };
  readonly machine?: { readonly name: string; readonly description: string };
}

/** The tenant that all of it belongs to. */
export const SEED_INSTANCE = "demo";

export const SEED_ORGS: readonly SeedOrg[] = [
  { id: "org-analytical", name: "Analytical Engines", domain: "analytical.example" },
  { id: "org-harbour", name: "Harbour Pilots", domain: "harbour.example" },
];

export const SEED_USERS: readonly SeedUser[] = [
  person("ada", "org-analytical", "Ada", "Lovelace", "en", true),
  person("charles", "org-analytical", "Charles", "Babbage", "en", true),
  person("emilie", "org-analytical", "Émilie", "du Châtelet", "fr", false),
  person("grace", "org-harbour", "Grace", "Hopper", "en", true),
  person("mary", "org-harbour", "Mary", "Anning", "en", false),
  {
    id: "user-ci",
    org: "org-analytical",
    username: "ci",
    machine: { name: "CI", description: "Deploys the releases" },
  },
  {
    id: "user-tides",
    org: "org-harbour",
    username: "tides",
    machine: { name: "Tide gauge", description: "Reports the level of the harbour" },
  },
];

function person(
  username: string,
  org: string,
  firstName: string,
  lastName: string,
  language: string,
  verified: boolean,
): SeedUser {
  return {
    id: `user-${username}`,
    org,
    username,
    person: { firstName, lastName, language, verified },
  };
}
