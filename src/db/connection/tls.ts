import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { type ConnectionOptions, checkServerIdentity, type SecureVersion } from "node:tls";
import { refuseEndless } from "../base/files.ts";
import { messageOf, Problem } from "../base/problem.ts";
import {
  isSslMode,
  type SslMode,
  sslModeProblem,
  type TlsParameter,
} from "../base/url-parameters.ts";

/** How a connection is encrypted, and who asked for it. */
export interface Tls {
  /** For the driver. */
  readonly ssl: false | "prefer" | ConnectionOptions;
  readonly negotiation: "direct" | null;
  /** For messages: `the URL` or `PGSSLMODE`. */
  readonly askedBy: string;
}

type Environment = Readonly<Record<string, string | undefined>>;
type TlsParameters = Readonly<Partial<Record<TlsParameter, string>>>;

/**
 * What `sslmode` and its kind come to: the URL's, else those of `PGSSLMODE`, `PGSSLROOTCERT`,
 * `PGSSLCERT`, `PGSSLKEY`, `PGSSLCRL`. Without any of them the connection is not encrypted.
 *
 * @param hosts by whose names a certificate may be
 * @throws Problem `config` for an unknown mode, and a file that cannot be read
 */
export function tlsOf(given: TlsParameters, hosts: readonly string[], env: Environment): Tls {
  const { mode, askedBy } = modeOf(given, env);
  const negotiation = (given.sslnegotiation ?? env.PGSSLNEGOTIATION) === "direct" ? "direct" : null;
  // `allow` begins without TLS in libpq, and takes it where the server insists: TLS first does both.
  if (mode === "disable") return { ssl: false, negotiation: null, askedBy };
  if (mode === "prefer" || mode === "allow") return { ssl: "prefer", negotiation: null, askedBy };
  return { ssl: optionsOf(mode, withEnvironment(given, env), hosts), negotiation, askedBy };
}

function modeOf(given: TlsParameters, env: Environment): { mode: SslMode; askedBy: string } {
  const isStrict = given.sslaccept === "strict";
  const own = given.sslmode ?? (given.ssl === undefined ? undefined : modeOfSsl(given.ssl));
  if (own !== undefined) {
    const mode = known(own, "The database URL");
    return { mode: isStrict && mode !== "disable" ? "verify-full" : mode, askedBy: "the URL" };
  }
  // Who names a certificate wants it checked.
  const hasFiles = given.sslrootcert !== undefined || given.sslcert !== undefined || isStrict;
  if (hasFiles) return { mode: "verify-full", askedBy: "the URL" };
  if (env.PGSSLMODE) {
    return { mode: known(env.PGSSLMODE, "PGSSLMODE"), askedBy: "PGSSLMODE" };
  }
  return { mode: env.PGSSL ? known(modeOfSsl(env.PGSSL), "PGSSL") : "disable", askedBy: "PGSSL" };
}

/** `ssl=true` of drivers checks the certificate. */
function modeOfSsl(value: string): string {
  if (/^(true|1|on)$/i.test(value)) return "verify-full";
  return /^(false|0|off)$/i.test(value) ? "disable" : value;
}

function known(mode: string, whose: string): SslMode {
  if (isSslMode(mode)) return mode;
  const fact =
    whose === "The database URL"
      ? `${whose} ${sslModeProblem(mode)}.`
      : `${whose} ${sslModeProblem(mode).replace(/^has sslmode=/, "is ")}.`;
  throw new Problem({ code: "config", fact, outcome: "nothing-run", remedy: "Correct it." });
}

function withEnvironment(given: TlsParameters, env: Environment): TlsParameters {
  const fromEnv = {
    sslrootcert: env.PGSSLROOTCERT,
    sslcert: env.PGSSLCERT,
    sslkey: env.PGSSLKEY,
    sslcrl: env.PGSSLCRL,
    ssl_min_protocol_version: env.PGSSLMINPROTOCOLVERSION,
    ssl_max_protocol_version: env.PGSSLMAXPROTOCOLVERSION,
  };
  return { ...Object.fromEntries(Object.entries(fromEnv).filter(([, value]) => value)), ...given };
}

function optionsOf(
  mode: SslMode,
  given: TlsParameters,
  hosts: readonly string[],
): ConnectionOptions {
  // Prisma's `sslcert` is the server's authority: a client's certificate has its key.
  const isPrismas = given.sslkey === undefined && given.sslaccept !== undefined;
  const root = given.sslrootcert ?? (isPrismas ? given.sslcert : undefined);
  const ca = root === undefined || root === "system" ? undefined : pem("sslrootcert", root);
  const checks = mode === "verify-full" || root === "system" ? "name" : checkOf(mode, ca);
  return {
    rejectUnauthorized: checks !== undefined,
    ...(ca !== undefined && { ca }),
    ...(checks === "chain" && { checkServerIdentity: () => undefined }),
    ...(checks === "name" && { checkServerIdentity: identityOf(hosts) }),
    ...(given.sslcert !== undefined &&
      given.sslkey !== undefined && {
        cert: pem("sslcert", given.sslcert),
        key: pem("sslkey", given.sslkey),
      }),
    ...(given.sslpassword !== undefined && { passphrase: given.sslpassword }),
    ...(given.sslcrl !== undefined && { crl: pem("sslcrl", given.sslcrl) }),
    ...(given.sslservername !== undefined && { servername: given.sslservername }),
    ...version("minVersion", given.ssl_min_protocol_version),
    ...version("maxVersion", given.ssl_max_protocol_version),
  };
}

/** With an authority at hand, `require` checks against it, as in libpq. */
function checkOf(mode: SslMode, ca: string | undefined): "chain" | undefined {
  return mode === "verify-ca" || (mode === "require" && ca !== undefined) ? "chain" : undefined;
}

/** Node takes the name of an address for `localhost`, and certificates may be for addresses. */
function identityOf(hosts: readonly string[]): typeof checkServerIdentity {
  const addresses = hosts.map((host) => host.replace(/^\[(.*)\]$/, "$1")).filter(isIP);
  return (name, certificate) => {
    const names = name === "localhost" && !hosts.includes(name) ? addresses : [name];
    const errors = (names.length === 0 ? [name] : names).map((one) =>
      checkServerIdentity(one, certificate),
    );
    return errors.includes(undefined) ? undefined : errors[0];
  };
}

function version(name: "minVersion" | "maxVersion", given: string | undefined) {
  if (given === undefined) return {};
  const isSupported = (text: string): text is SecureVersion => /^TLSv1(\.[123])?$/.test(text);
  if (isSupported(given)) return { [name]: given };
  throw new Problem({
    code: "config",
    fact: `The TLS version ${given} is unknown, where TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3 is expected.`,
    outcome: "nothing-run",
    remedy: "Correct ssl_min_protocol_version and ssl_max_protocol_version.",
  });
}

/** A file's text; a PEM text may also stand in place of its path. */
function pem(name: string, pathOrText: string): string {
  if (pathOrText.includes("-----BEGIN")) return pathOrText;
  try {
    refuseEndless(pathOrText);
    return readFileSync(pathOrText, "utf8");
  } catch (cause) {
    const why = cause instanceof Problem ? cause.fact : `${messageOf(cause)}.`;
    throw new Problem({
      code: "config",
      fact: `${name} cannot be read: ${why}`,
      outcome: "nothing-run",
      remedy: `Correct the path in ${name} (or PG${name.toUpperCase()}), which is a PEM file's.`,
      cause,
    });
  }
}
