import { SEED_INSTANCE, SEED_ORGS, SEED_USERS, type SeedUser } from "./seed-data.ts";

const COMMON = { instanceId: SEED_INSTANCE, revision: 1, creator: "seed", sequence: 1 } as const;
const NOW = new Date();
const ROW = { instanceId: SEED_INSTANCE, sequence: 1, creationDate: NOW, changeDate: NOW } as const;

export function orgEvents() {
  return SEED_ORGS.map(({ id, name, domain }) => ({
    ...COMMON,
    aggregateType: "org",
    aggregateId: id,
    eventType: "org.added",
    owner: id,
    payload: { name, primaryDomain: domain },
  }));
}

export function userEvents() {
  return SEED_USERS.map(({ id, org, username, person, machine }) => ({
    ...COMMON,
    aggregateType: "user",
    aggregateId: id,
    eventType: person === undefined ? "user.machine.added" : "user.human.added",
    owner: org,
    payload: { username, ...person, ...machine },
  }));
}

export function uniqueFields() {
  return [
    ...SEED_ORGS.map(({ name }) => ["org_name", name] as const),
    ...SEED_USERS.map(({ username }) => ["username", username] as const),
  ].map(([uniqueType, field]) => ({
    instanceId: SEED_INSTANCE,
    uniqueType,
    uniqueField: field.toLowerCase(),
  }));
}

export function orgRows() {
  return SEED_ORGS.map(({ id, name, domain }) => ({
    ...ROW,
    id,
    resourceOwner: id,
    name,
    primaryDomain: domain,
    state: "active" as const,
  }));
}

export function userRow({ id, org, username, person }: SeedUser) {
  return {
    ...ROW,
    id,
    resourceOwner: org,
    username,
    state: "active" as const,
    type: person === undefined ? ("machine" as const) : ("human" as const),
  };
}

export function humanRow(user: SeedUser) {
  const { id, person } = user;
  if (person === undefined) return [];
  return [
    {
      instanceId: SEED_INSTANCE,
      userId: id,
      firstName: person.firstName,
      lastName: person.lastName,
      displayName: `${person.firstName} ${person.lastName}`,
      preferredLanguage: person.language,
      email: emailOf(user),
      isEmailVerified: person.verified,
    },
  ];
}

export function machineRow({ id, machine }: SeedUser) {
  return machine === undefined ? [] : [{ instanceId: SEED_INSTANCE, userId: id, ...machine }];
}

export function notificationRow(user: SeedUser) {
  const { id, person } = user;
  if (person === undefined) return [];
  const email = emailOf(user);
  return [
    {
      instanceId: SEED_INSTANCE,
      userId: id,
      lastEmail: email,
      verifiedEmail: person.verified ? email : null,
      passwordSet: person.verified,
    },
  ];
}

function emailOf({ username, org }: SeedUser): string {
  const domain = SEED_ORGS.find(({ id }) => id === org)?.domain ?? "example.com";
  return `${username}@${domain}`;
}
