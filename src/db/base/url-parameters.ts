/** What the query of a database URL says besides where the server is. */
export interface UrlParameters {
  /** For the server, when the session starts. */
  readonly settings: Readonly<Record<string, string>>;
  /** `sslmode`, `sslrootcert` and the like, by libpq's names. */
  readonly tls: Readonly<Partial<Record<TlsParameter, string>>>;
  /** In milliseconds. */
  readonly connectTimeoutMs: number | undefined;
  readonly targetSessionAttrs: string | undefined;
  readonly passfile: string | undefined;
  /** A section of the service file; empty keeps `PGSERVICE` out. */
  readonly service: string | undefined;
  /** Seconds until the first keepalive of TCP; 0 for none. */
  readonly keepAliveS: number | undefined;
  /** `pgbouncer=true`: there is a pooler before the server. */
  readonly isPooled: boolean;
  /** Whether statements may stay prepared in a session: `prepare=false`, and most poolers, forbid it. */
  readonly isPreparing: boolean;
  /** Names that nobody knows. */
  readonly unknown: readonly string[];
}

const SSL_MODES = [
  "disable",
  "allow",
  "prefer",
  "require",
  "verify-ca",
  "verify-full",
  // Of `pg`: TLS, with any certificate.
  "no-verify",
] as const;

export type SslMode = (typeof SSL_MODES)[number];

const TLS_PARAMETERS = [
  "sslmode",
  "ssl",
  "sslaccept",
  "sslrootcert",
  "sslcert",
  "sslkey",
  "sslpassword",
  "sslcrl",
  "sslservername",
  "sslnegotiation",
  "ssl_min_protocol_version",
  "ssl_max_protocol_version",
] as const;

export type TlsParameter = (typeof TLS_PARAMETERS)[number];

// The server's own, which drivers send as they are.
const SETTINGS = [
  "application_name",
  "options",
  "search_path",
  "statement_timeout",
  "lock_timeout",
  "idle_in_transaction_session_timeout",
];

/** Of drivers, pools and platforms: nothing of ours depends on them, and the server would refuse them. */
const LEFT_OUT = new Set(
  `schema pgbouncer connection_limit pool_timeout socket_timeout single_use_connections
  statement_cache_size uselibpqcompat channel_binding fallback_application_name client_encoding encoding
  binary query_timeout keepalives keepalives_idle keepalives_interval keepalives_count
  tcp_user_timeout gssencmode gssdelegation krbsrvname gsslib load_balance_hosts sslsni
  sslcompression sslcertmode max idle_timeout max_lifetime max_pipeline keep_alive keepAlive backoff
  prepare no_prepare fetch_types debug publications pool_max_conns pool_min_conns
  pool_max_conn_lifetime pool_max_conn_idle_time supa workaround pool_mode`.split(/\s+/),
);

/** Each would make the connection less safe, or another one, if it were left out. */
const REFUSED: Readonly<Record<string, string>> = {
  sslidentity: "use sslcert and sslkey, two PEM files",
  sslcrldir: "use sslcrl, one file",
  requirepeer: "it cannot be checked",
  require_auth: "it cannot be checked",
};

/** Sorts the parameters that are left once host, port, user, password and database are taken out. */
export function readParameters(query: URLSearchParams): UrlParameters {
  const settings: Record<string, string> = {};
  const tls: Partial<Record<TlsParameter, string>> = {};
  const unknown: string[] = [];
  const known = new Set([
    ...LEFT_OUT,
    "connect_timeout",
    "target_session_attrs",
    "passfile",
    "service",
  ]);
  for (const [name, value] of query) {
    if (SETTINGS.includes(name)) settings[name] = value;
    else if (isTls(name)) tls[name] = value;
    else if (!known.has(name)) unknown.push(name);
  }
  const fallback = query.get("fallback_application_name");
  const isPooled = isOn(query.get("pgbouncer"));
  return {
    settings: { ...(fallback && { application_name: fallback }), ...settings },
    tls,
    connectTimeoutMs: connectTimeout(query.get("connect_timeout")),
    targetSessionAttrs: targetOf(query.get("target_session_attrs")),
    passfile: query.get("passfile") ?? undefined,
    service: query.get("service") ?? undefined,
    keepAliveS: keepAlive(query),
    isPooled,
    isPreparing: !isPooled && query.get("prepare") !== "false" && !isOn(query.get("no_prepare")),
    unknown,
  };
}

/** What is wrong with them, as the rest of a sentence that shows no value of a secret. */
export function parameterProblem(query: URLSearchParams): string | undefined {
  for (const [name, why] of Object.entries(REFUSED)) {
    if (query.has(name)) return `has ${name}, which Tidemark does not support: ${why}`;
  }
  const mode = query.get("sslmode");
  if (mode !== null && !isSslMode(mode)) return sslModeProblem(mode);
  const seconds = query.get("connect_timeout");
  if (seconds !== null && !/^-?\d+$/.test(seconds)) {
    return `has connect_timeout=${seconds}, where a whole number of seconds is expected`;
  }
  const target = query.get("target_session_attrs");
  if (target !== null && !isTarget(target))
    return `has target_session_attrs=${targetProblem(target)}`;
  if (query.has("sslcert") !== query.has("sslkey") && !query.has("sslaccept")) {
    const [one, other] = query.has("sslcert") ? ["sslcert", "sslkey"] : ["sslkey", "sslcert"];
    return `has ${one} without ${other}: a client's certificate takes both`;
  }
  return undefined;
}

export function sslModeProblem(mode: string): string {
  return `has sslmode=${mode}, where ${listOf(SSL_MODES)} is expected`;
}

export function isSslMode(mode: string): mode is SslMode {
  return SSL_MODES.some((known) => known === mode);
}

export function isTarget(target: string): target is "any" | TargetSessionAttrs {
  return TARGETS.some((known) => known === target);
}

export function targetProblem(target: string): string {
  return `${target}, where ${listOf(TARGETS)} is expected`;
}

const TARGETS = ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"] as const;

/** What a server has to be; `any` asks for nothing. */
export type TargetSessionAttrs = Exclude<(typeof TARGETS)[number], "any">;

function isTls(name: string): name is TlsParameter {
  return TLS_PARAMETERS.some((known) => known === name);
}

/** Seconds as libpq reads them: none, or at least two. */
export function connectTimeout(seconds: string | null | undefined): number | undefined {
  const value = Number(seconds ?? 0);
  return value > 0 ? Math.max(value, 2) * 1_000 : undefined;
}

/** As libpq: on by default, and the system's own time where none is given. */
function keepAlive(query: URLSearchParams): number | undefined {
  if (query.get("keepalives") === "0") return 0;
  const seconds = Number(query.get("keepalives_idle") ?? 0);
  return seconds > 0 ? seconds : undefined;
}

/** Whether libpq, a driver or a platform has a parameter of this name. */
export function isKnownParameter(name: string): boolean {
  const place = ["host", "hostaddr", "port", "user", "password", "dbname", "passfile"];
  const others = ["connect_timeout", "target_session_attrs", ...place, ...Object.keys(REFUSED)];
  return isTls(name) || SETTINGS.includes(name) || LEFT_OUT.has(name) || others.includes(name);
}

function isOn(value: string | null): boolean {
  return /^(true|1|on|yes)$/i.test(value ?? "");
}

function targetOf(target: string | null): string | undefined {
  return target ?? undefined;
}

function listOf(names: readonly string[]): string {
  return `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}
